#include "data/npz.h"

#include "invariants.h"
#include "soup/error.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto file = soup::fuzz::as_bytes(data, size);
  try {
    const soup::Npz npz(file, "x", nullptr);
    for (const std::string& name : npz.names()) {
      try {
        const soup::Array array = npz.read(name);
        soup::fuzz::require(std::ssize(array.values) ==
                            array.header.count * array.header.width);
      } catch (const soup::Error&) {
        // refused, as it should be
      }
    }
  } catch (const soup::Error&) {
    // refused, as it should be
  }
  return 0;
}
