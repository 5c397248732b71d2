#include "checkpoint/torch_file.h"
#include "invariants.h"
#include "soup/error.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto file = soup::fuzz::as_bytes(data, size);
  try {
    soup::fuzz::check_contents(soup::parse_torch_legacy(file, {}, "x"), file);
  } catch (const soup::Error&) {
    // refused, as it should be
  }
  return 0;
}
