#include "data/cache_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <ctime>
#include <vector>

#include "core/log.h"
#include "core/text.h"
#include "soup/error.h"

namespace soup {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kSuffix = ".pictures";
constexpr int64_t kAbandoned = 24 * 3600;  // seconds

struct Entry {
  fs::path path;
  int64_t bytes = 0;
  timespec used = {};
};

bool used_before(const Entry& a, const Entry& b) {
  return a.used.tv_sec != b.used.tv_sec ? a.used.tv_sec < b.used.tv_sec
                                        : a.used.tv_nsec < b.used.tv_nsec;
}

// Temporary files are named after the final one, with a dot before it.
bool is_ours(const std::string& name) {
  return name.find(kSuffix) != std::string::npos;
}

std::vector<Entry> entries_of(const fs::path& folder) {
  std::vector<Entry> entries;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end;
       it.increment(error)) {
    struct stat status {};
    if (!is_ours(it->path().filename().string()) ||
        lstat(it->path().c_str(), &status) != 0 || !S_ISREG(status.st_mode)) {
      continue;
    }
    entries.push_back({it->path(), status.st_size, status.st_atim});
  }
  return entries;
}

bool is_abandoned(const Entry& entry) {
  return entry.path.filename().string().starts_with('.') &&
         std::time(nullptr) - entry.used.tv_sec > kAbandoned;
}

}  // namespace

fs::path default_cache_folder() {
  const char* cache = std::getenv("XDG_CACHE_HOME");
  // The XDG specification: relative paths are to be ignored.
  if (cache != nullptr && *cache == '/')
    return fs::path(cache) / "soup/pictures";
  const char* home = std::getenv("HOME");
  if (home == nullptr || *home != '/') return {};
  return fs::path(home) / ".cache/soup/pictures";
}

void make_cache_folder(const fs::path& folder) {
  std::error_code error;
  const bool made = fs::create_directories(folder, error);
  if (error) {
    throw Error(folder.string() + ": cannot be made: " + error.message());
  }
  if (made) fs::permissions(folder, fs::perms::owner_all, error);
}

int64_t cache_size(const fs::path& folder) {
  int64_t bytes = 0;
  for (const Entry& entry : entries_of(folder)) bytes += entry.bytes;
  return bytes;
}

void make_room(const PictureCache& cache, int64_t needed, const fs::path& but) {
  if (needed > cache.limit) {
    throw Error(cache.folder.string() + ": " + bytes_text(needed) +
                " are more than the " + bytes_text(cache.limit) +
                " that may be kept there (--cache-size)");
  }
  std::vector<Entry> entries = entries_of(cache.folder);
  std::sort(entries.begin(), entries.end(), used_before);
  int64_t bytes = needed;
  for (const Entry& entry : entries) bytes += entry.bytes;
  for (const Entry& entry : entries) {
    if (bytes <= cache.limit && !is_abandoned(entry)) continue;
    if (entry.path == but) continue;
    std::error_code kept;
    if (fs::remove(entry.path, kept)) bytes -= entry.bytes;
  }
}

void note_use(const fs::path& file) {
  // Finer than the system's ticks. The time of access alone: another time of
  // modification means other bytes.
  std::array<timespec, 2> times = {timespec{}, timespec{0, UTIME_OMIT}};
  clock_gettime(CLOCK_REALTIME, times.data());
  utimensat(AT_FDCWD, file.c_str(), times.data(), 0);
}

CacheLock::CacheLock(const fs::path& file) : path_(file) {
  path_.replace_extension(".lock");
  fd_ = open(path_.c_str(), O_CREAT | O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd_ < 0 || flock(fd_, LOCK_EX | LOCK_NB) == 0) return;
  waited_ = true;
  log::info(file.string() +
            ": another process decodes these pictures; waiting for it "
            "(--no-cache does not)");
  while (flock(fd_, LOCK_EX) != 0 && errno == EINTR) {
  }
}

CacheLock::~CacheLock() {
  if (fd_ < 0) return;
  unlink(path_.c_str());  // who waits for it looks again for what was made
  close(fd_);
}

}  // namespace soup
