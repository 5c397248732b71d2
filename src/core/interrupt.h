#pragma once

#include <sys/types.h>

#include <filesystem>
#include <mutex>

/// SIGINT and SIGTERM in order: children are told to end, temporary files are
/// removed, then the process ends with 130 or 143.
namespace soup {

/// Takes SIGINT, SIGTERM and SIGHUP away from every thread started later and
/// gives them to one that waits for them. Called once, first thing in main.
void handle_interrupts();

/// Registers a temporary file, or a folder with all that is in it, that an
/// interrupt removes.
void remove_on_interrupt(const std::filesystem::path&);
void forget_on_interrupt(const std::filesystem::path&);

/// Registers a child that an interrupt ends with all that it started.
void end_on_interrupt(pid_t child);
void forget_on_interrupt(pid_t child);

/// Holds interrupts back while it lives: for the few steps during which a
/// file's name and its registration disagree.
class InterruptBlock {
 public:
  InterruptBlock();

 private:
  std::unique_lock<std::recursive_mutex> lock_;
};

/// Undoes handle_interrupts for the calling thread: for a child process between
/// fork and exec.
void restore_interrupts();

}  // namespace soup
