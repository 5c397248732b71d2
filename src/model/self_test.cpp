#include "model/self_test.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "soup/error.h"

namespace soup {
namespace {

// splitmix64 (Steele, Lea and Flood, 2014), to values in [-0.5, 0.5).
double noise(uint64_t index, uint64_t stream) {
  uint64_t x = (index + (stream << 32) + 1) * 0x9E3779B97F4A7C15;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
  return static_cast<double>(x >> 40) / (1 << 24) - 0.5;
}

at::Tensor test_values(const std::vector<int64_t>& shape, uint64_t stream) {
  at::Tensor made = at::empty(shape, at::kFloat);
  const bool matrix = shape.size() > 1;
  const double scale = matrix
                           ? std::sqrt(12 / (static_cast<double>(made.numel()) /
                                             static_cast<double>(shape[0])))
                           : 1;
  auto* const values = made.mutable_data_ptr<float>();
  for (int64_t i = 0; i < made.numel(); ++i) {
    const double value = noise(static_cast<uint64_t>(i), stream);
    // Vectors above 0: some are variances.
    values[i] = static_cast<float>(matrix ? value * scale : value + 1);
  }
  return made;
}

at::Tensor test_input(std::vector<int64_t> shape, int64_t limit, int64_t count,
                      uint64_t stream) {
  shape.insert(shape.begin(), count);
  at::Tensor made = at::empty(shape, at::kDouble);
  auto* const values = made.mutable_data_ptr<double>();
  for (int64_t i = 0; i < made.numel(); ++i) {
    const double value = noise(static_cast<uint64_t>(i), stream);
    values[i] =
        limit == 0 ? 2 * value : (value + 0.5) * static_cast<double>(limit);
  }
  return made.to(limit == 0 ? at::kFloat : at::kLong);
}

/// Logits of examples to which the first is added until there are `batch`.
at::Tensor logits_in_batch(const Model& model, std::vector<at::Tensor> inputs,
                           int64_t batch) {
  const int64_t count = inputs.front().size(0);
  for (at::Tensor& input : inputs) {
    std::vector<int64_t> more = input.sizes().vec();
    more[0] = batch - count;
    input =
        at::cat({input, input.narrow(0, 0, 1).expand(more)}).to(model.device());
  }
  return model.forward(inputs)
      .narrow(0, 0, count)
      .to(at::kCPU, at::kDouble)
      .flatten();
}

}  // namespace

std::vector<at::Tensor> test_inputs(const ModelInput& input, int64_t count,
                                    uint64_t first) {
  if (input.tensors.empty()) {
    return {test_input({input.channels, input.height, input.width}, 0, count,
                       first)};
  }
  std::vector<at::Tensor> made;
  for (const InputTensor& one : input.tensors) {
    made.push_back(
        test_input(one.shape, one.limit, count, first + made.size()));
  }
  return made;
}

std::unique_ptr<MemoryCheckpoint> test_state_dict(
    const std::vector<Slot>& slots,
    const std::function<at::Tensor(size_t)>& values) {
  std::vector<TensorInfo> infos;
  for (const Slot& slot : slots) {
    infos.push_back({.name = slot.name, .shape = slot.shape});
  }
  auto made = std::make_unique<MemoryCheckpoint>("self-test", infos);
  for (size_t i = 0; i < slots.size(); ++i) {
    const at::Tensor of_slot = values(i).to(at::kCPU, at::kFloat).contiguous();
    std::memcpy(made->mutable_bytes(i).data(), of_slot.const_data_ptr(),
                of_slot.nbytes());
  }
  return made;
}

bool agree(const at::Tensor& found, const at::Tensor& wanted,
           double tolerance) {
  return found.sizes() == wanted.sizes() &&
         at::allclose(found, wanted, /*rtol=*/0,
                      tolerance * wanted.abs().max().item<double>());
}

void self_test(Model& model, const std::vector<Slot>& slots,
               const TestLogits& expected, const std::string& where) {
  const c10::InferenceMode guard;
  constexpr double tolerance = 1e-3;
  if (expected.size() < 2) {
    throw Error(where + ": its self-test has no two sets of weights");
  }
  for (size_t set = 0; set < expected.size(); ++set) {
    const std::vector<double>& wanted = expected[set];
    const size_t before = std::max<size_t>(model.input().tensors.size(), 1);
    const uint64_t first = set * (slots.size() + before);
    model.load(*test_state_dict(slots, [&](size_t i) {
      return test_values(slots[i].shape, first + before + i);
    }));
    const int64_t count = std::ssize(wanted) / model.classes();
    const auto right = [&](int64_t batch) {
      return agree(logits_in_batch(
                       model, test_inputs(model.input(), count, first), batch),
                   at::tensor(wanted, at::kDouble), tolerance);
    };
    // What is compiled for any number may be right for some.
    const bool more = model.unit() > count;
    if (count == 0 || !right(count) || (more && !right(model.unit()))) {
      throw Error(where +
                  ": gives other logits than the model it was exported from; "
                  "weights may have been baked into it. Export it again with "
                  "scripts/export_model.py");
    }
  }
}

}  // namespace soup
