#pragma once

#include <chrono>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "core/store.h"
#include "search/job.h"

/// How rank 0 and the other processes of a search talk. All keys but the first
/// begin with a token that a process draws anew each time it is started, so
/// that nothing of an earlier one is taken for its own:
///   hello/RANK      the token; set first
///   late/RANK       by rank 0, which has ended and did not see that
///   TOKEN/beat      another text every quarter of a second
///   TOKEN/job/N     by rank 0, for N = 0, 1, 2, ..., one after the other's
///                   answer: {"identity": ...} first, then {"job": ...}, in the
///                   end {"end": true}; all JSON
///   TOKEN/stop/N    by rank 0: job N is no longer wanted
///   TOKEN/answer/N  {"outcome": ...}, {"stopped": true} or {"error": "why"}
/// What is read is erased. A message too long for the store lies in pieces
/// under KEY/0, KEY/1, ...; KEY itself, set last, is {"pieces": how many}.
namespace soup {

/// How often is looked for what may have come.
inline constexpr std::chrono::milliseconds kPoll{5};

std::string hello_key(int64_t rank);
std::string late_key(int64_t rank);
std::string key_of(const std::string& token, const char* what, int64_t number);

/// As JSON in UTF-8, whatever names of files there are in it.
std::string message_text(const nlohmann::ordered_json& message);
void put_text(Store& store, const std::string& key, const std::string& text);
/// Takes what is under `key` out of the store; nullopt: nothing is there.
/// Throws Error when it is not all there or longer than `limit` bytes.
std::optional<std::string> take_text(Store& store, const std::string& key,
                                     size_t limit);
/// Throws Error when `text` is no JSON object.
nlohmann::ordered_json read_message(const std::string& text);
/// Longest text of a job or an outcome of a panel.
size_t longest_message(const Panel& panel, size_t checkpoints);

/// How long rank 0 waits for others.
struct Patience {
  std::chrono::milliseconds silence;  ///< of one that was heard
  std::chrono::milliseconds arrival;  ///< at the end, since its own start
};

/// Has another process evaluate.
class RemoteHand : public Hand {
 public:
  /// `identity`: as of identity_of(). `store`, it and the panel's evaluators
  /// outlive this.
  RemoteHand(Store& store, int64_t rank, const Panel& panel,
             const nlohmann::ordered_json& identity, Patience patience);

  bool wait_ready(const std::stop_token& stop) override;
  Outcome perform(const Job& job, const std::stop_token& stop) override;
  void dismiss() override;

 private:
  using Clock = std::chrono::steady_clock;

  bool greet();
  void send(const nlohmann::ordered_json& message);
  std::optional<std::string> take_answer();
  std::string wait_for_answer(const std::stop_token& stop);
  bool is_silent();

  Store& store_;
  int64_t rank_;
  std::string name_;  ///< for messages
  Panel panel_;
  const nlohmann::ordered_json& identity_;
  Patience patience_;
  std::string token_;     ///< empty: has not been heard of yet
  bool refused_ = false;  ///< its bearer takes no part
  int64_t sent_ = 0;      ///< messages to the bearer of the token
  std::string beat_;      ///< the last
  Clock::time_point heard_ = Clock::now();
};

}  // namespace soup
