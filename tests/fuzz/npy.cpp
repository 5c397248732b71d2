#include "data/npy_header.h"
#include "invariants.h"
#include "soup/error.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::span file(reinterpret_cast<const std::byte*>(data), size);
  try {
    const soup::NpyHeader header = soup::parse_npy_header(file, "x");
    soup::fuzz::require(header.offset +
                            static_cast<size_t>(header.count * header.width) ==
                        size);
    soup::fuzz::require(std::ssize(soup::npy_values(header, file)) ==
                        header.count);
  } catch (const soup::Error&) {
    // refused, as it should be
  }
  return 0;
}
