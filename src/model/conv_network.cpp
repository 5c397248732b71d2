#include "model/conv_network.h"

#include <algorithm>
#include <array>
#include <bit>

#include "core/text.h"
#include "soup/error.h"

namespace soup {
namespace {

[[noreturn]] void throw_unknown(const char* key,
                                const nlohmann::ordered_json& value) {
  throw Error(std::string("config.json: '") + key + "' is " +
              printable(value.dump()) + ", which the model does not have");
}

}  // namespace

int64_t conv_unit(const ModelInput& input) {
  constexpr int64_t pixels = 8 * 224 * 224;
  const int64_t fit = pixels / std::max<int64_t>(input.height * input.width, 1);
  return static_cast<int64_t>(
      std::bit_floor(static_cast<uint64_t>(std::clamp<int64_t>(fit, 1, 64))));
}

void check_conv_arguments(const Sidecar& sidecar, std::string_view activation) {
  const auto* act = find_argument(sidecar.config, "act_layer");
  if (act != nullptr && *act != activation) throw_unknown("act_layer", *act);
  const auto* stride = find_argument(sidecar.config, "output_stride");
  if (stride != nullptr && *stride != 32) {
    throw_unknown("output_stride", *stride);
  }
  const auto* pool = find_argument(sidecar.config, "global_pool");
  if (pool != nullptr && *pool != "avg") throw_unknown("global_pool", *pool);
  for (const char* key : {"replace_stem_pool", "aa_layer", "norm_layer"}) {
    const auto* found = find_argument(sidecar.config, key);
    if (found != nullptr && *found != false) throw_unknown(key, *found);
  }
}

}  // namespace soup
