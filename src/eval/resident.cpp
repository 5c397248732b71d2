#include "eval/resident.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "core/file.h"
#include "core/hash.h"
#include "core/log.h"
#include "core/text.h"
#include "eval/ready_inputs.h"
#include "soup/error.h"

namespace soup {
namespace {

at::Tensor per_channel(const std::vector<double>& values,
                       const at::Device& device) {
  const auto options = at::TensorOptions().dtype(at::kDouble);
  return at::from_blob(const_cast<double*>(values.data()),
                       {std::ssize(values), 1, 1}, options)
      .to(device, at::kFloat, false, true);
}

std::string hash_of(const Examples& examples, const Preprocess& preprocess) {
  std::string parts;
  const auto add = [&](const auto& values) {
    parts += hex(xxh3_128(std::as_bytes(std::span(values))));
  };
  add(examples.content);
  add(examples.labels);
  // Lengths first: two sets of lists must not read the same behind each other.
  for (const auto* lists : {&examples.also, &examples.outputs}) {
    for (const std::vector<int32_t>& list : *lists) {
      parts += std::to_string(list.size()) + ":";
      add(list);
    }
  }
  add(preprocess.mean);
  add(preprocess.std);
  return hex(xxh3_128(std::as_bytes(std::span(parts))));
}

// With as much again for what the model computes. The memory that was got to
// see it is what the examples take then.
bool fits(const at::Tensor& examples, const at::Device& device) {
  const auto bytes = static_cast<int64_t>(examples.nbytes());
  try {
    at::empty({2 * bytes}, at::TensorOptions(device).dtype(at::kByte));
    return true;
  } catch (const c10::OutOfMemoryError&) {
    log::info("the examples (" + bytes_text(bytes) +
              ") are too many for the memory of the GPU and are copied to it "
              "batch by batch");
    return false;
  }
}

// On `device` where they fit.
at::Tensor placed(const at::Tensor& examples, const at::Device& device) {
  const bool stays = device.is_cpu() || !fits(examples, device);
  return stays ? examples : examples.to(device);
}

/// Rows of `all` on `device`. A GPU reads from pinned memory by itself, so that
/// nobody waits for what it was told before.
at::Tensor rows_of(const at::Tensor& all, const at::Tensor& index,
                   const at::Device& device) {
  if (all.device() == device) {
    return all.index_select(0, index.to(device, at::kLong, true));
  }
  std::vector<int64_t> shape = all.sizes().vec();
  shape.front() = index.size(0);
  at::Tensor rows = at::empty(shape, all.options().pinned_memory(true));
  at::index_select_out(rows, all, 0, index);
  return rows.to(device, rows.scalar_type(), true);
}

}  // namespace

Resident::Resident(const DatasetSpec& spec, const ModelInput& model_input,
                   const at::Device& device, const PictureCache& cache)
    : device_(device) {
  const c10::InferenceMode guard;
  if (holds_ready_inputs(spec)) {
    load_ready_inputs(spec, model_input);
  } else {
    load_pictures(spec, model_input, cache);
  }
}

void Resident::load_ready_inputs(const DatasetSpec& spec,
                                 const ModelInput& input) {
  examples_ = load_examples(spec, {}, {});
  hash_ = hash_of(examples_, {});
  ready_ = ready_inputs(examples_, input, spec.name);
  for (at::Tensor& one : ready_) one = placed(one, device_);
  examples_.inputs.clear();
}

void Resident::load_pictures(const DatasetSpec& spec,
                             const ModelInput& model_input,
                             const PictureCache& cache) {
  if (!model_input.tensors.empty()) {
    throw Error(spec.name + ": holds pictures, but the model takes '" +
                printable(model_input.tensors.front().name) +
                "': give a data set of the loader 'tensors'");
  }
  const ModelInput input = sized_input(spec, model_input);
  const Preparation prepared = resolve_preprocess(spec, input);
  examples_ = load_examples(spec,
                            {.channels = input.channels,
                             .height = input.height,
                             .width = input.width},
                            prepared.all, cache);
  const std::string notice =
      default_notice(prepared, spec, input, examples_.resized);
  if (!notice.empty()) log::info(notice);
  hash_ = hash_of(examples_, prepared.all);

  const std::span<const uint8_t> all = examples_.all_pixels();
  const int64_t each = input.channels * input.height * input.width;
  pixels_ = at::from_blob(
      const_cast<uint8_t*>(all.data()),
      {std::ssize(all) / each, input.channels, input.height, input.width},
      at::kByte);
  pixels_ = placed(pixels_, device_);
  if (!pixels_.is_cpu()) {
    examples_.pixels = {};
    examples_.kept.reset();
    examples_.kept_pixels = {};
  }
  mean_ = per_channel(prepared.all.mean, device_);
  std_ = per_channel(prepared.all.std, device_);
}

void Resident::check_unchanged() const {
  if (examples_.kept) examples_.kept->check_unchanged();
}

std::vector<at::Tensor> Resident::batch(std::span<const int64_t> which,
                                        int64_t size) const {
  at::Tensor index = at::empty(
      {size},
      at::TensorOptions().dtype(at::kLong).pinned_memory(device_.is_cuda()));
  auto* const values = index.mutable_data_ptr<int64_t>();
  const std::vector<int64_t>& places = examples_.places;
  std::transform(which.begin(), which.end(), values, [&](int64_t i) {
    return places.empty() ? i : places[static_cast<size_t>(i)];
  });
  std::fill(values + which.size(), values + size, values[which.size() - 1]);
  if (ready_.empty()) return {pictures(index)};
  std::vector<at::Tensor> inputs;
  for (const at::Tensor& all : ready_) {
    inputs.push_back(rows_of(all, index, device_)
                         .to(all.is_floating_point() ? at::kFloat : at::kLong));
  }
  return inputs;
}

at::Tensor Resident::pictures(const at::Tensor& index) const {
  // torchvision's ToTensor and Normalize, in their order of rounding.
  return rows_of(pixels_, index, device_)
      .to(at::kFloat)
      .div_(255)
      .sub_(mean_)
      .div_(std_);
}

}  // namespace soup
