#include <thread>

#include "core/log.h"
#include "core/text.h"
#include "search/identity.h"
#include "search/pulse.h"
#include "search/remote.h"
#include "soup/error.h"

namespace soup {
namespace {

using nlohmann::ordered_json;

/// Makes evaluations for a search that another process leads.
class Worker {
 public:
  Worker(Pulse& pulse, std::string_view search,
         std::span<const CheckpointPtr> checkpoints, Evaluator& evaluator,
         const SearchOptions& options);

  /// Works until there is nothing left to do.
  /// Throws Error when the other process has gone before it was done, or is at
  /// something else.
  void run();

 private:
  void serve();
  bool has_ended() const;
  std::optional<nlohmann::ordered_json> receive(int64_t number);
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
      hand_(panel_, checkpoints, options),
      checked_(checkpoints.size()) {}

void Worker::run() {
  try {
    serve();
  } catch (const Error&) {
    if (!has_ended()) throw;
    log::set_level(log::Level::kQuiet);  // only rank 0 speaks otherwise
    log::warn("rank " + std::to_string(pulse_.rank()) +
              ": the search has ended without it, which was not heard for a "
              "while");
  }
}

// Rank 0 that has gone because it was done has left a result in the journal.
bool Worker::has_ended() const {
  return !options_.run_dir.empty() && !identity_.is_null() &&
         holds_results(options_.run_dir, identity_, options_.orders);
}

void Worker::serve() {
  for (int64_t number = 0;; ++number) {
    const std::optional<ordered_json> message = receive(number);
    if (!message) return;
    const bool end = message->contains("end");
    ordered_json answer = ordered_json::object();
    if (message->contains("identity")) {
      answer = compare(message->at("identity"));
    } else if (!end) {
      answer = work(*message, pulse_.watch(number));
    }
    put_text(pulse_.store(), key_of(pulse_.token(), "answer", number),
             message_text(answer));
    if (answer.contains("error") && identity_.is_null()) {
      throw Error(answer["error"].get<std::string>());
    }
    if (end) return;
  }
}

// nullopt: rank 0 has ended before it heard of this process.
std::optional<ordered_json> Worker::receive(int64_t number) {
  const std::string key = key_of(pulse_.token(), "job", number);
  const size_t limit = longest_message(panel_, checkpoints_.size());
  for (;; std::this_thread::sleep_for(kPoll)) {
    if (const auto text = take_text(pulse_.store(), key, limit)) {
      return read_message(*text);
    }
    if (number == 0 && pulse_.store().get(late_key(pulse_.rank()))) {
      return std::nullopt;
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
             "was given something else than rank 0: " + join(found, "; ") +
                 "; to work alone it must not see the launcher's variables"}};
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

Participant::Participant(Store& store, int64_t rank)
    : pulse_(std::make_unique<Pulse>(store, rank)) {}

Participant::~Participant() = default;

void Participant::take_part(std::string_view command,
                            std::span<const CheckpointPtr> checkpoints,
                            Evaluator& evaluator,
                            const SearchOptions& options) {
  Worker(*pulse_, command, checkpoints, evaluator, options).run();
}

}  // namespace soup
