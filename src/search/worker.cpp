#include <random>
#include <utility>

#include "search/identity.h"
#include "search/remote.h"
#include "soup/error.h"

namespace soup {
namespace {

using nlohmann::ordered_json;

constexpr std::chrono::milliseconds kBeat{250};

std::string draw_token() {
  std::random_device device;
  std::string token;
  for (int i = 0; i < 4; ++i) token += std::to_string(device()) + ".";
  return token;
}

/// Makes evaluations for a search that another process leads.
class Worker {
 public:
  Worker(Pulse& pulse, std::string_view search,
         std::span<const CheckpointPtr> checkpoints, Evaluator& evaluator,
         const SearchOptions& options);

  /// Works until there is nothing left to do.
  /// Throws Error when the other process has gone or is at something else.
  void run();

 private:
  nlohmann::ordered_json receive(int64_t number);
  nlohmann::ordered_json compare(const nlohmann::ordered_json& theirs);
  void check_ingredient(size_t index);
  nlohmann::ordered_json work(const nlohmann::ordered_json& message,
                              const std::stop_token& stop);

  Pulse& pulse_;
  std::string search_;
  std::span<const CheckpointPtr> checkpoints_;
  const SearchOptions& options_;
  Panel panel_;
  LocalHand hand_;
  nlohmann::ordered_json identity_;  ///< of the search; null: not known yet
  std::vector<bool> checked_;        ///< by ingredient: is what it should be
};

Worker::Worker(Pulse& pulse, std::string_view search,
               std::span<const CheckpointPtr> checkpoints, Evaluator& evaluator,
               const SearchOptions& options)
    : pulse_(pulse),
      search_(search),
      checkpoints_(checkpoints),
      options_(options),
      panel_{evaluator, options.guards},
      hand_(panel_, checkpoints, options.recipe, options.full),
      checked_(checkpoints.size()) {}

void Worker::run() {
  for (int64_t number = 0;; ++number) {
    const ordered_json message = receive(number);
    const bool end = message.contains("end");
    ordered_json answer = ordered_json::object();
    if (message.contains("identity")) {
      answer = compare(message["identity"]);
    } else if (!end) {
      answer = work(message, pulse_.watch(number));
    }
    pulse_.store().set(key_of(pulse_.token(), "answer", number),
                       message_text(answer));
    if (answer.contains("error") && identity_.is_null()) {
      throw Error(answer["error"].get<std::string>());
    }
    if (end) return;
  }
}

ordered_json Worker::receive(int64_t number) {
  const std::string key = key_of(pulse_.token(), "job", number);
  const size_t limit = longest_message(panel_, checkpoints_.size());
  for (;; std::this_thread::sleep_for(kPoll)) {
    if (const auto text = take_text(pulse_.store(), key)) {
      return read_message(*text, limit);
    }
  }
}

// What is in the files is compared when they are needed.
ordered_json Worker::compare(const ordered_json& theirs) {
  try {
    ordered_json ours =
        circumstances_of(search_, checkpoints_, panel_, options_);
    const ordered_json& files = theirs.at("ingredients");
    ours["ingredients"] = files;
    std::vector<std::string> found = differences(theirs, ours);
    bool same = files.size() == checkpoints_.size();
    for (size_t i = 0; same && i < files.size(); ++i) {
      same = message_text(checkpoints_[i]->path().string()) ==
             message_text(files[i].at("path"));
    }
    if (!same) found.emplace_back("other checkpoints, or in another order");
    if (found.empty()) {
      identity_ = theirs;
      return ordered_json::object();
    }
    return {{"error",
             "was given something else than rank 0: " + join(found, "; ")}};
  } catch (const nlohmann::json::exception& e) {
    return {{"error", std::string("rank 0 says what it cannot: ") + e.what()}};
  }
}

void Worker::check_ingredient(size_t index) {
  if (checked_[index]) return;
  const std::string hash = content_hash(*checkpoints_[index], options_.recipe);
  if (identity_["ingredients"][index].at("hash") != hash) {
    throw Error(checkpoints_[index]->path().string() +
                ": is not the file that rank 0 has");
  }
  checked_[index] = true;
}

ordered_json Worker::work(const ordered_json& message,
                          const std::stop_token& stop) {
  try {
    if (identity_.is_null()) throw Error("a job came before its search");
    const Job job = read_job(panel_, checkpoints_.size(),
                             message.value("job", ordered_json()), "a job");
    for (const size_t index : job.mixture) check_ingredient(index);
    return {{"outcome", outcome_json(panel_, job, hand_.perform(job, stop))}};
  } catch (const Stopped&) {
    return {{"stopped", true}};
  } catch (const std::exception& e) {
    if (stop.stop_requested()) return {{"stopped", true}};
    return {{"error", message_of(e)}};
  }
}

}  // namespace

Pulse::Pulse(Store& store, int64_t rank) : store_(store), token_(draw_token()) {
  store_.set(hello_key(rank), token_);
  thread_ = std::jthread([this](const std::stop_token& end) { beat(end); });
}

std::stop_token Pulse::watch(int64_t number) {
  const std::lock_guard lock(mutex_);
  number_ = number;
  unwanted_ = {};
  return unwanted_.get_token();
}

void Pulse::beat(const std::stop_token& end) {
  std::unique_lock lock(mutex_);
  for (int64_t beats = 0; !end.stop_requested(); ++beats) {
    try {
      store_.set(token_ + "/beat", std::to_string(beats));
      if (store_.get(key_of(token_, "stop", number_))) unwanted_.request_stop();
    } catch (const Error&) {
      // Whoever works finds out himself, the sooner the better.
      unwanted_.request_stop();
      return;
    }
    ended_.wait_for(lock, end, kBeat, [] { return false; });
  }
}

void take_part(Pulse& pulse, std::string_view search,
               std::span<const CheckpointPtr> checkpoints, Evaluator& evaluator,
               const SearchOptions& options) {
  Worker(pulse, search, checkpoints, evaluator, options).run();
}

}  // namespace soup
