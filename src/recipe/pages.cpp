#include "recipe/pages.h"

#include <sys/mman.h>

#include <cerrno>
#include <cstdint>

#include "soup/error.h"

namespace soup {
namespace {

constexpr uintptr_t kPage = 4096;
constexpr int kPopulateRead = 22;  // MADV_POPULATE_READ of Linux 5.14

}  // namespace

void populate(std::span<const std::byte> bytes, const Checkpoint& from) {
  const auto begin = reinterpret_cast<uintptr_t>(bytes.data()) & ~(kPage - 1);
  const auto end = reinterpret_cast<uintptr_t>(bytes.data() + bytes.size());
  const int failed =
      madvise(reinterpret_cast<void*>(begin), end - begin, kPopulateRead);
  if (failed != 0 && (errno == EFAULT || errno == EHWPOISON)) {
    throw Error(from.path().string() +
                ": cannot be read to its end; it became shorter, or its disk "
                "fails");
  }
}

void release(std::span<const std::byte> bytes) {
  const auto begin =
      (reinterpret_cast<uintptr_t>(bytes.data()) + kPage - 1) & ~(kPage - 1);
  const auto end =
      reinterpret_cast<uintptr_t>(bytes.data() + bytes.size()) & ~(kPage - 1);
  if (begin >= end) return;
  madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
}

}  // namespace soup
