#include "core/zip.h"

#include "invariants.h"
#include "soup/error.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto file = soup::fuzz::as_bytes(data, size);
  try {
    const soup::ZipArchive archive(file, "x");
    for (const soup::ZipEntry& entry : archive.entries()) {
      soup::fuzz::require(archive.find(entry.name) == &entry);
      try {
        const auto bytes = archive.bytes(entry);
        soup::fuzz::require(
            bytes.data() >= file.data() && bytes.size() <= file.size() &&
            bytes.data() + bytes.size() <= file.data() + file.size());
      } catch (const soup::Error&) {
        // compressed or encrypted
      }
    }
  } catch (const soup::Error&) {
    // refused, as it should be
  }
  return 0;
}
