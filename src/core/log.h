#pragma once

#include <string_view>

/// The log: lines on standard error, `soup: info: ...`.
namespace soup::log {

enum class Level { kErrors, kQuiet, kNormal, kVerbose };

void set_level(Level);
/// True when only warnings and errors are shown.
bool is_quiet();
/// Colours of the level's name; off when standard error is no terminal.
void set_color(bool);

void debug(std::string_view message);  ///< shown with -v
void info(std::string_view message);   ///< not shown with -q
void warn(std::string_view message);   ///< shown with -q
void error(std::string_view message);

}  // namespace soup::log
