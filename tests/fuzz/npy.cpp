#include "data/array.h"
#include "invariants.h"
#include "soup/error.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::span file(reinterpret_cast<const std::byte*>(data), size);
  try {
    const soup::Array array = soup::parse_array(file, "x", nullptr);
    const soup::NpyHeader& header = array.header;
    soup::fuzz::require(header.offset +
                            static_cast<size_t>(header.count * header.width) ==
                        size);
    soup::fuzz::require(std::ssize(soup::npy_values(header, array.values)) ==
                        header.count);
  } catch (const soup::Error&) {
    // refused, as it should be
  }
  return 0;
}
