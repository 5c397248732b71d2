#include "model/weights.h"

#include <ATen/ATen.h>
#include <c10/core/DefaultDtype.h>

#include <cstring>
#include <set>

#include "core/text.h"
#include "core/threads.h"
#include "soup/error.h"
#include "soup/model.h"

namespace soup {
namespace {

constexpr int64_t kAlign = 32;  // values: 64 bytes of the smallest type

std::string quoted(const std::string& name) {
  return "'" + printable(name) + "'";
}

void check_shape(const Checkpoint& checkpoint, const TensorInfo& found,
                 const std::vector<int64_t>& wanted) {
  if (found.shape != wanted) {
    throw Error(checkpoint.path().string() + ": " + quoted(found.name) +
                " is " + shape_text(found.shape) + ", but the model has " +
                shape_text(wanted));
  }
  if (!is_float(found.dtype)) {
    throw Error(checkpoint.path().string() + ": " + quoted(found.name) +
                " is " + std::string(name(found.dtype)) +
                ", expected a float type");
  }
}

int64_t numel(const std::vector<int64_t>& shape) {
  return TensorInfo{.shape = shape}.numel();
}

void copy_values(const Checkpoint& checkpoint, size_t index, bool transposed,
                 at::Tensor to) {
  const TensorInfo& info = checkpoint.tensors()[index];
  const TensorData data = checkpoint.read(index);
  const bool same = info.dtype == DType::kF32 && to.scalar_type() == at::kFloat;
  if (same && !transposed) {
    std::memcpy(to.data_ptr(), data.bytes().data(), data.bytes().size());
    return;
  }
  const at::Tensor values = to_tensor(info, data);
  to.copy_(transposed ? values.t() : values.view(to.sizes()));
}

}  // namespace

void check_tensors(const Checkpoint& checkpoint, const std::vector<Slot>& slots,
                   const Unused& unused) {
  std::set<std::string_view> known;
  for (const Slot& slot : slots) {
    for (const std::string& source : slot.sources) {
      const auto index = checkpoint.find(source);
      if (!index) {
        throw Error(checkpoint.path().string() + ": " + quoted(source) +
                    " is missing; the model needs it as " +
                    shape_text(slot.source_shape));
      }
      check_shape(checkpoint, checkpoint.tensors()[*index], slot.source_shape);
      known.insert(source);
    }
  }
  for (const TensorInfo& tensor : checkpoint.tensors()) {
    if (known.contains(tensor.name) || unused(tensor.name)) continue;
    throw Error(checkpoint.path().string() + ": " + quoted(tensor.name) +
                " has no place in the model");
  }
}

Weights::Weights(std::vector<Slot> slots, Unused unused,
                 const at::Device& device)
    : slots_(std::move(slots)), unused_(std::move(unused)) {
  // Not in InferenceMode, whose tensors autograd cannot use.
  int64_t size = 0;
  std::vector<int64_t> offsets;
  for (const Slot& slot : slots_) {
    offsets.push_back(size);
    size += (numel(slot.shape) + kAlign - 1) / kAlign * kAlign;
  }
  const auto options =
      at::TensorOptions().dtype(at::get_default_dtype_as_scalartype());
  host_ = at::zeros({size}, options.pinned_memory(device.is_cuda()));
  device_ = device.is_cpu() ? host_ : at::zeros({size}, options.device(device));
  for (size_t i = 0; i < slots_.size(); ++i) {
    const auto view = [&](const at::Tensor& arena) {
      return arena.narrow(0, offsets[i], numel(slots_[i].shape))
          .view(slots_[i].shape);
    };
    host_views_.push_back(view(host_));
    // Apart from the arena, or each would have a gradient of its size.
    views_.emplace(slots_[i].name, view(device_).detach());
  }
}

at::Tensor Weights::operator[](std::string_view name) const {
  const auto found = views_.find(name);
  return found == views_.end() ? at::Tensor() : found->second;
}

void Weights::load(const Checkpoint& checkpoint) {
  check_tensors(checkpoint, slots_, unused_);
  // A GPU would wait for one thread longer than for the copy to it.
  const bool elsewhere = !device_.is_same(host_);
  parallel_for(std::ssize(slots_), elsewhere ? 0 : 1,
               [&](int64_t i) { fill(static_cast<size_t>(i), checkpoint); });
  const c10::InferenceMode guard;
  if (elsewhere) device_.copy_(host_);
}

void Weights::fill(size_t slot, const Checkpoint& checkpoint) {
  const c10::InferenceMode guard;
  const std::vector<std::string>& sources = slots_[slot].sources;
  const at::Tensor stack = host_views_[slot].view(
      {std::ssize(sources), numel(slots_[slot].source_shape)});
  for (size_t k = 0; k < sources.size(); ++k) {
    at::Tensor to = stack[static_cast<int64_t>(k)];
    if (slots_[slot].transposed) to = host_views_[slot];
    copy_values(checkpoint, checkpoint.find(sources[k]).value(),
                slots_[slot].transposed, to);
  }
}

std::vector<Parameter> Weights::parameters() const {
  std::vector<Parameter> all;
  for (const Slot& slot : slots_) {
    all.push_back({views_.at(slot.name), slot.sources, slot.transposed});
  }
  return all;
}

}  // namespace soup
