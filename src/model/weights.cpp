#include "model/weights.h"

#include <ATen/ATen.h>

#include <cstring>

#include "core/text.h"
#include "soup/error.h"
#include "soup/model.h"

namespace soup {
namespace {

constexpr int64_t kAlign = 64 / sizeof(float);

std::string quoted(const std::string& name) {
  return "'" + printable(name) + "'";
}

void check_shape(const Checkpoint& checkpoint, const TensorInfo& found,
                 const TensorInfo& wanted) {
  if (found.shape != wanted.shape) {
    throw Error(checkpoint.path().string() + ": " + quoted(found.name) +
                " is " + shape_text(found.shape) + ", but the model has " +
                shape_text(wanted.shape));
  }
  if (!is_float(found.dtype)) {
    throw Error(checkpoint.path().string() + ": " + quoted(found.name) +
                " is " + std::string(name(found.dtype)) +
                ", expected a float type");
  }
}

}  // namespace

void check_tensors(const Checkpoint& checkpoint,
                   const std::vector<TensorInfo>& wanted) {
  for (const TensorInfo& tensor : wanted) {
    const auto index = checkpoint.find(tensor.name);
    if (!index) {
      throw Error(checkpoint.path().string() + ": " + quoted(tensor.name) +
                  " is missing; the model needs it as " +
                  shape_text(tensor.shape));
    }
    check_shape(checkpoint, checkpoint.tensors()[*index], tensor);
  }
  if (checkpoint.tensors().size() == wanted.size()) return;
  for (const TensorInfo& tensor : checkpoint.tensors()) {
    const bool known =
        std::any_of(wanted.begin(), wanted.end(),
                    [&](const TensorInfo& t) { return t.name == tensor.name; });
    if (!known) {
      throw Error(checkpoint.path().string() + ": " + quoted(tensor.name) +
                  " has no place in the model");
    }
  }
}

Weights::Weights(std::vector<TensorInfo> wanted, const at::Device& device)
    : wanted_(std::move(wanted)) {
  const c10::InferenceMode guard;
  int64_t size = 0;
  std::vector<int64_t> offsets;
  for (const TensorInfo& tensor : wanted_) {
    offsets.push_back(size);
    size += (tensor.numel() + kAlign - 1) / kAlign * kAlign;
  }
  const auto options = at::TensorOptions().dtype(at::kFloat);
  host_ = at::zeros({size}, options.pinned_memory(device.is_cuda()));
  device_ = device.is_cpu() ? host_ : at::zeros({size}, options.device(device));
  for (size_t i = 0; i < wanted_.size(); ++i) {
    const auto view = [&](const at::Tensor& arena) {
      return arena.narrow(0, offsets[i], wanted_[i].numel())
          .view(wanted_[i].shape);
    };
    host_views_.push_back(view(host_));
    views_.emplace(wanted_[i].name, view(device_));
  }
}

at::Tensor Weights::operator[](std::string_view name) const {
  const auto found = views_.find(name);
  return found == views_.end() ? at::Tensor() : found->second;
}

void Weights::load(const Checkpoint& checkpoint) {
  const c10::InferenceMode guard;
  check_tensors(checkpoint, wanted_);
  for (size_t i = 0; i < wanted_.size(); ++i) {
    const size_t index = checkpoint.find(wanted_[i].name).value();
    const TensorInfo& info = checkpoint.tensors()[index];
    const TensorData data = checkpoint.read(index);
    if (info.dtype == DType::kF32) {
      std::memcpy(host_views_[i].data_ptr(), data.bytes().data(),
                  data.bytes().size());
    } else {
      host_views_[i].copy_(to_tensor(info, data));
    }
  }
  if (!device_.is_same(host_)) device_.copy_(host_);
}

}  // namespace soup
