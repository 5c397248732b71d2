#include "data/tar.h"

#include "invariants.h"
#include "soup/error.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::span file(reinterpret_cast<const std::byte*>(data), size);
  size_t total = 0;
  try {
    soup::for_each_member(
        file, "x", [&](std::string_view, std::span<const std::byte> content) {
          soup::fuzz::require(
              content.empty() ||
              (content.data() >= file.data() &&
               content.data() + content.size() <= file.data() + file.size()));
          total += content.size();
        });
  } catch (const soup::Error&) {
    // refused, as it should be
  }
  soup::fuzz::require(total <= size);
  return 0;
}
