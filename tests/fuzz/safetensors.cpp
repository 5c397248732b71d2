#include "checkpoint/safetensors_header.h"
#include "invariants.h"
#include "soup/error.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using soup::fuzz::require;
  try {
    const soup::SafetensorsHeader header =
        soup::parse_safetensors(soup::fuzz::as_bytes(data, size), "x");
    require(header.tensors.size() == header.offsets.size());
    for (size_t i = 0; i < header.tensors.size(); ++i) {
      const int64_t begin = header.offsets[i];
      const int64_t bytes = header.tensors[i].bytes();
      require(begin >= 8 && bytes >= 0);
      require(static_cast<uint64_t>(begin + bytes) <= size);
    }
    // What was read can be written and read again.
    const auto order = soup::safetensors_order(header.tensors);
    std::string again =
        soup::format_safetensors_header(header.tensors, order, header.metadata);
    for (size_t index : order) {
      again.append(static_cast<size_t>(header.tensors[index].bytes()), 'v');
    }
    const soup::SafetensorsHeader second =
        soup::parse_safetensors(std::as_bytes(std::span(again)), "x");
    require(second.tensors.size() == header.tensors.size());
  } catch (const soup::Error&) {
    // refused, as it should be
  }
  return 0;
}
