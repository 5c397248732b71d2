#include "checkpoint/shard_index.h"

#include "invariants.h"
#include "soup/error.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    const soup::ShardIndex index = soup::parse_shard_index(
        {reinterpret_cast<const char*>(data), size}, "x");
    for (const auto& [name, file] : index.files) {
      soup::fuzz::require(!file.empty() &&
                          file.find('/') == std::string::npos && file != "..");
    }
  } catch (const soup::Error&) {
    // refused, as it should be
  }
  return 0;
}
