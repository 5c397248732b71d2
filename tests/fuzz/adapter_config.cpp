#include "recipe/adapter_config.h"

#include <string>
#include <string_view>

#include "core/json.h"
#include "invariants.h"
#include "soup/error.h"

// What is accepted has a scale for every module.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    const soup::AdapterConfig config(soup::parse_json(text, "x"), "x");
    soup::fuzz::require(config.text("peft_type") == "LORA");
    for (const std::string module : {"", "q_proj", "model.layers.0.q_proj"}) {
      soup::fuzz::require(config.scale(module, 8).divisor > 0);
    }
  } catch (const soup::Error&) {
    // refused, as it should be
  }
  return 0;
}
