#include <algorithm>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>

#include "core/log.h"
#include "recipe/joined_adapter.h"
#include "recipe/model_folder.h"
#include "recipe/paths.h"
#include "recipe/sinks.h"
#include "soup/recipe.h"

namespace soup {
namespace {

constexpr size_t kHashDigits = 32;

std::map<std::string, std::string> metadata(const Recipe& recipe,
                                            const std::filesystem::path& out) {
  return {{"format", "pt"},
          {"soup.recipe", recipe_json(recipe, recipe_folder(out)).dump()}};
}

// An average of networks has never seen its own activations.
void note_batch_norm(const Plan& plan, size_t ingredients) {
  const bool has = std::any_of(plan.tensors.begin(), plan.tensors.end(),
                               [](const PlannedTensor& t) {
                                 return t.out.name.ends_with(".running_var");
                               });
  if (!has || ingredients < 2) return;
  log::info(
      "BatchNorm: its means and variances are averaged like weights, which is "
      "right only for ingredients close to each other; 'soup batchnorm', or "
      "--bn recompute of a search, takes them anew from pictures");
}

}  // namespace

std::vector<TensorInfo> outputs_of(const Plan& plan) {
  std::vector<TensorInfo> tensors;
  for (const PlannedTensor& tensor : plan.tensors) {
    tensors.push_back(tensor.out);
  }
  return tensors;
}

std::unique_ptr<CheckpointWriter> create_output(
    const Plan& plan, const std::filesystem::path& out,
    const std::map<std::string, std::string>& metadata,
    const WriteOptions& options) {
  return create_checkpoint(out, outputs_of(plan), metadata, options);
}

MakeResult make_soup(const Recipe& recipe,
                     std::span<const Checkpoint* const> ingredients,
                     const std::filesystem::path& out,
                     const WriteOptions& write_options,
                     const MixOptions& mix_options) {
  const Plan plan = make_plan(recipe, ingredients);
  for (const std::string& what : plan.inferred) log::debug(what);
  for (const std::string& notice : plan.notices) log::warn(notice);
  note_batch_norm(plan, ingredients.size());
  Recipe signed_recipe = recipe;
  // Hashes are known last: their places are written first.
  for (Ingredient& ingredient : signed_recipe.ingredients) {
    ingredient.hash = std::string(kHashDigits, '0');
  }
  WriteOptions folder = write_options;
  if (recipe.merge != nullptr) {
    add_model_files(folder, recipe, ingredients, plan);
  }
  if (std::string config = adapter_config(*ingredients.front());
      !config.empty()) {
    // PEFT reads one file.
    folder.stem = "adapter_model";
    folder.shard_size = std::numeric_limits<int64_t>::max();
    folder.files["adapter_config.json"] = std::move(config);
  }
  const auto writer =
      create_output(plan, out, metadata(signed_recipe, out), folder);
  WriterSink sink(*writer);
  MixOptions options = mix_options;
  options.hash = true;
  const MixResult mixed = mix(plan, ingredients, sink, options);
  for (const std::string& notice : mixed.notices) log::warn(notice);
  for (size_t k = 0; k < ingredients.size(); ++k) {
    signed_recipe.ingredients[k].hash = mixed.hashes[k];
  }
  const int64_t written = writer->commit(metadata(signed_recipe, out));
  return {.bytes_read = mixed.bytes_read, .bytes_written = written};
}

}  // namespace soup
