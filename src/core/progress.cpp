#include "core/progress.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>

#include "core/log.h"
#include "core/text.h"

namespace soup {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int64_t kSilentMs = 2000;      // short work needs no bar
constexpr int64_t kBarEveryMs = 100;     // on a terminal
constexpr int64_t kLineEveryMs = 10000;  // elsewhere

// One terminal line belongs to the process: true while a bar stands on it.
std::atomic<bool>& bar_shown() {
  static std::atomic<bool> shown{false};
  return shown;
}

bool on_terminal() {
  static const bool terminal = isatty(STDERR_FILENO) == 1;
  return terminal;
}

std::string amount(double value, Unit unit) {
  if (unit == Unit::kBytes) return bytes_text(static_cast<int64_t>(value));
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), value < 10 ? "%.1f" : "%.0f", value);
  return text.data();
}

std::string count(int64_t value, Unit unit) {
  return unit == Unit::kBytes ? bytes_text(value) : std::to_string(value);
}

std::string duration(double seconds) {
  const auto s = static_cast<int64_t>(seconds + 0.5);
  std::array<char, 32> text{};
  if (s >= 3600) {
    std::snprintf(text.data(), text.size(), "%ld:%02ld:%02ld",
                  static_cast<long>(s / 3600), static_cast<long>(s / 60 % 60),
                  static_cast<long>(s % 60));
  } else {
    std::snprintf(text.data(), text.size(), "%ld:%02ld",
                  static_cast<long>(s / 60), static_cast<long>(s % 60));
  }
  return text.data();
}

std::string_view unit_name(Unit unit) {
  return unit == Unit::kExamples ? " examples" : "";
}

int64_t since_ms(Clock::time_point start, Clock::time_point now) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(now - start)
      .count();
}

}  // namespace

Progress::Progress(std::string title, int64_t total, Unit unit, bool enabled)
    : title_(std::move(title)),
      total_(total),
      unit_(unit),
      enabled_(enabled && !log::is_quiet()),
      start_(Clock::now()),
      next_draw_ms_(on_terminal() ? kSilentMs : kLineEveryMs) {}

Progress::~Progress() { clear_line(); }

void Progress::clear_line() {
  if (bar_shown().exchange(false)) std::fputs("\r\033[K", stderr);
}

std::string Progress::text(const std::string& title, int64_t done,
                           int64_t total, Unit unit, double seconds) {
  std::string line = title + "  " + count(done, unit) + " of " +
                     count(total, unit) + std::string(unit_name(unit));
  if (seconds <= 0 || done <= 0) return line;
  const double rate = static_cast<double>(done) / seconds;
  line += "  " + amount(rate, unit) + "/s";
  const double left = static_cast<double>(std::max<int64_t>(total - done, 0));
  return line + "  " + duration(left / rate) + " left";
}

void Progress::add(int64_t n) {
  done_ += n;
  if (!enabled_) return;
  const Clock::time_point now = Clock::now();
  if (since_ms(start_, now) < next_draw_ms_) return;
  const std::unique_lock lock(mutex_, std::try_to_lock);
  if (lock.owns_lock()) draw(now);
}

void Progress::draw(Clock::time_point now) {
  const int64_t ms = since_ms(start_, now);
  next_draw_ms_ = ms + (on_terminal() ? kBarEveryMs : kLineEveryMs);
  const std::string line =
      text(title_, done_, total_, unit_, static_cast<double>(ms) / 1000);
  if (!on_terminal()) {
    log::info(line);
    return;
  }
  constexpr int kWidth = 24;
  const auto filled = static_cast<size_t>(
      total_ > 0 ? std::min<int64_t>(done_ * kWidth / total_, kWidth) : 0);
  const std::string bar =
      std::string(filled, '#') + std::string(kWidth - filled, '.');
  std::fprintf(stderr, "\r\033[K[%s] %s", bar.c_str(), line.c_str());
  std::fflush(stderr);
  bar_shown() = true;
}

}  // namespace soup
