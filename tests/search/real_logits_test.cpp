#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <numeric>
#include <random>

#include "core/log.h"
#include "soup/search.h"
#include "support/kept_logits.h"

namespace soup {
namespace {

namespace fs = std::filesystem;

constexpr size_t kModels = 8;
constexpr int64_t kExamples = 4000;

/// What models of the demo's zoo say of held-out pictures, as values.
struct RealLogits {
  size_t classes = 0;
  std::vector<std::vector<float>> logits;  ///< by model, [example, class]
  std::vector<int32_t> labels;
};

RealLogits real_logits() {
  DatasetSpec spec = find_dataset("fashion-mnist", {});
  spec.range = {50000, 50000 + kExamples};
  std::vector<CheckpointPtr> zoo;
  for (size_t k = 0; k < kModels; ++k) {
    zoo.push_back(
        open_checkpoint(fs::path(SOUP_CONFIGS) / "zoo" /
                        ("model_0" + std::to_string(k) + ".safetensors")));
  }
  const auto evaluators =
      make_evaluators(std::span(&spec, 1), *zoo.front(), {.device = "cpu"});
  RealLogits made;
  for (const CheckpointPtr& model : zoo) {
    const CheckpointPtr kept =
        testing::kept_logits(*evaluators.front(), *model);
    const TensorData data = kept->read(0);
    made.classes = static_cast<size_t>(kept->tensors()[0].shape[1]);
    made.logits.emplace_back(data.bytes().size() / sizeof(float));
    std::memcpy(made.logits.back().data(), data.bytes().data(),
                data.bytes().size());
  }
  for (int64_t i = 0; i < kExamples; ++i) {
    made.labels.push_back(evaluators.front()->labels(i).front());
  }
  return made;
}

/// Some of the models on some of the examples. `step`: logits are rounded to
/// multiples of it, so that ties are common; 0: they are as they are.
std::vector<CheckpointPtr> draw_zoo(const RealLogits& all, size_t models,
                                    size_t examples, float step,
                                    std::mt19937& engine) {
  std::vector<size_t> which(kModels);
  std::iota(which.begin(), which.end(), size_t{0});
  std::shuffle(which.begin(), which.end(), engine);
  std::vector<size_t> rows(examples);
  for (size_t& row : rows) row = engine() % kExamples;
  std::vector<CheckpointPtr> zoo;
  for (size_t k = 0; k < models; ++k) {
    std::vector<float> logits;
    std::vector<int64_t> labels;
    for (const size_t row : rows) {
      for (size_t c = 0; c < all.classes; ++c) {
        const float value = all.logits[which[k]][row * all.classes + c];
        logits.push_back(step > 0 ? std::round(value / step) * step : value);
      }
      labels.push_back(all.labels[row]);
    }
    const auto count = static_cast<int64_t>(examples);
    auto made = std::make_unique<MemoryCheckpoint>(
        std::to_string(which[k]),
        std::vector<TensorInfo>{
            {.name = "logits",
             .shape = {count, static_cast<int64_t>(all.classes)}},
            {.name = "labels", .dtype = DType::kI64, .shape = {count}}});
    std::memcpy(made->mutable_bytes(0).data(), logits.data(),
                logits.size() * sizeof(float));
    std::memcpy(made->mutable_bytes(1).data(), labels.data(),
                labels.size() * sizeof(int64_t));
    zoo.push_back(std::move(made));
  }
  return zoo;
}

struct Outcome {
  std::vector<std::string> decisions;  ///< and, last, what was chosen
  int64_t rejected = 0;
  int64_t seen = 0;     ///< examples, of what was rejected
  int64_t offered = 0;  ///< the same by full passes
};

Outcome run(const std::string& search, std::span<const CheckpointPtr> zoo,
            const std::string& metric, SearchOptions options) {
  const auto evaluator = make_logits_evaluator(*zoo.front(), "zoo", metric);
  Outcome outcome;
  options.on_candidate = [&](const Candidate& c) {
    outcome.decisions.push_back(c.path.string() + (c.accepted ? "+" : "-"));
    if (c.accepted) return;
    ++outcome.rejected;
    outcome.seen += c.seen;
    outcome.offered += c.count;
  };
  const SearchResult result =
      find_search(search).run(zoo, evaluator.get(), options);
  for (const Ingredient& ingredient : result.recipe.ingredients) {
    outcome.decisions.push_back(ingredient.path.string() + "*" +
                                std::to_string(ingredient.weight));
  }
  outcome.decisions.push_back(std::to_string(result.score->value));
  return outcome;
}

/// One random way to search.
SearchOptions draw_options(std::mt19937& engine, bool counts) {
  constexpr std::array kOrders = {Order::kScore, Order::kScore, Order::kGiven,
                                  Order::kRandom};
  constexpr std::array kAlphas = {1.0, 1.0, 0.6, 0.2};
  SearchOptions options;
  options.order = kOrders[engine() % kOrders.size()];
  options.seed = engine();
  options.accept_equal = engine() % 2 == 0;
  options.sweeps = engine() % 3;
  options.max_ingredients = 6;  // a loss can fall a little in every round
  if (!counts) return options;
  options.min_gain = engine() % 3;
  options.alpha = kAlphas[engine() % kAlphas.size()];
  return options;
}

// Theorems 1 and 2 of the early exit once more, on what real models say.
TEST(RealLogits, EarlyExitDecidesAsFullPassesDo) {
  if (!fs::exists("/usr/share/datasets/fashion-mnist")) {
    GTEST_SKIP() << "no Fashion-MNIST here";
  }
  log::set_level(log::Level::kQuiet);
  const RealLogits all = real_logits();
  constexpr std::array kSearches = {"greedy", "pruned", "replacement"};
  constexpr std::array kMetrics = {"top1", "top1", "top5", "brier"};
  std::mt19937 engine(11);
  int64_t rejected = 0;
  int64_t seen = 0;
  int64_t offered = 0;
  for (size_t instance = 0; instance < 1500; ++instance) {
    const std::string search = kSearches[instance % kSearches.size()];
    const std::string metric = kMetrics[engine() % kMetrics.size()];
    const size_t examples = 64 + engine() % 1000;
    const float step = static_cast<float>(engine() % 3);
    const auto zoo = draw_zoo(all, 2 + engine() % 5, examples, step, engine);
    SearchOptions options = draw_options(engine, metric != "brier");
    if (search == "pruned") options.max_ingredients = 0;
    const Outcome cut = run(search, zoo, metric, options);
    options.full = true;
    const Outcome whole = run(search, zoo, metric, options);
    ASSERT_EQ(cut.decisions, whole.decisions) << instance << search << metric;
    ASSERT_EQ(whole.seen, whole.offered);
    rejected += cut.rejected;
    seen += cut.seen;
    offered += cut.offered;
  }
  RecordProperty("rejected", std::to_string(rejected));
  RecordProperty(
      "share_of_examples_read",
      std::to_string(static_cast<double>(seen) / static_cast<double>(offered)));
  EXPECT_GT(rejected, 5000);
  EXPECT_LT(seen, offered);
  log::set_level(log::Level::kNormal);
}

}  // namespace
}  // namespace soup
