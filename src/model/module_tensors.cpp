#include "model/module_tensors.h"

#include <ATen/ATen.h>
#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/ir/constants.h>
#include <torch/csrc/jit/passes/dead_code_elimination.h>
#include <torch/csrc/jit/passes/inliner.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "core/text.h"
#include "model/model_file.h"
#include "soup/error.h"

namespace soup {
namespace {

using torch::jit::Block;
using torch::jit::IValue;
using torch::jit::Node;
using torch::jit::Value;

/// What forward() computes with besides its inputs.
class Reads {
 public:
  explicit Reads(const torch::jit::Module& module) {
    const auto graph = module.get_method("forward").graph()->copy();
    torch::jit::Inline(*graph);
    torch::jit::EliminateDeadCode(graph);
    objects_.emplace(graph->inputs().front(), module._ivalue());
    follow(*graph->block());
  }

  bool has(const at::Tensor& tensor) const {
    return places_.contains(tensor.unsafeGetTensorImpl());
  }
  /// Floating tensors of any kind, weights among them.
  const std::vector<at::Tensor>& tensors() const { return tensors_; }
  const std::vector<double>& numbers() const { return numbers_; }

 private:
  void follow(const Block& block) {
    for (const Node* const node : block.nodes()) {
      if (node->kind() == c10::prim::Constant) {
        if (const auto value = torch::jit::toIValue(node->output())) {
          note(*value);
        }
      } else if (node->kind() == c10::prim::GetAttr) {
        follow_attribute(node);
      }
      for (const Block* const inner : node->blocks()) follow(*inner);
    }
  }

  void follow_attribute(const Node* node) {
    const auto owner = objects_.find(node->input());
    if (owner == objects_.end()) return;
    const IValue value =
        owner->second.toObjectRef().getAttr(node->s(c10::attr::name));
    const auto& uses = node->output()->uses();
    const bool only_owns =
        value.isObject() &&
        std::all_of(uses.begin(), uses.end(), [](const torch::jit::Use& use) {
          return use.user->kind() == c10::prim::GetAttr;
        });
    if (only_owns) {
      objects_.emplace(node->output(), value);
    } else {
      note(value);
    }
  }

  void note(const IValue& value) {
    value.visit([&](const IValue& part) {
      if (part.isDouble()) numbers_.push_back(part.toDouble());
      if (part.isTensor()) note_tensor(part.toTensor());
      return false;
    });
  }

  void note_tensor(const at::Tensor& tensor) {
    if (!tensor.defined() || !tensor.is_floating_point()) return;
    if (!places_.insert(tensor.unsafeGetTensorImpl()).second) return;
    tensors_.push_back(tensor);
    if (tensor.numel() == 1) numbers_.push_back(tensor.item<double>());
  }

  std::map<const Value*, IValue> objects_;
  std::set<const c10::TensorImpl*> places_;
  std::vector<at::Tensor> tensors_;
  std::vector<double> numbers_;
};

// Transposed ones are the same, too.
bool same_values(const at::Tensor& a, const at::Tensor& b) {
  const auto sorted = [](const at::Tensor& tensor) {
    return std::get<0>(tensor.to(at::kCPU, at::kFloat).flatten().sort());
  };
  return at::equal(sorted(a), sorted(b));
}

bool is_uniform(const at::Tensor& tensor) {
  return (tensor == tensor.flatten()[0]).all().item<bool>();
}

// A matrix in float32 whose place is taken by a constant of half precision has
// other values, but as many.
bool may_be(const at::Tensor& constant, const at::Tensor& weight, bool read) {
  if (constant.numel() != weight.numel() || weight.numel() < 2) return false;
  return !read || (!is_uniform(weight) && same_values(constant, weight));
}

// Tracing makes a number of what `.item()` gives.
bool may_be(double number, double weight) {
  const auto near = [&](double value) {
    return std::abs(number - value) <= 1e-6 * std::abs(value);
  };
  return near(weight) || near(std::exp(weight));
}

bool seems_baked(const at::Tensor& weight, const Reads& reads,
                 const std::set<const c10::TensorImpl*>& weights) {
  const bool read = reads.has(weight);
  for (const at::Tensor& tensor : reads.tensors()) {
    if (weights.contains(tensor.unsafeGetTensorImpl())) continue;
    if (may_be(tensor, weight, read)) return true;
  }
  if (read || weight.numel() != 1) return false;
  const auto value = weight.item<double>();
  return std::any_of(reads.numbers().begin(), reads.numbers().end(),
                     [&](double number) { return may_be(number, value); });
}

}  // namespace

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

std::vector<std::string> check_not_baked(const torch::jit::Module& module,
                                         const ModuleTensors& tensors,
                                         const std::string& where) {
  const c10::InferenceMode guard;
  const Reads reads(module);
  std::set<const c10::TensorImpl*> weights;
  for (const auto& [name, place] : tensors.places) {
    weights.insert(place.unsafeGetTensorImpl());
  }
  std::vector<std::string> unread;
  for (const Slot& slot : tensors.slots) {
    const at::Tensor& weight = tensors.places.at(slot.name);
    if (seems_baked(weight, reads, weights)) {
      throw Error(where + ": holds a copy of '" + printable(slot.name) +
                  "' that no other weights can take the place of, as tracing "
                  "leaves it of .item() and of tensors that are neither "
                  "parameters nor buffers; export the model with "
                  "scripts/export_model.py");
    }
    if (!reads.has(weight)) unread.push_back(slot.name);
  }
  return unread;
}

}  // namespace soup
