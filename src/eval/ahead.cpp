#include "eval/ahead.h"

namespace soup {

Ahead::Ahead(const std::vector<std::filesystem::path>& files, int threads,
             Work work)
    : work_(std::move(work)) {
  for (const std::filesystem::path& file : files) {
    entries_.push_back({.file = file, .promise = {}});
    futures_.emplace(file, entries_.back().promise.get_future());
  }
  for (int i = 0; i < threads; ++i) {
    threads_.emplace_back(
        [this](const std::stop_token& stop) { work_on(stop); });
  }
}

Ahead::~Ahead() {
  // All at once: threads are joined one by one.
  for (std::jthread& thread : threads_) thread.request_stop();
}

void Ahead::work_on(const std::stop_token& stop) {
  for (size_t i = next_++; i < entries_.size() && !stop.stop_requested();
       i = next_++) {
    try {
      entries_[i].promise.set_value(work_(entries_[i].file, stop));
    } catch (...) {
      entries_[i].promise.set_exception(std::current_exception());
    }
  }
}

std::optional<Score> Ahead::take(const std::filesystem::path& file) {
  const auto found = futures_.find(file);
  if (found == futures_.end()) return std::nullopt;
  std::future<Score> score = std::move(found->second);
  futures_.erase(found);
  return score.get();
}

}  // namespace soup
