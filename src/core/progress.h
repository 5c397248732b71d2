#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <mutex>
#include <string>

namespace soup {

/// What is counted, for the rate.
enum class Unit { kBytes, kExamples, kItems };

/// A progress line on standard error with rate and time left: a bar on a
/// terminal, else a line every ten seconds. Shows nothing in the first two
/// seconds, nor with -q. Thread-safe.
class Progress {
 public:
  Progress(std::string title, int64_t total, Unit unit, bool enabled = true);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void add(int64_t n);
  /// Removes the bar, so that a line of output or log can be printed; it comes
  /// back with the next add(). Every writer to the terminal calls it.
  static void clear_line();

  /// Text of the line, without control characters: for tests and the display.
  static std::string text(const std::string& title, int64_t done, int64_t total,
                          Unit unit, double seconds);

 private:
  void draw(std::chrono::steady_clock::time_point now);

  std::string title_;
  int64_t total_;
  Unit unit_;
  bool enabled_;
  std::atomic<int64_t> done_{0};
  std::chrono::steady_clock::time_point start_;
  std::atomic<int64_t> next_draw_ms_;
  std::mutex mutex_;
};

}  // namespace soup
