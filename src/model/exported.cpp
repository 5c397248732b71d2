#include <ATen/ATen.h>
#include <c10/core/DeviceGuard.h>
#include <dlfcn.h>
#include <torch/csrc/inductor/aoti_package/model_package_loader.h>
#include <torch/version.h>

#include <algorithm>
#include <cstdlib>

#include "core/json.h"
#include "core/text.h"
#include "core/threads.h"
#include "model/model_file.h"
#include "model/self_test.h"
#include "model/weights.h"
#include "soup/error.h"

namespace soup {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;
using torch::inductor::AOTIModelPackageLoader;

constexpr const char* kWayOut =
    "; only files of scripts/export_model.py can be used, whose weights are "
    "inputs";

/// What scripts/export_model.py says of a file.
struct ExportedInfo {
  std::vector<Slot> slots;           ///< inputs behind the examples', in order
  std::vector<std::string> ignored;  ///< tensors of checkpoints without a place
  ModelInput input;
  int64_t classes = 0;
  int64_t batch = 0;        ///< the most examples that it takes at a time
  int64_t least_batch = 0;  ///< the fewest
  TestLogits logits;
};

/// The metadata of a package, with messages that name it.
class Metadata {
 public:
  Metadata(std::unordered_map<std::string, std::string> values,
           std::string where)
      : values_(std::move(values)), where_(std::move(where)) {}

  std::string text(const std::string& key) const {
    const auto found = values_.find(key);
    if (found == values_.end()) {
      throw Error(where_ + ": has no '" + key + "'" + kWayOut);
    }
    return found->second;
  }
  ordered_json json(const std::string& key) const {
    return parse_json(text(key), where_ + ": " + key);
  }
  const std::string& where() const { return where_; }
  /// Files of the first version take whole batches only.
  int64_t least_batch(int64_t batch) const {
    const std::string version = text("soup.version");
    if (version == "1") return batch;
    if (version == "2") return json("soup.least_batch").get<int64_t>();
    throw Error(where_ + ": is of version " + printable(version) +
                ", which this soup does not know; export it again with its "
                "scripts/export_model.py");
  }

 private:
  std::unordered_map<std::string, std::string> values_;
  std::string where_;
};

// Sizes are those of what is allocated for the self-test.
std::vector<InputTensor> read_tensors(const ordered_json& json,
                                      const std::string& where) {
  std::vector<InputTensor> tensors;
  for (const ordered_json& one : json) {
    InputTensor tensor = {.name = one.at("name").get<std::string>(),
                          .shape = one.at("shape").get<std::vector<int64_t>>(),
                          .limit = one.at("limit").get<int64_t>()};
    int64_t count = 1;
    for (const int64_t extent : tensor.shape) {
      if (extent < 1 || __builtin_mul_overflow(count, extent, &count) ||
          count > 1 << 28) {
        throw Error(where + ": inputs of that size are not known here");
      }
    }
    if (tensor.limit < 0 || tensor.limit > int64_t{1} << 40) {
      throw Error(where + ": its metadata has no sense");
    }
    tensors.push_back(std::move(tensor));
  }
  return tensors;
}

ModelInput read_input(const ordered_json& json, const std::string& where) {
  ModelInput input;
  if (json.contains("tensors")) {
    input.tensors = read_tensors(json.at("tensors"), where);
    return input;
  }
  input.channels = get_as<int64_t>(json, "channels", where);
  input.height = input.width = get_as<int64_t>(json, "size", where);
  if (input.channels < 1 || input.channels > 1024 || input.height < 1 ||
      input.height > 1 << 14) {
    throw Error(where + ": pictures of that size are not known here");
  }
  if (json.contains("mean") && json.contains("std")) {
    input.mean = get_as<std::vector<double>>(json, "mean", where);
    input.std = get_as<std::vector<double>>(json, "std", where);
  }
  if (json.contains("interpolation")) {
    input.interpolation = get_as<std::string>(json, "interpolation", where);
  }
  if (json.contains("crop_pct")) {
    input.resize = "shorter";
    input.crop_pct = get_as<double>(json, "crop_pct", where);
  }
  return input;
}

// json's own errors become ours: the file may hold anything.
ExportedInfo read_info(const Metadata& metadata) {
  ExportedInfo info;
  const ordered_json tensors = metadata.json("soup.tensors");
  const ordered_json aliases = metadata.json("soup.aliases");
  const ordered_json ignored = metadata.json("soup.ignored");
  try {
    for (const ordered_json& tensor : tensors) {
      info.slots.push_back(
          same_slot(tensor.at("name").get<std::string>(),
                    tensor.at("shape").get<std::vector<int64_t>>()));
    }
    for (const auto& [alias, name] : aliases.items()) {
      info.ignored.push_back(alias);
    }
    for (const ordered_json& name : ignored) {
      info.ignored.push_back(name.get<std::string>());
    }
    info.input = read_input(metadata.json("soup.input"), metadata.where());
    info.classes = metadata.json("soup.classes").get<int64_t>();
    info.batch = metadata.json("soup.batch").get<int64_t>();
    info.least_batch = metadata.least_batch(info.batch);
    info.logits = metadata.json("soup.self_test").get<TestLogits>();
  } catch (const nlohmann::json::exception& error) {
    throw Error(metadata.where() +
                ": its metadata is damaged: " + printable(error.what()));
  }
  if (info.classes < 1 || info.batch < 1 || info.batch > 1 << 16 ||
      info.least_batch < 1 || info.least_batch > info.batch) {
    throw Error(metadata.where() + ": its metadata has no sense");
  }
  return info;
}

/// As scripts/export_model.py calls it.
std::string kind_of(const at::Device& device) {
  return device.is_cpu() ? "cpu" : "cuda";
}

void check_made_for(const Metadata& metadata, const at::Device& device) {
  const std::string version = metadata.text("soup.torch");
  if (!std::string(TORCH_VERSION).starts_with(version + ".")) {
    throw Error(metadata.where() + ": was exported by torch " +
                printable(version) + ", but this is libtorch " + TORCH_VERSION +
                "; export it with the same");
  }
  const std::string kind = kind_of(device);
  const std::string made_for = metadata.text("AOTI_DEVICE_KEY");
  if (made_for != kind) {
    throw Error(metadata.where() + ": was exported for " + printable(made_for) +
                ", but the device is " + kind + "; --device " +
                printable(made_for) + ", or export it with --device " + kind);
  }
}

/// A graph compiled by AOTInductor, whose weights are inputs.
class Exported : public Model {
 public:
  Exported(const fs::path& file, std::unique_ptr<AOTIModelPackageLoader> loader,
           const ExportedInfo& info, const at::Device& device)
      : where_(file.string()),
        identity_(file_identity("exported", file)),
        loader_(std::move(loader)),
        input_(info.input),
        classes_(info.classes),
        batch_(info.batch),
        least_batch_(info.least_batch),
        device_(device),
        weights_(info.slots, one_of(info.ignored), device) {
    for (const Slot& slot : info.slots) views_.push_back(weights_[slot.name]);
  }

  std::string_view name() const override { return "exported"; }
  std::string identity() const override { return identity_; }
  const ModelInput& input() const override { return input_; }
  int64_t classes() const override { return classes_; }
  const at::Device& device() const override { return device_; }
  int64_t unit() const override { return batch_; }
  int64_t least_batch() const override { return least_batch_; }
  void load(const Checkpoint& checkpoint) override {
    weights_.load(checkpoint);
  }

  at::Tensor forward(at::TensorList inputs) const override {
    const int64_t count = inputs.front().size(0);
    std::vector<at::Tensor> rows;
    for (int64_t begin = 0; begin < count; begin += batch_) {
      const int64_t size = std::min(batch_, count - begin);
      std::vector<at::Tensor> batch;
      for (const at::Tensor& input : inputs) {
        batch.push_back(filled_up(input.narrow(0, begin, size)));
      }
      rows.push_back(run(std::move(batch)).narrow(0, 0, size));
    }
    return rows.size() == 1 ? rows[0] : at::cat(rows);
  }

 private:
  at::Tensor filled_up(const at::Tensor& part) const {
    const int64_t missing = least_batch_ - part.size(0);
    if (missing <= 0) return part.contiguous();
    std::vector<int64_t> rest = part.sizes().vec();
    rest[0] = missing;
    return at::cat({part, at::zeros(rest, part.options())});
  }

  at::Tensor run(std::vector<at::Tensor> inputs) const {
    const int64_t count = inputs.front().size(0);
    const c10::DeviceGuard its_stream(device_);
    inputs.insert(inputs.end(), views_.begin(), views_.end());
    const std::vector<at::Tensor> outputs = loader_->run(inputs);
    if (outputs.size() != 1 || outputs[0].dim() != 2 ||
        outputs[0].size(0) != count || outputs[0].size(1) != classes_) {
      throw Error(where_ + ": does not give logits [examples, " +
                  std::to_string(classes_) + "]");
    }
    return outputs[0].to(at::kFloat);
  }

  std::string where_;
  std::string identity_;
  std::unique_ptr<AOTIModelPackageLoader> loader_;
  ModelInput input_;
  int64_t classes_;
  int64_t batch_;
  int64_t least_batch_;
  at::Device device_;
  Weights weights_;
  std::vector<at::Tensor> views_;
};

// The code in a package finds libtorch's functions in what is open for all.
void open_libtorch_for_all(const at::Device& device) {
  for (const char* library : {"libc10.so", "libtorch_cpu.so"}) {
    dlopen(library, RTLD_NOW | RTLD_GLOBAL | RTLD_NOLOAD);
  }
  // Code for a GPU names this one as its own.
  if (!device.is_cpu()) dlopen("libtorch.so", RTLD_NOW | RTLD_GLOBAL);
}

std::unique_ptr<AOTIModelPackageLoader> open_package(const fs::path& file,
                                                     const at::Device& device) {
  open_libtorch_for_all(device);
  // Has the code compare shape, type and strides of every input.
  setenv("AOTI_RUNTIME_CHECK_INPUTS", "1", 1);
  const size_t at_once =
      device.is_cpu() ? static_cast<size_t>(default_threads()) : 1;
  try {
    return std::make_unique<AOTIModelPackageLoader>(
        file.string(), "model", false, at_once, device.index());
  } catch (const std::exception& error) {
    // Of code for another device nothing can be read, the metadata neither.
    throw Error(file.string() +
                ": cannot be loaded: " + printable(torch_message(error)) +
                "; it must be a file of scripts/export_model.py --device " +
                kind_of(device) + " with torch " + TORCH_VERSION);
  }
}

}  // namespace

std::unique_ptr<Model> make_exported(const fs::path& file,
                                     const Checkpoint& like,
                                     const at::Device& device) {
  check_float32(file);
  auto loader = open_package(file, device);
  const Metadata metadata(loader->get_metadata(), file.string());
  check_made_for(metadata, device);
  const ExportedInfo info = read_info(metadata);
  // Shapes are those of a checkpoint before memory is got for them.
  check_tensors(like, info.slots, one_of(info.ignored));
  auto model =
      std::make_unique<Exported>(file, std::move(loader), info, device);
  self_test(*model, info.slots, info.logits, file.string());
  return model;
}

}  // namespace soup
