#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/runtime/graph_executor.h>
#include <torch/csrc/jit/serialization/import.h>

#include <algorithm>
#include <array>

#include "core/log.h"
#include "core/text.h"
#include "model/conv_network.h"
#include "model/model_file.h"
#include "model/module_tensors.h"
#include "model/preparation.h"
#include "model/self_test.h"
#include "model/sidecar.h"
#include "model/weights.h"
#include "soup/error.h"

namespace soup {
namespace {

namespace fs = std::filesystem;

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

at::Tensor logits_of(const torch::jit::Method& forward,
                     const at::Tensor& pictures, const std::string& where) {
  // Else it would be compiled anew after the first runs, to other sums.
  const torch::jit::GraphOptimizerEnabledGuard as_written(false);
  const torch::jit::IValue out = forward({pictures});
  if (!out.isTensor() || out.toTensor().dim() != 2 ||
      out.toTensor().size(0) != pictures.size(0)) {
    throw Error(where + ": does not give logits [pictures, classes]");
  }
  return out.toTensor().to(at::kFloat);
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
    return logits_of(forward_, inputs.front(), where_);
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
        const at::Tensor pictures =
            at::zeros({2, input_.channels, side, side}, device_);
        classes_ = logits_of(forward_, pictures, where_).size(1);
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

  std::string where_;
  std::string identity_;
  torch::jit::Module module_;
  torch::jit::Method forward_ = module_.get_method("forward");
  ModelInput input_;
  int64_t classes_ = 0;
  at::Device device_;
  Weights weights_;
};

// As Weights are.
void hold_floats(const ModuleTensors& tensors) {
  for (auto [name, place] : tensors.places) {
    if (place.scalar_type() != at::kFloat) place.set_data(place.to(at::kFloat));
  }
}

// Other values of about the same size; zeros become others, variances stay
// above 0.
void change(const ModuleTensors& tensors) {
  at::Generator generator = at::detail::createCPUGenerator(1);
  for (auto [name, place] : tensors.places) {
    const at::Tensor noise =
        at::rand(place.sizes(), generator, at::kFloat).to(place.device());
    place.mul_(0.5 + noise).add_(0.01 * noise);
  }
}

std::unique_ptr<MemoryCheckpoint> values_of(const ModuleTensors& tensors) {
  return test_state_dict(tensors.slots, [&](size_t i) {
    return tensors.places.at(tensors.slots[i].name);
  });
}

// Dropout and BatchNorm that were traced in training mode.
constexpr const char* kEvaluationMode =
    "; put the model into evaluation mode (model.eval()) before it is traced";

void check_unchanged(const ModuleTensors& resident, const Checkpoint& weights,
                     const std::string& where) {
  const auto now = values_of(resident);
  for (size_t i = 0; i < now->tensors().size(); ++i) {
    const TensorData before = weights.read(i);
    const TensorData after = now->read(i);
    if (std::ranges::equal(before.bytes(), after.bytes())) continue;
    throw Error(where + ": changes '" + printable(now->tensors()[i].name) +
                "' when it is run" + kEvaluationMode);
  }
}

/// With its own weights and with others, the model must say what a copy of the
/// file says that holds them itself. Leaves the second set in `model`.
void self_test(Model& model, const ModuleTensors& resident,
               const fs::path& file) {
  const c10::InferenceMode guard;
  constexpr double tolerance = 1e-5;
  const std::string where = file.string();
  const at::Tensor pictures =
      test_inputs(model.input(), 2, 0).front().to(model.device());
  at::Tensor of_its_own;
  for (const bool changed : {false, true}) {
    const torch::jit::Module copy = load_module(file, model.device());
    const ModuleTensors tensors = tensors_of(copy);
    hold_floats(tensors);
    if (changed) change(tensors);
    const auto weights = values_of(tensors);
    const at::Tensor wanted =
        logits_of(copy.get_method("forward"), pictures, where);
    if (!wanted.isfinite().all().item<bool>()) {
      throw Error(where + ": gives no numbers for weights like its own");
    }
    model.load(*weights);
    const at::Tensor found = model.forward(pictures);
    check_unchanged(resident, *weights, where);
    if (!agree(model.forward(pictures), found, tolerance)) {
      throw Error(where +
                  ": gives other logits for the same pictures each time" +
                  kEvaluationMode);
    }
    if (!agree(found, wanted, tolerance)) {
      throw Error(where +
                  ": its logits are not those of the weights it is given; it "
                  "keeps what it once computed from others");
    }
    if (!changed) {
      of_its_own = found;
    } else if (agree(found, of_its_own, tolerance)) {
      throw Error(where + ": gives the same logits whatever its weights are");
    }
  }
}

void tell_unread(const std::vector<std::string>& unread,
                 const std::string& where) {
  if (unread.empty()) return;
  const size_t more = unread.size() - 1;
  log::info(where + ": logits do not depend on '" + printable(unread[0]) + "'" +
            (more > 0 ? " and " + std::to_string(more) + " more" : ""));
}

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
  tell_unread(check_not_baked(module, tensors, file.string()), file.string());
  ModelInput input =
      any_size_input(read_sidecar(like), channels_of(tensors), {});
  auto model = std::make_unique<Scripted>(file, std::move(module), tensors,
                                          std::move(input), device);
  self_test(*model, tensors, file);
  return model;
}

}  // namespace soup
