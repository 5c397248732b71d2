#include "search/pulse.h"

#include <chrono>
#include <random>

#include "search/remote.h"
#include "soup/error.h"

namespace soup {
namespace {

constexpr std::chrono::milliseconds kBeat{250};

std::string draw_token() {
  std::random_device device;
  std::string token;
  for (int i = 0; i < 4; ++i) token += std::to_string(device()) + ".";
  return token;
}

}  // namespace

Pulse::Pulse(Store& store, int64_t rank)
    : store_(store), rank_(rank), token_(draw_token()) {
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

}  // namespace soup
