#include <algorithm>
#include <mutex>
#include <optional>

#include "core/json.h"
#include "core/text.h"
#include "recipe/joined_adapter.h"
#include "recipe/piece.h"
#include "soup/error.h"
#include "soup/recipe.h"

namespace soup {
namespace {

// Compares what is mixed with what a file holds.
class CompareSink : public Sink {
 public:
  // `places[i]`: index in `file` of plan tensor i.
  CompareSink(const Checkpoint& file, std::vector<size_t> places)
      : file_(file), places_(std::move(places)) {}

  void write(size_t index, int64_t offset,
             std::span<const std::byte> data) override {
    const TensorData values = file_.read(places_[index]);
    const auto expected =
        values.bytes().subspan(static_cast<size_t>(offset), data.size());
    const auto [here, there] =
        std::mismatch(data.begin(), data.end(), expected.begin());
    if (here == data.end()) return;
    const std::lock_guard lock(mutex_);
    first_ = std::min(first_, {index, offset + (here - data.begin())});
  }

  // Index of the first tensor that differs, and the byte.
  std::optional<std::pair<size_t, int64_t>> difference() const {
    if (first_ == kNone) return std::nullopt;
    return first_;
  }

 private:
  static constexpr std::pair<size_t, int64_t> kNone = {SIZE_MAX, 0};

  const Checkpoint& file_;
  std::vector<size_t> places_;
  std::mutex mutex_;
  std::pair<size_t, int64_t> first_ = kNone;
};

struct Layout {
  std::vector<size_t> places;
  std::string difference;
};

std::string describe(const TensorInfo& tensor) {
  return std::string(name(tensor.dtype)) + " " + shape_text(tensor.shape);
}

// Where the plan's tensors are in the file.
Layout match(const Plan& plan, const Checkpoint& file) {
  const std::string where = file.path().string() + ": ";
  Layout layout;
  for (const PlannedTensor& tensor : plan.tensors) {
    const std::optional<size_t> found = file.find(tensor.out.name);
    if (!found) {
      layout.difference = where + quoted(tensor.out) + " is missing";
      return layout;
    }
    const TensorInfo& there = file.tensors()[*found];
    if (there.dtype != tensor.out.dtype || there.shape != tensor.out.shape) {
      layout.difference = where + quoted(tensor.out) + " is " +
                          describe(there) + ", its recipe gives " +
                          describe(tensor.out);
      return layout;
    }
    layout.places.push_back(*found);
  }
  if (file.tensors().size() != plan.tensors.size()) {
    layout.difference = where + "has " + std::to_string(file.tensors().size()) +
                        " tensors, its recipe gives " +
                        std::to_string(plan.tensors.size());
  }
  return layout;
}

// The configuration of an averaged adapter, which has a part of its scales.
std::string changed_config(const std::filesystem::path& file,
                           const std::string& expected) {
  if (expected.empty()) return {};
  const std::filesystem::path path =
      adapter_folder(file).value_or(file) / "adapter_config.json";
  if (read_json(path, 1 << 20) == parse_json(expected, path.string())) {
    return {};
  }
  return path.string() + ": differs from what the recipe gives";
}

// An ingredient that is not what it was when the soup was made.
std::string changed_ingredient(const Recipe& recipe, const MixResult& mixed,
                               std::span<const Checkpoint* const> opened) {
  for (size_t k = 0; k < recipe.ingredients.size(); ++k) {
    const Ingredient& ingredient = recipe.ingredients[k];
    if (ingredient.hash.empty() || ingredient.hash == mixed.hashes[k]) continue;
    return opened[k]->path().string() +
           ": has changed since the soup was made (content hash " +
           mixed.hashes[k] + ", expected " + ingredient.hash + ")";
  }
  return {};
}

// A tied tensor that some tool has untied and changed.
std::string changed_tie(const Plan& plan, const Checkpoint& file,
                        const std::vector<size_t>& places) {
  for (size_t i = 0; i < plan.tensors.size(); ++i) {
    const int64_t target = plan.tensors[i].out.tied_to;
    if (target < 0) continue;
    const TensorData a = file.read(places[i]);
    const TensorData b = file.read(places[static_cast<size_t>(target)]);
    if (std::equal(a.bytes().begin(), a.bytes().end(), b.bytes().begin(),
                   b.bytes().end())) {
      continue;
    }
    return file.path().string() + ": " + quoted(plan.tensors[i].out) +
           " differs from " +
           quoted(plan.tensors[static_cast<size_t>(target)].out) +
           ", to which it is tied";
  }
  return {};
}

}  // namespace

VerifyResult verify_soup(const std::filesystem::path& file,
                         const MixOptions& mix_options) {
  const Recipe recipe = read_recipe(file);
  const CheckpointPtr soup = open_checkpoint(file);
  const std::vector<CheckpointPtr> opened = open_ingredients(recipe);
  std::vector<const Checkpoint*> ingredients;
  for (const CheckpointPtr& ingredient : opened) {
    ingredients.push_back(ingredient.get());
  }
  const Plan plan = make_plan(recipe, ingredients);
  Layout layout = match(plan, *soup);
  if (!layout.difference.empty()) return {false, layout.difference};
  CompareSink sink(*soup, layout.places);
  MixOptions options = mix_options;
  options.hash = true;
  const MixResult mixed = mix(plan, ingredients, sink, options);
  std::string difference = changed_ingredient(recipe, mixed, ingredients);
  if (difference.empty() && sink.difference()) {
    const auto [tensor, byte] = *sink.difference();
    difference = file.string() + ": " + quoted(plan.tensors[tensor].out) +
                 " differs from what its recipe gives, first at byte " +
                 std::to_string(byte);
  }
  if (difference.empty()) {
    difference = changed_config(file, adapter_config(*ingredients.front()));
  }
  if (difference.empty()) difference = changed_tie(plan, *soup, layout.places);
  return {.same = difference.empty(), .difference = difference};
}

}  // namespace soup
