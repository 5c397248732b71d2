#include "core/log.h"

#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include "core/progress.h"

namespace soup::log {
namespace {

spdlog::logger& logger() {
  // Never destroyed, and not in spdlog's registry, which is: an interrupt is
  // told of while the statics of the process are being destroyed.
  static auto* const instance = [] {
    auto* const made = new spdlog::logger(
        "soup", std::make_shared<spdlog::sinks::stderr_color_sink_mt>());
    made->set_pattern("%n: %^%l%$: %v");
    return made;
  }();
  return *instance;
}

void write(spdlog::level::level_enum level, std::string_view message) {
  if (!logger().should_log(level)) return;
  Progress::clear_line();
  logger().log(level, "{}", message);
}

}  // namespace

void set_level(Level level) {
  switch (level) {
    case Level::kErrors:
      logger().set_level(spdlog::level::err);
      break;
    case Level::kQuiet:
      logger().set_level(spdlog::level::warn);
      break;
    case Level::kNormal:
      logger().set_level(spdlog::level::info);
      break;
    case Level::kVerbose:
      logger().set_level(spdlog::level::debug);
      break;
  }
}

bool is_quiet() { return !logger().should_log(spdlog::level::info); }

void set_color(bool on) {
  auto* sink = dynamic_cast<spdlog::sinks::stderr_color_sink_mt*>(
      logger().sinks().front().get());
  if (sink != nullptr) {
    sink->set_color_mode(on ? spdlog::color_mode::automatic
                            : spdlog::color_mode::never);
  }
}

void debug(std::string_view message) { write(spdlog::level::debug, message); }
void info(std::string_view message) { write(spdlog::level::info, message); }
void warn(std::string_view message) { write(spdlog::level::warn, message); }
void error(std::string_view message) { write(spdlog::level::err, message); }

}  // namespace soup::log
