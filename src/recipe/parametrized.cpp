#include "recipe/parametrized.h"

#include <array>

#include "recipe/piece.h"

namespace soup {
namespace {

constexpr std::string_view kMask = "_mask";

/// Ends of the names of two tensors that make one weight.
struct Factors {
  std::string_view first;
  std::string_view second;
  std::string_view what;
};
constexpr std::array kFactors = {
    Factors{".original0", ".original1", "weight norm"},
    Factors{"_g", "_v", "weight norm"},
    Factors{".original", ".0._u", "spectral norm"},
    Factors{"_orig", "_u", "spectral norm"},
};

// `name` with another end.
std::string with_end(const std::string& name, std::string_view end,
                     std::string_view other) {
  return name.substr(0, name.size() - end.size()) + std::string(other);
}

}  // namespace

bool is_pruning_mask(const Checkpoint& model, const TensorInfo& tensor) {
  if (!tensor.name.ends_with(kMask)) return false;
  const auto weight = model.find(with_end(tensor.name, kMask, "_orig"));
  return weight && model.tensors()[*weight].shape == tensor.shape;
}

std::string factors_notice(const Checkpoint& model) {
  for (const TensorInfo& tensor : model.tensors()) {
    for (const Factors& pair : kFactors) {
      if (!tensor.name.ends_with(pair.first)) continue;
      const auto other =
          model.find(with_end(tensor.name, pair.first, pair.second));
      if (!other) continue;
      return quoted(tensor) + " and " + quoted(model.tensors()[*other]) +
             " are factors of a weight (" + std::string(pair.what) +
             "): their averages are not those of the weight; save the models "
             "without it (torch.nn.utils.parametrize.remove_parametrizations)";
    }
  }
  return {};
}

}  // namespace soup
