#include "data/sources.h"

#include <sys/stat.h>
#include <time.h>

#include "core/file.h"

namespace soup {
namespace {

// Clocks of file systems tick in steps of up to two seconds.
constexpr int64_t kTick = 2'000'000'000;

int64_t nanoseconds(const timespec& time) {
  return time.tv_sec * int64_t{1'000'000'000} + time.tv_nsec;
}

}  // namespace

std::optional<FileStamp> Sources::stamp(int64_t i) const {
  struct stat status {};
  if (!listing_.contents.empty() || stat(path(i).c_str(), &status) != 0) {
    return std::nullopt;
  }
  timespec now = {};
  clock_gettime(CLOCK_REALTIME, &now);
  const FileStamp made{.size = status.st_size,
                       .modified_ns = nanoseconds(status.st_mtim),
                       .changed_ns = nanoseconds(status.st_ctim)};
  if (nanoseconds(now) - made.changed_ns < kTick) return std::nullopt;
  return made;
}

void Sources::read(
    int64_t i,
    const std::function<void(std::span<const std::byte>)>& use) const {
  if (!listing_.contents.empty()) {
    use(listing_.contents[index(i)]);
    return;
  }
  const MappedFile file(path(i));
  use(file.bytes());
}

}  // namespace soup
