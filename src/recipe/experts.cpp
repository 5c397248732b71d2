#include "recipe/experts.h"

#include <algorithm>
#include <charconv>
#include <map>

#include "core/log.h"
#include "core/text.h"
#include "recipe/piece.h"
#include "soup/error.h"

namespace soup {
namespace {

constexpr std::string_view kSeparate = ".block_sparse_moe.";
constexpr std::string_view kFused = ".mlp.";
constexpr std::string_view kGateUp = ".mlp.experts.gate_up_proj";
constexpr std::string_view kDown = ".mlp.experts.down_proj";
constexpr std::string_view kGate = "gate.weight";

/// A run of bytes of a tensor of the file.
struct Part {
  size_t tensor = 0;
  int64_t begin = 0;
  int64_t bytes = 0;
};

/// A model whose tensors are parts of its file's tensors one after another.
class Rearranged : public Checkpoint {
 public:
  explicit Rearranged(CheckpointPtr file) : file_(std::move(file)) {}

  void add(TensorInfo tensor, std::vector<Part> parts) {
    tensor.tied_to = -1;
    tensors_.push_back(std::move(tensor));
    parts_.push_back(std::move(parts));
  }
  void add_whole(TensorInfo tensor, size_t index) {
    const int64_t bytes = tensor.bytes();
    add(std::move(tensor), {{index, 0, bytes}});
  }

  const std::filesystem::path& path() const override { return file_->path(); }
  std::string_view format() const override { return file_->format(); }
  std::span<const TensorInfo> tensors() const override { return tensors_; }
  const std::map<std::string, std::string>& metadata() const override {
    return file_->metadata();
  }
  std::string companion(const std::string& name) const override {
    return file_->companion(name);
  }

  TensorData read(size_t index) const override {
    const std::vector<Part>& parts = parts_[index];
    if (parts.size() == 1) {
      const Part& part = parts.front();
      TensorData whole = file_->read(part.tensor);
      if (part.bytes == std::ssize(whole.bytes())) return whole;
      if (whole.mapped()) return TensorData(bytes_of(whole, part), true);
    }
    std::vector<std::byte> all;
    all.reserve(static_cast<size_t>(tensors_[index].bytes()));
    for (const Part& part : parts) {
      const TensorData whole = file_->read(part.tensor);
      const auto bytes = bytes_of(whole, part);
      all.insert(all.end(), bytes.begin(), bytes.end());
    }
    return TensorData(std::move(all));
  }
  int64_t read_memory(size_t index) const override {
    int64_t bytes = 0;
    for (const Part& part : parts_[index]) {
      bytes += file_->read_memory(part.tensor);
    }
    const bool joined = parts_[index].size() > 1;
    return bytes + (joined || bytes > 0 ? tensors_[index].bytes() : 0);
  }

 private:
  static std::span<const std::byte> bytes_of(const TensorData& whole,
                                             const Part& part) {
    return whole.bytes().subspan(static_cast<size_t>(part.begin),
                                 static_cast<size_t>(part.bytes));
  }

  CheckpointPtr file_;
  std::vector<TensorInfo> tensors_;
  std::vector<std::vector<Part>> parts_;
};

[[noreturn]] void throw_shape(const Checkpoint& model,
                              const TensorInfo& tensor) {
  throw Error(model.path().string() + ": " + quoted(tensor) + " is " +
              shape_text(tensor.shape) +
              ", not the shape of Mixtral's experts");
}

// `tensor` with the shape of one of the matrices of [experts, rows, columns].
TensorInfo matrix_of(const TensorInfo& tensor, std::string name, int64_t rows) {
  TensorInfo matrix = tensor;
  matrix.name = std::move(name);
  matrix.shape = {rows, tensor.shape[2]};
  return matrix;
}

CheckpointPtr separate(CheckpointPtr model) {
  const Checkpoint& file = *model;
  auto made = std::make_unique<Rearranged>(std::move(model));
  for (size_t i = 0; i < file.tensors().size(); ++i) {
    const TensorInfo& tensor = file.tensors()[i];
    const bool both = tensor.name.ends_with(kGateUp);
    if (!both && !tensor.name.ends_with(kDown)) {
      TensorInfo same = tensor;
      const size_t end = same.name.size() - kGate.size();
      if (same.name.ends_with(std::string(kFused) + std::string(kGate))) {
        same.name.replace(end - kFused.size(), kFused.size(), kSeparate);
      }
      made->add_whole(std::move(same), i);
      continue;
    }
    if (tensor.shape.size() != 3 || tensor.shape[0] == 0 ||
        (both && tensor.shape[1] % 2 != 0)) {
      throw_shape(file, tensor);
    }
    const std::string stem =
        tensor.name.substr(
            0, tensor.name.size() - (both ? kGateUp : kDown).size()) +
        std::string(kSeparate) + "experts.";
    const int64_t size = tensor.bytes() / tensor.shape[0];
    for (int64_t e = 0; e < tensor.shape[0]; ++e) {
      const std::string name = stem + std::to_string(e);
      if (both) {
        const int64_t rows = tensor.shape[1] / 2;
        made->add(matrix_of(tensor, name + ".w1.weight", rows),
                  {{i, e * size, size / 2}});
        made->add(matrix_of(tensor, name + ".w3.weight", rows),
                  {{i, e * size + size / 2, size / 2}});
      } else {
        made->add(matrix_of(tensor, name + ".w2.weight", tensor.shape[1]),
                  {{i, e * size, size}});
      }
    }
  }
  return made;
}

// Experts of one layer: w1, w2 and w3 of each.
using Experts = std::map<int64_t, std::map<std::string, size_t>>;

// Adds `names` of every expert as one tensor [experts, rows, columns].
void add_fused(Rearranged& made, const Checkpoint& file, std::string name,
               const Experts& experts, std::span<const char* const> names) {
  const auto at = [&](int64_t e, const char* which) {
    const auto expert = experts.find(e);
    if (expert != experts.end()) {
      const auto found = expert->second.find(which);
      if (found != expert->second.end()) return found->second;
    }
    throw Error(file.path().string() + ": expert " + std::to_string(e) +
                " of '" + printable(name) + "' has no " + which);
  };
  const TensorInfo& first = file.tensors()[at(0, names.front())];
  if (first.shape.size() != 2) throw_shape(file, first);
  std::vector<Part> parts;
  for (int64_t e = 0; e < std::ssize(experts); ++e) {
    for (const char* which : names) {
      const size_t i = at(e, which);
      const TensorInfo& tensor = file.tensors()[i];
      if (tensor.shape != first.shape || tensor.dtype != first.dtype) {
        throw_shape(file, tensor);
      }
      parts.push_back({i, 0, tensor.bytes()});
    }
  }
  TensorInfo fused = first;
  fused.name = std::move(name);
  fused.shape = {std::ssize(experts), first.shape[0] * std::ssize(names),
                 first.shape[1]};
  made.add(std::move(fused), std::move(parts));
}

CheckpointPtr fuse(CheckpointPtr model) {
  const Checkpoint& file = *model;
  auto made = std::make_unique<Rearranged>(std::move(model));
  std::map<std::string, Experts> layers;
  const std::string marker = std::string(kSeparate) + "experts.";
  for (size_t i = 0; i < file.tensors().size(); ++i) {
    TensorInfo tensor = file.tensors()[i];
    const size_t found = tensor.name.find(marker);
    if (found == std::string::npos) {
      const size_t at =
          tensor.name.find(std::string(kSeparate) + std::string(kGate));
      if (at != std::string::npos) {
        tensor.name.replace(at, kSeparate.size(), kFused);
      }
      made->add_whole(std::move(tensor), i);
      continue;
    }
    const std::string rest = tensor.name.substr(found + marker.size());
    const size_t dot = rest.find('.');
    int64_t number = -1;
    std::from_chars(rest.data(), rest.data() + std::min(dot, rest.size()),
                    number);
    if (number < 0 || dot == std::string::npos) {
      throw Error(file.path().string() + ": " + quoted(tensor) +
                  " is no tensor of a numbered expert");
    }
    layers[tensor.name.substr(0, found)][number][rest.substr(dot + 1)] = i;
  }
  for (const auto& [stem, experts] : layers) {
    constexpr const char* kUp[] = {"w1.weight", "w3.weight"};
    constexpr const char* kBack[] = {"w2.weight"};
    add_fused(*made, file, stem + std::string(kGateUp), experts, kUp);
    add_fused(*made, file, stem + std::string(kDown), experts, kBack);
  }
  return made;
}

}  // namespace

std::optional<ExpertLayout> expert_layout(const Checkpoint& model) {
  for (const TensorInfo& tensor : model.tensors()) {
    if (tensor.name.find(std::string(kSeparate) + "experts.") !=
        std::string::npos) {
      return ExpertLayout::kSeparate;
    }
    if (tensor.name.ends_with(kGateUp)) return ExpertLayout::kFused;
  }
  return std::nullopt;
}

void use_expert_layout(const Recipe& recipe,
                       std::vector<CheckpointPtr>& models) {
  ExpertLayout wanted = recipe.experts;
  for (const CheckpointPtr& model : models) {
    if (wanted != ExpertLayout::kKeep) break;
    wanted = expert_layout(*model).value_or(ExpertLayout::kKeep);
  }
  for (CheckpointPtr& model : models) {
    const auto found = expert_layout(*model);
    if (!found || *found == wanted) continue;
    if (recipe.experts == ExpertLayout::kKeep) {
      log::warn(model->path().string() +
                ": its experts are stored in another way than the first "
                "model's, and are taken in that one's");
    }
    model = wanted == ExpertLayout::kSeparate ? separate(std::move(model))
                                              : fuse(std::move(model));
  }
}

}  // namespace soup
