#pragma once

#include <atomic>
#include <filesystem>
#include <functional>
#include <future>
#include <map>
#include <optional>
#include <stop_token>
#include <thread>
#include <vector>

#include "soup/eval.h"

namespace soup {

/// Scores of files, taken on a few threads before they are asked for.
class Ahead {
 public:
  using Work =
      std::function<Score(const std::filesystem::path&, std::stop_token)>;

  /// Begins with the first of `files`, in order, `threads` at a time.
  Ahead(const std::vector<std::filesystem::path>& files, int threads,
        Work work);
  /// Begins nothing more and stops what is going on.
  ~Ahead();
  Ahead(const Ahead&) = delete;
  Ahead& operator=(const Ahead&) = delete;

  /// Waits for the score of `file`, once; nullopt: it is not among them.
  /// Throws what the work threw.
  std::optional<Score> take(const std::filesystem::path& file);

 private:
  struct Entry {
    std::filesystem::path file;
    std::promise<Score> promise;
  };

  void work_on(const std::stop_token& stop);

  Work work_;
  std::vector<Entry> entries_;
  std::map<std::filesystem::path, std::future<Score>> futures_;
  std::atomic<size_t> next_{0};
  std::vector<std::jthread> threads_;  ///< last: they use all above
};

}  // namespace soup
