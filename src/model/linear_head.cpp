#include "model/linear_head.h"

#include <ATen/ATen.h>

#include "core/hash.h"
#include "core/text.h"
#include "soup/checkpoint.h"
#include "soup/error.h"
#include "soup/model.h"

namespace soup {
namespace {

/// The only tensor of that rank; undefined when there is none.
at::Tensor only_tensor(const Checkpoint& checkpoint, size_t rank) {
  at::Tensor found;
  for (size_t i = 0; i < checkpoint.tensors().size(); ++i) {
    const TensorInfo& info = checkpoint.tensors()[i];
    if (info.shape.size() != rank || !is_float(info.dtype)) continue;
    if (found.defined()) {
      throw Error(checkpoint.path().string() + ": holds more than a head: '" +
                  printable(info.name) + "' is a second tensor of " +
                  std::to_string(rank) + " dimensions");
    }
    found = to_tensor(info, checkpoint.read(i))
                .to(at::get_default_dtype_as_scalartype());
  }
  return found;
}

std::string hash_of(const at::Tensor& values) {
  const at::Tensor host = values.contiguous();
  return hex(xxh3_128(
      {static_cast<const std::byte*>(host.const_data_ptr()), host.nbytes()}));
}

}  // namespace

LinearHead read_linear_head(const std::filesystem::path& path, int64_t features,
                            const at::Device& device) {
  const CheckpointPtr file = open_checkpoint(path);
  LinearHead head;
  at::Tensor weight = only_tensor(*file, 2);
  if (weight.defined() && weight.size(1) != features &&
      weight.size(0) == features) {
    weight = weight.t();
  }
  if (!weight.defined() || weight.size(1) != features || weight.size(0) == 0) {
    throw Error(path.string() + ": expected a matrix of [classes, " +
                std::to_string(features) + "], found " +
                (weight.defined() ? shape_text(weight.sizes().vec()) : "none"));
  }
  const at::Tensor lengths = weight.norm(2, 1);
  head.unit_rows = (lengths - 1).abs().max().item<float>() < 1e-2F;
  head.hash = hash_of(weight);
  head.weight = weight.contiguous().to(device);
  const at::Tensor bias = only_tensor(*file, 1);
  if (!bias.defined()) return head;
  if (bias.size(0) != weight.size(0)) {
    throw Error(path.string() + ": has " + std::to_string(weight.size(0)) +
                " classes, but a bias for " + std::to_string(bias.size(0)));
  }
  head.hash += hash_of(bias);
  head.bias = bias.to(device);
  return head;
}

}  // namespace soup
