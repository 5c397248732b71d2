#include <ATen/ATen.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/runtime/graph_executor.h>
#include <torch/csrc/jit/serialization/import.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "core/text.h"
#include "model/conv_network.h"
#include "model/model_file.h"
#include "model/preparation.h"
#include "model/sidecar.h"
#include "model/weights.h"
#include "soup/error.h"

namespace soup {
namespace {

namespace fs = std::filesystem;

/// The weights of a module, by the names of a state dict.
struct ModuleTensors {
  std::vector<Slot> slots;
  std::vector<std::string> ignored;  ///< no floats, or other names of the same
  std::map<std::string, at::Tensor> places;
};

ModuleTensors tensors_of(const torch::jit::Module& module) {
  ModuleTensors found;
  std::set<const c10::TensorImpl*> seen;
  const auto add = [&](const std::string& name, const at::Tensor& tensor) {
    if (!tensor.is_floating_point() ||
        !seen.insert(tensor.unsafeGetTensorImpl()).second) {
      found.ignored.push_back(name);
      return;
    }
    found.slots.push_back(same_slot(name, tensor.sizes().vec()));
    found.places.emplace(name, tensor);
  };
  for (const auto& item : module.named_parameters()) add(item.name, item.value);
  for (const auto& item : module.named_buffers()) add(item.name, item.value);
  return found;
}

// Of networks that take one size only.
constexpr std::array<int64_t, 11> kUsualSides = {224, 384, 256, 299, 336, 448,
                                                 160, 128, 64,  32,  28};

// Pictures are grey where the first kernel takes one channel.
int64_t channels_of(const ModuleTensors& tensors) {
  for (const Slot& slot : tensors.slots) {
    if (slot.shape.size() == 4) return slot.shape[1] == 1 ? 1 : 3;
  }
  return 3;
}

// TorchScript's messages hold the program's text as well.
std::string reason_in(const std::string& message) {
  const size_t at = message.find("Error: ");
  const std::string rest =
      at == std::string::npos ? message : message.substr(at + 7);
  return rest.substr(0, std::min<size_t>(rest.find('\n'), 200));
}

torch::jit::Module load_module(const fs::path& file, const at::Device& device) {
  try {
    torch::jit::Module module = torch::jit::load(file.string(), device);
    module.eval();
    return module;
  } catch (const std::exception& error) {
    throw Error(file.string() + ": is no TorchScript file: " +
                printable(torch_message(error).substr(0, 200)));
  }
}

/// A TorchScript module whose tensors are those of Weights.
class Scripted : public Model {
 public:
  Scripted(const fs::path& file, torch::jit::Module module,
           const ModuleTensors& tensors, ModelInput input,
           const at::Device& device)
      : where_(file.string()),
        identity_(file_identity("scripted", file)),
        module_(std::move(module)),
        input_(std::move(input)),
        device_(device),
        weights_(tensors.slots, one_of(tensors.ignored), device) {
    const c10::InferenceMode guard;
    for (auto [name, place] : tensors.places) place.set_data(weights_[name]);
    find_size();
  }

  std::string_view name() const override { return "scripted"; }
  std::string identity() const override { return identity_; }
  const ModelInput& input() const override { return input_; }
  int64_t classes() const override { return classes_; }
  const at::Device& device() const override { return device_; }
  int64_t unit() const override { return conv_unit(input_); }
  void load(const Checkpoint& checkpoint) override {
    weights_.load(checkpoint);
  }
  at::Tensor forward(at::TensorList inputs) const override {
    return run(inputs.front());
  }

 private:
  // A program does not say what it takes: the first size that it accepts.
  void find_size() {
    std::vector<int64_t> sides = {input_.height};
    sides.insert(sides.end(), kUsualSides.begin(), kUsualSides.end());
    std::string first_reason;
    for (const int64_t side : sides) {
      input_.height = input_.width = side;
      try {
        classes_ =
            run(at::zeros({2, input_.channels, side, side}, device_)).size(1);
        return;
      } catch (const std::exception& error) {
        const std::string reason = reason_in(error.what());
        if (first_reason.empty()) first_reason = reason;
      }
    }
    throw Error(where_ + ": cannot be run on pictures of " +
                std::to_string(input_.channels) +
                " channels: " + printable(first_reason));
  }

  at::Tensor run(const at::Tensor& pictures) const {
    // Else it would be compiled anew after the first runs, to other sums.
    const torch::jit::GraphOptimizerEnabledGuard as_written(false);
    const torch::jit::IValue out = forward_({pictures});
    if (!out.isTensor() || out.toTensor().dim() != 2 ||
        out.toTensor().size(0) != pictures.size(0)) {
      throw Error(where_ + ": does not give logits [pictures, classes]");
    }
    return out.toTensor().to(at::kFloat);
  }

  std::string where_;
  std::string identity_;
  torch::jit::Module module_;
  torch::jit::Method forward_ = module_.get_method("forward");
  ModelInput input_;
  int64_t classes_ = 0;
  at::Device device_;
  Weights weights_;
};

}  // namespace

std::unique_ptr<Model> make_scripted(const fs::path& file,
                                     const Checkpoint& like,
                                     const at::Device& device) {
  check_float32(file);
  torch::jit::Module module = load_module(file, device);
  const ModuleTensors tensors = tensors_of(module);
  if (tensors.slots.empty()) {
    throw Error(file.string() +
                ": its weights cannot be exchanged; was it frozen?");
  }
  check_tensors(like, tensors.slots, one_of(tensors.ignored));
  ModelInput input =
      any_size_input(read_sidecar(like), channels_of(tensors), {}, "scripted");
  return std::make_unique<Scripted>(file, std::move(module), tensors,
                                    std::move(input), device);
}

}  // namespace soup
