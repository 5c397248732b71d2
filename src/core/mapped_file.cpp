#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <mutex>
#include <utility>

#include "core/file.h"
#include "soup/error.h"

namespace soup {
namespace fs = std::filesystem;
namespace {

[[noreturn]] void throw_errno(const fs::path& path, const std::string& what) {
  const int code = errno;
  throw Error(path.string() + ": " + what + ": " + std::strerror(code));
}

int64_t mtime_ns(const struct stat& status) {
  return status.st_mtim.tv_sec * int64_t{1'000'000'000} +
         status.st_mtim.tv_nsec;
}

// Reading behind the end of a mapped file that somebody truncated raises
// SIGBUS. The handler puts zeros where the file ended, so that the reader gets
// as far as check_unchanged(), which says what happened.
struct Guarded {
  std::atomic<uintptr_t> begin{0};
  std::atomic<uintptr_t> end{0};
};
// A handler may neither allocate nor lock. Mappings beyond these go unguarded.
std::array<Guarded, 4096> guarded;

void on_bus_error(int signal, siginfo_t* info, void* /*context*/) {
  const int before = errno;
  const auto address = reinterpret_cast<uintptr_t>(info->si_addr);
  for (const Guarded& range : guarded) {
    const uintptr_t begin = range.begin;
    const uintptr_t end = range.end;
    if (address < begin || address >= end) continue;
    const uintptr_t page = address & ~uintptr_t{4095};
    void* const put = mmap(reinterpret_cast<void*>(page), end - page, PROT_READ,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    errno = before;
    if (put != MAP_FAILED) return;
  }
  std::signal(signal, SIG_DFL);  // not ours: the access fails again, for good
}

void guard(std::span<const std::byte> mapping) {
  static std::once_flag installed;
  std::call_once(installed, [] {
    struct sigaction action {};
    action.sa_sigaction = on_bus_error;
    action.sa_flags = SA_SIGINFO;
    sigaction(SIGBUS, &action, nullptr);
  });
  const auto begin = reinterpret_cast<uintptr_t>(mapping.data());
  for (Guarded& range : guarded) {
    uintptr_t free = 0;
    if (!range.begin.compare_exchange_strong(free, begin)) continue;
    range.end = begin + mapping.size();
    return;
  }
}

void unguard(std::span<const std::byte> mapping) {
  const auto begin = reinterpret_cast<uintptr_t>(mapping.data());
  for (Guarded& range : guarded) {
    if (range.begin != begin) continue;
    range.end = 0;
    range.begin = 0;
    return;
  }
}

}  // namespace

MappedFile::MappedFile(const fs::path& path) : path_(path) {
  // O_NONBLOCK: opening a FIFO must not wait for a writer.
  fd_ = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd_ < 0) throw_errno(path, "cannot open");
  struct stat status {};
  if (fstat(fd_, &status) != 0 || !S_ISREG(status.st_mode)) {
    close(fd_);
    throw Error(path.string() + ": not a regular file");
  }
  mtime_ns_ = mtime_ns(status);
  const auto size = static_cast<size_t>(status.st_size);
  if (size == 0) return;
  void* data = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd_, 0);
  if (data == MAP_FAILED) {
    const int code = errno;
    close(fd_);
    errno = code;
    throw_errno(path, "cannot map");
  }
  bytes_ = {static_cast<const std::byte*>(data), size};
  guard(bytes_);
}

void MappedFile::unmap() noexcept {
  if (!bytes_.empty()) {
    unguard(bytes_);
    munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
  }
  if (fd_ >= 0) close(fd_);
  bytes_ = {};
  fd_ = -1;
}

MappedFile::~MappedFile() { unmap(); }

MappedFile::MappedFile(MappedFile&& other) noexcept
    : path_(std::move(other.path_)),
      fd_(std::exchange(other.fd_, -1)),
      bytes_(std::exchange(other.bytes_, {})),
      mtime_ns_(other.mtime_ns_) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  if (this == &other) return *this;
  unmap();
  path_ = std::move(other.path_);
  fd_ = std::exchange(other.fd_, -1);
  bytes_ = std::exchange(other.bytes_, {});
  mtime_ns_ = other.mtime_ns_;
  return *this;
}

void MappedFile::check_unchanged() const {
  struct stat status {};
  if (fstat(fd_, &status) != 0 ||
      static_cast<size_t>(status.st_size) != bytes_.size() ||
      mtime_ns(status) != mtime_ns_) {
    throw Error(path_.string() + ": changed while it was being read");
  }
}

}  // namespace soup
