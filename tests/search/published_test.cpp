#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <random>
#include <set>
#include <sstream>

#include "search/table_evaluator.h"
#include "soup/search.h"

/// The published run of the paper's 72 fine-tunes of CLIP ViT-B/32, from the
/// result files of its authors and the trace of a rerun of their script. The
/// files are not part of this repository.
namespace soup {
namespace {

namespace fs = std::filesystem;
using testing::vector_checkpoint;

constexpr size_t kModels = 72;
constexpr int64_t kExamples = 26000;
using Set = std::set<size_t>;

fs::path data() {
  return fs::path(SOUP_TEST_DATA) / "../../../shared/data/model-soups";
}

std::vector<nlohmann::json> read_results(const std::string& name) {
  std::ifstream file(data() / (name + "_results.jsonl"));
  std::vector<nlohmann::json> lines;
  for (std::string line; std::getline(file, line);) {
    lines.push_back(nlohmann::json::parse(line));
  }
  return lines;
}

struct Decision {
  size_t model = 0;
  int64_t correct = 0;
  bool accepted = false;
};

std::vector<Decision> read_trace() {
  std::ifstream file(data() / "greedy_trace_72.tsv");
  std::vector<Decision> trace;
  std::string line;
  std::getline(file, line);  // the head
  while (std::getline(file, line)) {
    std::istringstream cells(line);
    std::vector<std::string> row;
    for (std::string cell; std::getline(cells, cell, '\t');) {
      row.push_back(cell);
    }
    trace.push_back({std::stoul(row.at(1).substr(6)), std::stol(row.at(6)),
                     row.at(5) != "no"});
  }
  return trace;
}

/// Gets as many examples right as was published of the set of models that a
/// soup is the mean of. Which ones is made up: those below the count, but for
/// some that depend on the set.
class PublishedEvaluator : public Evaluator {
 public:
  /// What the rerun counts for the first model differs from the result file.
  PublishedEvaluator(const std::vector<nlohmann::json>& singles,
                     const std::vector<Decision>& trace, int64_t first) {
    for (size_t k = 0; k < singles.size(); ++k) {
      correct_[{k}] =
          std::llround(singles[k]["ImageNet2p"].get<double>() * kExamples);
    }
    correct_[{trace.front().model}] = first;
    Set soup = {trace.front().model};
    for (size_t i = 1; i < trace.size(); ++i) {
      Set candidate = soup;
      candidate.insert(trace[i].model);
      correct_[candidate] = trace[i].correct;
      if (trace[i].accepted) soup = candidate;
    }
  }

  const std::string& dataset() const override { return dataset_; }
  int64_t examples() const override { return kExamples; }
  bool counts() const override { return true; }

  std::optional<Score> evaluate(const Checkpoint& weights,
                                const EvaluateOptions& options) override {
    const Set set = models_of(weights);
    const int64_t correct = correct_.at(set);
    const std::vector<Verdict> verdicts = make_verdicts(set, correct);
    std::vector<Verdict> batch;
    for (int64_t position = 0; position < kExamples; ++position) {
      const auto p = static_cast<size_t>(position);
      const int64_t i = options.order.empty() ? position : options.order[p];
      batch.push_back(verdicts[static_cast<size_t>(i)]);
      if (batch.size() < 256 && position + 1 < kExamples) continue;
      if (options.watch && !options.watch(batch)) return std::nullopt;
      batch.clear();
    }
    return Score{.dataset = dataset_,
                 .metric = "top1",
                 .value = static_cast<double>(correct) / kExamples,
                 .count = kExamples,
                 .correct = correct};
  }

 private:
  static Set models_of(const Checkpoint& weights) {
    const TensorData data = weights.read(0);
    std::array<float, kModels> values{};
    std::memcpy(values.data(), data.bytes().data(), sizeof(values));
    Set set;
    for (size_t k = 0; k < kModels; ++k) {
      if (values[k] > 0) set.insert(k);
    }
    return set;
  }

  static std::vector<Verdict> make_verdicts(const Set& set, int64_t correct) {
    std::vector<Verdict> verdicts;
    for (int64_t i = 0; i < kExamples; ++i) {
      const auto margin = static_cast<float>(correct - i) - 0.5F;
      verdicts.push_back(
          {.example = i, .margin = margin, .term = i < correct ? 1.0 : 0.0});
    }
    std::seed_seq seed(set.begin(), set.end());
    std::mt19937 engine(seed);
    for (int swap = 0; swap < 200; ++swap) {
      const auto draw = static_cast<int64_t>(engine());
      flip(verdicts, draw % correct, correct + draw % (kExamples - correct));
    }
    return verdicts;
  }

  static void flip(std::vector<Verdict>& verdicts, int64_t right,
                   int64_t wrong) {
    Verdict& a = verdicts[static_cast<size_t>(right)];
    Verdict& b = verdicts[static_cast<size_t>(wrong)];
    if (a.term == 0 || b.term == 1) return;
    std::swap(a.term, b.term);
    std::swap(a.margin, b.margin);
  }

  std::string dataset_ = "ImageNet2p";
  std::map<Set, int64_t> correct_;
};

class PublishedTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!fs::is_directory(data())) GTEST_SKIP() << "the files are not here";
    singles_ = read_results("individual_model");
    trace_ = read_trace();
    ASSERT_EQ(singles_.size(), kModels);
    ASSERT_EQ(trace_.size(), kModels);
    for (size_t k = 0; k < kModels; ++k) {
      std::vector<float> one_hot(kModels);
      one_hot[k] = 1;
      zoo_.push_back(vector_checkpoint("model_" + std::to_string(k), one_hot));
    }
  }

  SearchOptions known_scores() const {
    SearchOptions options;
    for (size_t k = 0; k < kModels; ++k) {
      const double value = singles_[k]["ImageNet2p"].get<double>();
      options.scores["model_" + std::to_string(k)] = {
          .dataset = "ImageNet2p",
          .metric = "top1",
          .value = value,
          .count = kExamples,
          .correct = std::llround(value * kExamples)};
    }
    return options;
  }

  std::vector<nlohmann::json> singles_;
  std::vector<Decision> trace_;
  std::vector<CheckpointPtr> zoo_;
};

TEST_F(PublishedTest, GreedyDecidesAsTheAuthorsDid) {
  for (const bool accept_equal : {true, false}) {
    for (const int64_t first : {21593, 21595}) {
      for (const bool full : {false, true}) {
        PublishedEvaluator evaluator(singles_, trace_, first);
        SearchOptions options = known_scores();
        options.accept_equal = accept_equal;
        options.full = full;
        std::vector<std::string> visited;
        std::vector<bool> accepted;
        options.on_candidate = [&](const Candidate& c) {
          visited.push_back(c.path.string());
          accepted.push_back(c.accepted);
        };
        const auto result =
            find_search("greedy").run(zoo_, &evaluator, options);
        std::vector<std::string> ingredients;
        for (const Ingredient& i : result.recipe.ingredients) {
          ingredients.push_back(i.path.string());
        }
        EXPECT_EQ(ingredients,
                  (std::vector<std::string>{"model_43", "model_44", "model_32",
                                            "model_47", "model_50"}));
        EXPECT_EQ(result.score->correct, 21834);
        EXPECT_EQ(result.best_path, "model_43");
        ASSERT_EQ(visited.size(), kModels);
        for (size_t i = 0; i < kModels; ++i) {
          EXPECT_EQ(accepted[i], trace_[i].accepted) << i;
          // The authors visit equal scores in reverse order of the files.
          const std::string want = "model_" + std::to_string(trace_[i].model);
          EXPECT_EQ(visited[i], want == "model_4"   ? "model_5"
                                : want == "model_5" ? "model_4"
                                                    : want);
        }
      }
    }
  }
}

// Counts behind the published accuracies, and the means of the five sets.
TEST_F(PublishedTest, AccuraciesAreCountsAndHaveThePublishedMeans) {
  const std::map<std::string, int64_t> sizes = {
      {"ImageNet2p", 26000}, {"ImageNet", 50000},       {"ImageNetV2", 10000},
      {"ImageNetR", 30000},  {"ImageNetSketch", 50889}, {"ObjectNet", 18574},
      {"ImageNetA", 7500}};
  std::map<std::string, double> means;
  std::vector<nlohmann::json> all = singles_;
  for (const char* name : {"uniform_soup", "greedy_soup", "ensemble"}) {
    for (const auto& line : read_results(name)) all.push_back(line);
  }
  ASSERT_EQ(all.size(), kModels + 3);
  for (const auto& line : all) {
    double sum = 0;
    for (const auto& [set, size] : sizes) {
      const double count = line[set].get<double>() * static_cast<double>(size);
      EXPECT_NEAR(count, std::round(count), 1e-9) << line["model_name"] << set;
      if (set != "ImageNet2p" && set != "ImageNet")
        sum += line[set].get<double>();
    }
    means[line["model_name"].get<std::string>()] = 100 * sum / 5;
  }
  EXPECT_NEAR(means["model_43"], 47.967, 5e-4);
  EXPECT_NEAR(means["model_0"], 47.149, 5e-4);
  EXPECT_NEAR(means["uniform_soup"], 51.576, 5e-4);
  EXPECT_NEAR(means["greedy_soup"], 50.863, 5e-4);
  EXPECT_NEAR(means["ensemble"], 50.875, 5e-4);
}

}  // namespace
}  // namespace soup
