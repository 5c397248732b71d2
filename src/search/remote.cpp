#include "search/remote.h"

#include <thread>
#include <utility>

#include "core/json.h"
#include "core/log.h"
#include "core/text.h"
#include "soup/error.h"

namespace soup {
namespace {

using nlohmann::ordered_json;

constexpr size_t kLongestToken = 64;
constexpr size_t kPiece = size_t{1} << 20;  // PyTorch's store takes 8 MiB
constexpr const char* kPieces = "pieces";

std::string piece_key(const std::string& key, size_t piece) {
  return key + "/" + std::to_string(piece);
}

std::optional<std::string> take(Store& store, const std::string& key) {
  std::optional<std::string> text = store.get(key);
  if (text) store.erase(key);
  return text;
}

}  // namespace

std::string hello_key(int64_t rank) { return "hello/" + std::to_string(rank); }

std::string late_key(int64_t rank) { return "late/" + std::to_string(rank); }

std::string key_of(const std::string& token, const char* what, int64_t number) {
  return token + "/" + what + "/" + std::to_string(number);
}

std::string message_text(const ordered_json& message) {
  return message.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

void put_text(Store& store, const std::string& key, const std::string& text) {
  if (text.size() <= kPiece) {
    store.set(key, text);
    return;
  }
  size_t pieces = 0;
  for (size_t begin = 0; begin < text.size(); begin += kPiece) {
    store.set(piece_key(key, pieces++), text.substr(begin, kPiece));
  }
  store.set(key, message_text({{kPieces, pieces}}));
}

std::optional<std::string> take_text(Store& store, const std::string& key,
                                     size_t limit) {
  std::optional<std::string> text = take(store, key);
  if (!text || !text->starts_with(std::string("{\"") + kPieces)) return text;
  const auto pieces =
      get_as<int64_t>(read_message(*text), kPieces, "a message");
  text->clear();
  for (size_t i = 0; std::cmp_less(i, pieces); ++i) {
    const auto piece = take(store, piece_key(key, i));
    if (!piece) throw Error("a message lacks a piece");
    *text += *piece;
    if (text->size() > limit) {
      throw Error("a message of more than " +
                  bytes_text(static_cast<int64_t>(limit)) +
                  " is longer than it can be");
    }
  }
  return text;
}

ordered_json read_message(const std::string& text) {
  ordered_json message = parse_json(text, "a message");
  if (!message.is_object()) throw Error("a message is no object");
  return message;
}

size_t longest_message(const Panel& panel, size_t checkpoints) {
  // A term, two margins and two bits of each example in base64; paths.
  constexpr size_t by_example = 26;
  constexpr size_t by_checkpoint = 8192;
  return by_example * static_cast<size_t>(panel.examples()) +
         by_checkpoint * (checkpoints + 16) + size_t{2 * kLargestOutcome};
}

RemoteHand::RemoteHand(Store& store, int64_t rank, const Panel& panel,
                       const ordered_json& identity, Patience patience)
    : store_(store),
      rank_(rank),
      name_("rank " + std::to_string(rank)),
      panel_(panel),
      identity_(identity),
      patience_(patience) {}

// True when somebody new is there; he is told what the search is of.
bool RemoteHand::greet() {
  const std::optional<std::string> token = store_.get(hello_key(rank_));
  if (!token || *token == token_ || token->size() > kLongestToken) return false;
  token_ = *token;
  refused_ = false;
  sent_ = 0;
  beat_.clear();
  heard_ = Clock::now();
  return true;
}

void RemoteHand::send(const ordered_json& message) {
  put_text(store_, key_of(token_, "job", sent_++), message_text(message));
}

std::optional<std::string> RemoteHand::take_answer() {
  if (sent_ == 0) return std::nullopt;
  return take_text(store_, key_of(token_, "answer", sent_ - 1),
                   longest_message(panel_, identity_["ingredients"].size()));
}

bool RemoteHand::is_silent() {
  const auto beat =
      token_.empty() ? std::nullopt : store_.get(token_ + "/beat");
  if (beat && *beat != beat_) {
    beat_ = *beat;
    heard_ = Clock::now();
  }
  return Clock::now() - heard_ >
         (token_.empty() ? patience_.arrival : patience_.silence);
}

bool RemoteHand::wait_ready(const std::stop_token& stop) {
  for (; !stop.stop_requested(); std::this_thread::sleep_for(kPoll)) {
    if (greet()) send({{"identity", identity_}});
    const auto answer = take_answer();
    if (!answer) continue;
    const ordered_json answered = read_message(*answer);
    refused_ = answered.contains("error");
    if (!refused_) return true;
    log::warn(name_ + " does not take part: " +
              printable(get_as<std::string>(answered, "error", name_)));
  }
  return false;
}

std::string RemoteHand::wait_for_answer(const std::stop_token& stop) {
  bool told = false;
  for (;; std::this_thread::sleep_for(kPoll)) {
    if (auto answer = take_answer()) {
      if (told) store_.erase(key_of(token_, "stop", sent_ - 1));
      return *std::move(answer);
    }
    if (stop.stop_requested() && !told) {
      store_.set(key_of(token_, "stop", sent_ - 1), "");
      told = true;
    }
    if (is_silent()) {
      throw Error("is not heard any more; what it did is done again");
    }
  }
}

Outcome RemoteHand::perform(const Job& job, const std::stop_token& stop) {
  std::string text;
  try {
    send({{"job", job_json(panel_, job)}});
    text = wait_for_answer(stop);
  } catch (const Error& e) {
    log::warn(name_ + ": " + e.what());
    throw Lost();
  }
  if (stop.stop_requested()) throw Stopped();
  const ordered_json answer = read_message(text);
  if (answer.contains("error")) {
    throw Error(name_ + ": " +
                printable(get_as<std::string>(answer, "error", name_)));
  }
  if (!answer.contains("outcome")) throw Error(name_ + ": no outcome");
  return read_outcome(panel_, job, answer["outcome"], name_);
}

void RemoteHand::dismiss() {
  bool told = false;
  for (; !is_silent(); std::this_thread::sleep_for(kPoll)) {
    if (greet()) told = false;
    if (!token_.empty() && !told) {
      send({{"end", true}});
      told = true;
    }
    if (refused_ || (told && take_answer())) return;
  }
  if (token_.empty()) store_.set(late_key(rank_), "");
}

}  // namespace soup
