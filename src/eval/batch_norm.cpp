#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>
#include <cstring>
#include <mutex>
#include <numeric>

#include "core/log.h"
#include "core/philox.h"
#include "core/progress.h"
#include "core/threads.h"
#include "eval/crew.h"
#include "eval/gpu_memory.h"
#include "eval/module.h"
#include "eval/resident.h"
#include "soup/error.h"
#include "soup/eval.h"
#include "soup/model.h"

namespace soup {
namespace {

// Neighbours in a folder are of one class; a batch must be like the whole.
std::vector<int64_t> shuffled(int64_t count, uint64_t seed) {
  std::vector<std::pair<uint64_t, int64_t>> keys;
  for (int64_t i = 0; i < count; ++i) {
    const auto low = static_cast<uint32_t>(i);
    const auto high = static_cast<uint32_t>(i >> 32);
    const auto bits = philox({low, high, 0, 0}, seed);
    keys.emplace_back(uint64_t{bits[0]} << 32 | bits[1], i);
  }
  std::sort(keys.begin(), keys.end());
  std::vector<int64_t> order;
  for (const auto& [key, i] : keys) order.push_back(i);
  return order;
}

/// Moments over all examples, in batches of nearly equal size.
std::vector<BatchMoments> all_moments(const Model& model, const Resident& data,
                                      uint64_t seed, int64_t batch_size,
                                      Crew& crew) {
  const int64_t count = data.examples().count;
  const int64_t batches = (count + batch_size - 1) / batch_size;
  const std::vector<int64_t> order = shuffled(count, seed);
  Progress progress("batchnorm", count, Unit::kExamples);
  std::vector<std::vector<BatchMoments>> found(static_cast<size_t>(batches));
  const auto take = [&](int64_t b) {
    const c10::InferenceMode guard;
    const int64_t begin = count * b / batches;
    const int64_t size = count * (b + 1) / batches - begin;
    const auto which = std::span(order).subspan(static_cast<size_t>(begin),
                                                static_cast<size_t>(size));
    found[static_cast<size_t>(b)] =
        model.moments(data.batch(which, size).front());
    progress.add(size);
  };
  // Smaller batches are normalised by other moments: that is for the user.
  if (!fits_in_memory(model, [&] { crew.run(batches, take); })) {
    throw Error("the memory of the GPU is too small for batches of " +
                std::to_string(batch_size) +
                " pictures; --device cpu gives the same result, a smaller "
                "--batch-size another");
  }
  // In the order of the batches, whoever was first to finish.
  if (found.front().empty()) {
    throw Error("--model: moments of BatchNorm cannot be taken from a file's " +
                std::string(model.name()) + " program");
  }
  std::vector<BatchMoments> merged(found.front().size());
  for (const std::vector<BatchMoments>& one : found) {
    for (size_t i = 0; i < merged.size(); ++i) merge_moments(merged[i], one[i]);
  }
  return merged;
}

void put(MemoryCheckpoint& to, const std::string& name,
         const std::vector<double>& values) {
  const size_t index = to.find(name).value();
  const TensorInfo& info = to.tensors()[index];
  at::Tensor rounded = to_tensor(info, to.read(index));
  rounded.copy_(at::tensor(values, at::kDouble));
  std::memcpy(to.mutable_bytes(index).data(), rounded.const_data_ptr(),
              rounded.nbytes());
}

std::unique_ptr<MemoryCheckpoint> copy_of(const Checkpoint& from) {
  std::map<std::string, std::string> metadata = from.metadata();
  metadata["format"] = "pt";
  if (metadata.erase("soup.recipe") > 0) {
    log::info("the recipe of the soup is left out: it would make other values");
  }
  const auto tensors = from.tensors();
  auto copy = std::make_unique<MemoryCheckpoint>(
      from.path(), std::vector<TensorInfo>(tensors.begin(), tensors.end()),
      std::move(metadata));
  for (size_t i = 0; i < tensors.size(); ++i) {
    if (tensors[i].tied_to >= 0) continue;
    const TensorData data = from.read(i);
    std::copy(data.bytes().begin(), data.bytes().end(),
              copy->mutable_bytes(i).begin());
  }
  return copy;
}

bool has_batch_norm(const Checkpoint& checkpoint) {
  return std::any_of(
      checkpoint.tensors().begin(), checkpoint.tensors().end(),
      [](const TensorInfo& t) { return t.name.ends_with(".running_var"); });
}

class Statistics : public BatchNormStatistics {
 public:
  Statistics(const DatasetSpec& dataset, const Checkpoint& like, uint64_t seed,
             const EvaluatorOptions& options)
      : dataset_(dataset.name),
        seed_(seed),
        batch_size_(options.batch_size),
        model_(model_of(like, options)),
        data_(dataset, model_->input(), model_->device(), options.cache),
        crew_(threads(*model_, options)) {
    if (data_.examples().count < 2) {
      throw Error(dataset.name + ": one example has no variance");
    }
  }

  CheckpointPtr recompute(const Checkpoint& checkpoint) override {
    const std::lock_guard lock(mutex_);
    const c10::InferenceMode guard;
    at::set_num_threads(1);  // the crew's threads take a batch each
    model_->load(checkpoint);
    auto made = copy_of(checkpoint);
    for (BatchMoments& moments :
         all_moments(*model_, data_, seed_, batch_size_, crew_)) {
      // torch keeps the unbiased variance.
      for (double& squares : moments.squares) {
        squares /= static_cast<double>(moments.count - 1);
      }
      put(*made, moments.module + ".running_mean", moments.mean);
      put(*made, moments.module + ".running_var", moments.squares);
    }
    return made;
  }

  std::map<std::string, std::string> identity() const override {
    return {{"data set", dataset_},
            {"data", data_.hash()},
            {"model", model_->identity()},
            {"device", std::string(model_->device().is_cpu() ? "cpu" : "gpu")},
            {"batch size", std::to_string(batch_size_)},
            {"seed", std::to_string(seed_)}};
  }

 private:
  static std::unique_ptr<Model> model_of(const Checkpoint& like,
                                         const EvaluatorOptions& options) {
    auto model = make_model(options.model, like, find_device(options.device),
                            options.head);
    if (!has_batch_norm(like)) {
      throw Error(like.path().string() + ": has no BatchNorm");
    }
    return model;
  }

  // Each holds the activations of a batch, about 1 GB at 224 pixels.
  static int threads(const Model& model, const EvaluatorOptions& options) {
    constexpr int most = 8;
    if (!model.device().is_cpu()) return 1;
    return std::min(options.threads > 0 ? options.threads : default_threads(),
                    most);
  }

  std::string dataset_;
  uint64_t seed_;
  int64_t batch_size_;
  std::unique_ptr<Model> model_;
  Resident data_;
  Crew crew_;
  std::mutex mutex_;  ///< of model_ and crew_
};

}  // namespace

std::unique_ptr<BatchNormStatistics> engine::make_batch_norm_statistics(
    const DatasetSpec& dataset, const Checkpoint& like, uint64_t seed,
    const EvaluatorOptions& options) {
  const c10::InferenceMode guard;
  if (options.batch_size < 2) {
    throw UsageError("the batch size must be above 1 to have a variance");
  }
  return std::make_unique<Statistics>(dataset, like, seed, options);
}

}  // namespace soup
