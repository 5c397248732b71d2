#include "cli/describe.h"

#include <array>
#include <cstdio>
#include <map>

#include "core/binomial.h"
#include "core/text.h"

namespace soup {
int64_t total_bytes(const Checkpoint& checkpoint) {
  int64_t sum = 0;
  for (const TensorInfo& tensor : checkpoint.tensors()) {
    if (tensor.tied_to < 0) sum += tensor.bytes();
  }
  return sum;
}

int64_t total_parameters(const Checkpoint& checkpoint) {
  int64_t sum = 0;
  for (const TensorInfo& tensor : checkpoint.tensors()) {
    if (tensor.tied_to < 0) sum += tensor.numel();
  }
  return sum;
}

ordered_json describe_checkpoint(const Checkpoint& checkpoint) {
  std::map<std::string, int64_t> dtypes;
  for (const TensorInfo& tensor : checkpoint.tensors()) {
    ++dtypes[std::string(name(tensor.dtype))];
  }
  return {{"kind", "checkpoint"},
          {"path", checkpoint.path().string()},
          {"format", checkpoint.format()},
          {"tensors", checkpoint.tensors().size()},
          {"parameters", total_parameters(checkpoint)},
          {"bytes", total_bytes(checkpoint)},
          {"dtypes", dtypes},
          {"metadata", checkpoint.metadata()}};
}

ordered_json describe_tensor(const Checkpoint& checkpoint,
                             const TensorInfo& tensor) {
  ordered_json object = {
      {"kind", "tensor"},      {"path", checkpoint.path().string()},
      {"name", tensor.name},   {"dtype", name(tensor.dtype)},
      {"shape", tensor.shape}, {"bytes", tensor.bytes()}};
  if (tensor.tied_to >= 0) {
    object["tied_to"] =
        checkpoint.tensors()[static_cast<size_t>(tensor.tied_to)].name;
  }
  return object;
}

ordered_json interval_of(const Score& score) {
  if (!score.correct || score.count < 1) return nullptr;
  const Interval interval = binomial_interval(*score.correct, score.count);
  return {interval.low, interval.high};
}

ordered_json describe_score(const std::filesystem::path& path,
                            const Score& score) {
  return {{"kind", "score"},
          {"path", path.string()},
          {"dataset", score.dataset},
          {"metric", score.metric},
          {"value", score.value},
          {"count", score.count},
          {"correct", or_null(score.correct)},
          {"standard_error", or_null(score.standard_error)},
          {"interval", interval_of(score)},
          {"seconds", score.seconds}};
}

ordered_json describe_held_out(const std::optional<Score>& score) {
  if (!score) {
    return {{"dataset", nullptr},       {"metric", nullptr},
            {"value", nullptr},         {"count", nullptr},
            {"correct", nullptr},       {"interval", nullptr},
            {"standard_error", nullptr}};
  }
  return {{"dataset", score->dataset},
          {"metric", score->metric},
          {"value", score->value},
          {"count", score->count},
          {"correct", or_null(score->correct)},
          {"interval", interval_of(*score)},
          {"standard_error", or_null(score->standard_error)}};
}

ordered_json describe_ingredients(const SearchResult& result) {
  ordered_json list = ordered_json::array();
  for (size_t i = 0; i < result.recipe.ingredients.size(); ++i) {
    const Ingredient& ingredient = result.recipe.ingredients[i];
    list.push_back(
        {{"path", ingredient.path.string()}, {"weight", ingredient.weight}});
    if (result.recipe.base == i) list.back()["base"] = true;
    if (i >= result.without.size()) continue;
    const std::optional<Score>& without = result.without[i];
    list.back()["without"] = without ? ordered_json(without->value) : nullptr;
  }
  return list;
}

ordered_json describe_plan(const Plan& plan, const Recipe& recipe) {
  return {{"kind", "plan"},
          {"tensors", plan.tensors.size()},
          {"bytes_read", plan.bytes_read},
          {"bytes_write", plan.bytes_write},
          {"peak_memory", plan.peak_memory},
          {"rule", recipe.rule}};
}

std::string optimism_text(const Optimism& optimism) {
  std::array<char, 160> text{};
  std::snprintf(text.data(), text.size(),
                "choosing adds about %.4f: %.4f on the examples that chose, "
                "%.4f on those kept from it (%d folds)",
                optimism.chosen - optimism.apart, optimism.chosen,
                optimism.apart, static_cast<int>(optimism.folds));
  return text.data();
}

std::string short_number(double value) {
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.4g", value);
  return text.data();
}

std::string score_text(const Score& score) {
  std::array<char, 32> text{};
  if (score.correct) {
    std::snprintf(text.data(), text.size(), "%.2f %%", 100 * score.value);
  } else {
    std::snprintf(text.data(), text.size(), "%.5g", score.value);
  }
  return text.data();
}

}  // namespace soup
