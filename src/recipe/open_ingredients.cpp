#include <cstring>
#include <mutex>

#include "recipe/experts.h"
#include "recipe/model_folder.h"
#include "recipe/portions.h"
#include "recipe/sinks.h"
#include "recipe/ties.h"
#include "recipe/vocabulary.h"
#include "soup/recipe.h"

namespace soup {
namespace {

// Puts the values of one tensor into memory.
class TensorSink : public Sink {
 public:
  explicit TensorSink(int64_t size) : bytes_(static_cast<size_t>(size)) {}
  void write(size_t, int64_t offset, std::span<const std::byte> data) override {
    std::memcpy(bytes_.data() + offset, data.data(), data.size());
  }
  std::vector<std::byte> take() { return std::move(bytes_); }

 private:
  std::vector<std::byte> bytes_;
};

/// A soup that is never written: each tensor is mixed when it is read.
class Stage : public Checkpoint {
 public:
  explicit Stage(const Recipe& recipe)
      : recipe_(recipe), opened_(open_ingredients(recipe)) {
    for (const CheckpointPtr& c : opened_) ingredients_.push_back(c.get());
    plan_ = make_plan(recipe, ingredients_);
    for (const PlannedTensor& tensor : plan_.tensors) {
      tensors_.push_back(tensor.out);
    }
  }

  const std::filesystem::path& path() const override { return path_; }
  std::string_view format() const override { return "soup"; }
  std::span<const TensorInfo> tensors() const override { return tensors_; }
  const std::map<std::string, std::string>& metadata() const override {
    return metadata_;
  }
  TensorData read(size_t index) const override {
    const size_t stored = root_of(tensors_, index);
    Plan one;
    one.allow_nonfinite = plan_.allow_nonfinite;
    one.tensors.push_back(plan_.tensors[stored]);
    TensorSink sink(tensors_[stored].bytes());
    mix(one, ingredients_, sink, {.threads = 1});
    return TensorData(sink.take());
  }
  std::string companion(const std::string& name) const override {
    std::call_once(described_,
                   [&] { files_ = model_files(recipe_, ingredients_, plan_); });
    const auto found = files_.find(name);
    return found == files_.end() ? "" : found->second;
  }
  int64_t read_memory(size_t index) const override {
    const size_t stored = root_of(tensors_, index);
    return tensors_[stored].bytes() +
           sources_memory(plan_.tensors[stored], ingredients_);
  }

 private:
  std::filesystem::path path_ = "an earlier document";
  Recipe recipe_;
  std::vector<CheckpointPtr> opened_;
  std::vector<const Checkpoint*> ingredients_;
  Plan plan_;
  std::vector<TensorInfo> tensors_;
  std::map<std::string, std::string> metadata_;
  mutable std::once_flag described_;
  mutable std::map<std::string, std::string> files_;
};

CheckpointPtr open_ingredient(const Ingredient& ingredient,
                              const Recipe& recipe) {
  // An ingredient alone is rounded to the output's type at once.
  const bool alone = recipe.merge == nullptr && recipe.ingredients.size() == 1;
  const std::string dtype = alone ? recipe.dtype : "keep";
  CheckpointPtr model;
  if (ingredient.made != nullptr) {
    model = std::make_unique<Stage>(*ingredient.made);
  } else if (!ingredient.path.empty()) {
    model = open_checkpoint(ingredient.path, recipe.open);
    check_averageable(*model);
  } else {
    return join_adapters(ingredient.adapters, dtype);
  }
  if (ingredient.adapters.empty()) return model;
  return merge_adapters(std::move(model), ingredient.adapters, dtype);
}

}  // namespace

std::vector<CheckpointPtr> open_ingredients(const Recipe& recipe) {
  std::vector<CheckpointPtr> opened;
  for (const Ingredient& ingredient : recipe.ingredients) {
    opened.push_back(open_ingredient(ingredient, recipe));
  }
  use_expert_layout(recipe, opened);
  use_joint_vocabulary(recipe, opened);
  return opened;
}

}  // namespace soup
