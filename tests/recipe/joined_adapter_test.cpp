#include "recipe/joined_adapter.h"

#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <random>

#include "core/file.h"
#include "core/json.h"
#include "recipe/adapters.h"
#include "soup/recipe.h"
#include "support/expect_error.h"
#include "support/temp_folder.h"

namespace soup {
namespace {

using nlohmann::ordered_json;
using testing::expect_error;
using testing::Matrix;
using testing::state_dict;
using testing::TempFolder;
using testing::values;
using testing::write_adapter;

const std::string kPrefix = "base_model.model.";

std::string config(int rank, double alpha, const std::string& more = "") {
  return R"({"peft_type":"LORA","base_model_name_or_path":"m",)"
         R"("target_modules":["fc"],"r":)" +
         std::to_string(rank) + R"(,"lora_alpha":)" + std::to_string(alpha) +
         more + "}";
}

// Factors of `module`, [rows, columns].
std::vector<Matrix> factors(const std::string& module, int64_t rank,
                            std::vector<float> a, std::vector<float> b) {
  const int64_t columns = std::ssize(a) / rank;
  const int64_t rows = std::ssize(b) / rank;
  return {{kPrefix + module + ".lora_A.weight", {rank, columns}, std::move(a)},
          {kPrefix + module + ".lora_B.weight", {rows, rank}, std::move(b)}};
}

std::vector<float> random_values(size_t count, int limit, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<float> out(count);
  for (float& x : out) {
    x = static_cast<float>(static_cast<int>(random() % (2 * limit + 1)) -
                           limit) /
        64;
  }
  return out;
}

// Scale of a module under a joined configuration.
double scale(const ordered_json& config, const std::string& module) {
  const auto of = [&](const char* patterns, const char* otherwise) {
    return config[patterns].contains(module)
               ? config[patterns][module].get<double>()
               : config[otherwise].get<double>();
  };
  return of("alpha_pattern", "lora_alpha") / of("rank_pattern", "r");
}

// scale * B * A of a module of a joined adapter, [rows * columns].
std::vector<double> delta(const Checkpoint& joined, const std::string& module) {
  const auto a = values(joined, kPrefix + module + ".lora_A.weight");
  const auto b = values(joined, kPrefix + module + ".lora_B.weight");
  const auto shape =
      joined.tensors()[*joined.find(kPrefix + module + ".lora_A.weight")].shape;
  const auto rank = static_cast<size_t>(shape[0]);
  const auto columns = static_cast<size_t>(shape[1]);
  const double times =
      scale(parse_json(adapter_config(joined), "config"), module);
  std::vector<double> out(b.size() / rank * columns);
  for (size_t i = 0; i < out.size(); ++i) {
    for (size_t r = 0; r < rank; ++r) {
      out[i] += static_cast<double>(b[i / columns * rank + r]) *
                static_cast<double>(a[r * columns + i % columns]);
    }
    out[i] *= times;
  }
  return out;
}

class JoinAdapters : public ::testing::Test {
 protected:
  std::filesystem::path add(const std::string& name, const std::string& config,
                            const std::vector<Matrix>& factors) {
    write_adapter(folder_ / name, config, factors);
    shares_.push_back({folder_ / name});
    return folder_ / name;
  }
  void expect_refused(const std::string& part) const {
    expect_error<Error>([&] { join_adapters(shares_); }, part);
  }

  const TempFolder folder_;
  std::vector<AdapterShare> shares_;
};

TEST_F(JoinAdapters, OfEqualSharesKeepsEveryBitOfTheFactors) {
  add("a", config(1, 2), factors("fc", 1, {0.1F, 10, 100}, {0.3F, 2}));
  add("b", config(1, 2), factors("fc", 1, {3, 0.7F, 5}, {7, 8}));
  add("c", config(1, 2), factors("fc", 1, {4, 0.9F, 5}, {9, 0.11F}));
  const CheckpointPtr joined = join_adapters(shares_);
  EXPECT_EQ(values(*joined, kPrefix + "fc.lora_A.weight"),
            (std::vector<float>{0.1F, 10, 100, 3, 0.7F, 5, 4, 0.9F, 5}));
  EXPECT_EQ(values(*joined, kPrefix + "fc.lora_B.weight"),
            (std::vector<float>{0.3F, 7, 9, 2, 8, 0.11F}));
  const ordered_json config = parse_json(adapter_config(*joined), "config");
  EXPECT_EQ(config["r"], 3);
  // 2 / 3 is the scale: a third of what each had.
  EXPECT_EQ(config["lora_alpha"].dump(), "2");
  EXPECT_EQ(config["rank_pattern"], ordered_json::object());
  EXPECT_EQ(config["target_modules"], ordered_json::array({"fc"}));
}

TEST_F(JoinAdapters, AddsUpOtherRanksScalesWeightsAndModules) {
  add("a", config(1, 2), factors("fc", 1, {1, 2}, {1, 4}));
  add("b", config(2, 1, R"(,"use_rslora":true)"),
      factors("fc", 2, {1, 0, 0, 1}, {1, 2, 3, 4}));
  std::vector<Matrix> both = factors("fc", 1, {1, 1}, {8, 16});
  for (Matrix& m : factors("x.fc", 1, {2, 4, 8}, {1})) both.push_back(m);
  add("c", config(1, 1, R"(,"alpha_pattern":{"x.fc":3})"), both);
  shares_[1].weight = 2;
  const CheckpointPtr joined = join_adapters(shares_);
  // (2 [1; 4] [1 2] + 2 / sqrt(2) [1 2; 3 4] + [8; 16] [1 1]) / 4
  const double root = std::sqrt(2.0);
  const std::vector<double> expected = {
      (2 + root * 1 + 8) / 4, (4 + root * 2 + 8) / 4, (8 + root * 3 + 16) / 4,
      (16 + root * 4 + 16) / 4};
  const std::vector<double> found = delta(*joined, "fc");
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_NEAR(found[i], expected[i], 1e-6 * expected[i]) << i;
  }
  EXPECT_EQ(delta(*joined, "x.fc"), (std::vector<double>{1.5, 3, 6}));
  // Modules differ: all are listed, the longest name first.
  const ordered_json config = parse_json(adapter_config(*joined), "config");
  EXPECT_EQ(config["rank_pattern"].dump(), R"({"x.fc":1,"fc":4})");
  EXPECT_FALSE(config.value("use_rslora", false));
}

TEST_F(JoinAdapters, NamesTheModulesWhereTheChoicesDiffer) {
  add("a", config(1, 1), factors("fc", 1, {1}, {1}));
  add("b", R"({"peft_type":"LORA","r":1,"lora_alpha":1,
      "target_modules":"all-linear","layers_to_transform":[1]})",
      factors("out", 1, {1}, {1}));
  const ordered_json config =
      parse_json(adapter_config(*join_adapters(shares_)), "config");
  EXPECT_EQ(config["target_modules"], ordered_json::array({"fc", "out"}));
  EXPECT_FALSE(config.contains("layers_to_transform"));
}

TEST_F(JoinAdapters, AveragesWholeTensorsThatAllHave) {
  const auto with_bias = [](float x) {
    std::vector<Matrix> all = factors("fc", 1, {1}, {1});
    all.push_back({kPrefix + "fc.bias", {1}, {x}});
    return all;
  };
  add("a", config(1, 1), with_bias(1));
  add("b", config(1, 1), with_bias(4));
  EXPECT_EQ(values(*join_adapters(shares_), kPrefix + "fc.bias"),
            (std::vector<float>{2.5F}));
  add("c", config(1, 1), factors("fc", 1, {1}, {1}));
  expect_refused("c: has no 'fc.bias', which " + (folder_ / "a").string() +
                 " replaces as a whole");
  const auto base = [] {
    return state_dict("base",
                      {{"fc.weight", {1, 1}, {0}}, {"fc.bias", {1}, {7}}});
  };
  EXPECT_EQ(values(*merge_adapters(base(), shares_), "fc.bias"),
            (std::vector<float>{4}));
  shares_.pop_back();
  EXPECT_EQ(values(*merge_adapters(base(), shares_), "fc.bias"),
            (std::vector<float>{2.5F}));
}

TEST_F(JoinAdapters, RefusesWhatDoesNotFit) {
  add("a", config(1, 1), factors("fc", 1, {1, 2}, {1}));
  add("b", config(1, 1), factors("fc", 1, {1, 2, 3}, {1}));
  expect_refused("'fc' has factors [1, 3] and [1, 1], but");
  shares_.pop_back();
  add("c", config(1, 1, R"(,"fan_in_fan_out":true)"),
      factors("fc", 1, {1, 2}, {1}));
  expect_refused("c: its fan_in_fan_out is not that of");
  shares_[0].weight = -1;
  expect_error<UsageError>([&] { join_adapters(shares_); }, "sum to zero");
}

// W + (s1 B1 A1 + s2 B2 A2 + s3 B3 A3) / 3 by whole numbers: factors are
// multiples of 1/64, so three times the exact value is one of 1/4096.
TEST_F(JoinAdapters, IntoABaseIsExactArithmeticRoundedOnce) {
  constexpr size_t kRows = 40;
  constexpr size_t kColumns = 50;
  constexpr size_t kRank = 5;
  std::vector<std::vector<float>> a;
  std::vector<std::vector<float>> b;
  for (unsigned k = 0; k < 3; ++k) {
    a.push_back(random_values(kRank * kColumns, 4000, 2 * k + 1));
    b.push_back(random_values(kRows * kRank, 4000, 2 * k + 2));
    // Scale 2^k.
    add(std::to_string(k), config(kRank, kRank * (1 << k)),
        factors("fc", kRank, a[k], b[k]));
  }
  const auto w = random_values(kRows * kColumns, 1 << 20, 99);
  const CheckpointPtr merged = merge_adapters(
      state_dict("base", {{"fc.weight", {kRows, kColumns}, w}}), shares_);
  const std::vector<float> found = values(*merged, "fc.weight");
  size_t inexact = 0;
  for (size_t i = 0; i < kRows; ++i) {
    for (size_t j = 0; j < kColumns; ++j) {
      const size_t at = i * kColumns + j;
      double thrice = 3 * static_cast<double>(w[at]);
      for (size_t k = 0; k < 3; ++k) {
        for (size_t r = 0; r < kRank; ++r) {
          thrice += static_cast<double>(1 << k) *
                    static_cast<double>(b[k][i * kRank + r]) *
                    static_cast<double>(a[k][r * kColumns + j]);
        }
      }
      // Between the half-way points to both neighbours, all of them exact.
      const auto middle = [&](float towards) {
        return (static_cast<double>(found[at]) +
                static_cast<double>(std::nextafter(found[at], towards))) /
               2;
      };
      EXPECT_LE(3 * middle(-INFINITY), thrice) << i << ", " << j;
      EXPECT_GE(3 * middle(INFINITY), thrice) << i << ", " << j;
      inexact += 3 * static_cast<double>(found[at]) != thrice ? 1 : 0;
    }
  }
  EXPECT_GT(inexact, kRows * kColumns / 2);  // there is something to round
}

TEST_F(JoinAdapters, IntoABaseOfAnotherTypeRoundsOnceToTheOutputs) {
  add("a", config(1, 1), factors("fc", 1, {1.0F / 1024}, {1}));
  MemoryCheckpoint base(
      "base", {{.name = "fc.weight", .dtype = DType::kBF16, .shape = {1, 1}}});
  base.mutable_bytes(0)[1] = std::byte{0x3f};  // 0.5 + 2^-... : 0x3f80 is 1
  base.mutable_bytes(0)[0] = std::byte{0x80};
  save_checkpoint(base, folder_ / "base.safetensors");
  const CheckpointPtr merged = merge_adapters(
      open_checkpoint(folder_ / "base.safetensors"), shares_, "f32");
  EXPECT_EQ(values(*merged, "fc.weight").front(), 1 + 1.0F / 1024);
}

TEST_F(JoinAdapters, IsWrittenAsAFolderAndVerified) {
  const auto a = add("a", config(1, 2), factors("fc", 1, {1, 10}, {1, 2}));
  const auto b =
      add("b", config(2, 2), factors("fc", 2, {3, 4, 5, 6}, {1, 2, 3, 4}));
  Recipe recipe;
  recipe.ingredients = {{.path = a}, {.path = b / "adapter_model.safetensors"}};
  ASSERT_TRUE(gather_adapters(recipe));
  ASSERT_EQ(recipe.ingredients.size(), 1U);
  EXPECT_EQ(recipe.ingredients[0].adapters[1].path, b);
  const auto opened = open_ingredients(recipe);
  const std::vector<const Checkpoint*> ingredients = {opened[0].get()};
  expect_error<UsageError>(
      [&] { make_soup(recipe, ingredients, folder_ / "x.safetensors", {}); },
      "an adapter is a folder");
  const auto out = folder_ / "out/";
  make_soup(recipe, ingredients, out, {});
  EXPECT_TRUE(std::filesystem::exists(out / "adapter_model.safetensors"));
  EXPECT_EQ(read_recipe(out).ingredients[0].adapters.size(), 2U);
  EXPECT_EQ(verify_soup(out).difference, "");
  // Written again, it is the same adapter: the mean of one.
  const AdapterShare again = {.path = folder_ / "out"};
  const CheckpointPtr written = join_adapters({&again, 1});
  EXPECT_EQ(delta(*written, "fc"), delta(*opened[0], "fc"));
  std::string text = read_text(out / "adapter_config.json", 1 << 20);
  text.replace(text.find("\"r\": 3"), 6, "\"r\": 6");
  write_text(out / "adapter_config.json", text, true);
  const VerifyResult changed = verify_soup(out);
  EXPECT_FALSE(changed.same);
  EXPECT_NE(changed.difference.find("adapter_config.json: differs"),
            std::string::npos);
}

TEST_F(JoinAdapters, AreGatheredAloneOrNotAtAll) {
  const auto a = add("a", config(1, 1), factors("fc", 1, {1}, {1}));
  Recipe models;
  models.ingredients = {{.path = "x.safetensors"}};
  EXPECT_FALSE(gather_adapters(models));
  Recipe recipe;
  recipe.ingredients = {{.path = a}, {.path = "x.safetensors"}};
  expect_error<UsageError>([&] { gather_adapters(recipe); },
                           "a: a LoRA adapter among models");
  recipe.ingredients.pop_back();
  recipe.exclude = "fc";
  expect_error<UsageError>([&] { gather_adapters(recipe); },
                           "without include and exclude");
  recipe.exclude.clear();
  recipe.rule = "ties";
  expect_error<UsageError>([&] { gather_adapters(recipe); },
                           "by the rule 'linear' alone");
}

TEST_F(JoinAdapters, AreRefusedByARecipeThatTakesThemForModels) {
  const auto a = add("a", config(1, 1), factors("fc", 1, {1}, {1}));
  Recipe recipe;
  recipe.ingredients = {{.path = a}, {.path = a}};
  expect_error<Error>([&] { open_ingredients(recipe); },
                      "is a factor of a LoRA adapter");
}

TEST_F(JoinAdapters, InARecipeKeepTheirWeights) {
  const Recipe recipe = parse_recipe(
      R"({"ingredients":[{"path":"m","adapters":["a",{"path":"b","weight":2}]}]})",
      "r.json", ".");
  const Ingredient& one = recipe.ingredients.front();
  ASSERT_EQ(one.adapters.size(), 2U);
  EXPECT_EQ(one.adapters[1].weight, 2);
  const Recipe again = parse_recipe(recipe_json(recipe, ".").dump(), "r", ".");
  EXPECT_EQ(again.ingredients.front().adapters[1].path, one.adapters[1].path);
  for (const auto& [text, part] :
       {std::pair{R"([])", "list of at least one"},
        {R"([{"weight":1}])", "'path'"},
        {R"([{"path":"a","wieght":1}])", "did you mean 'weight'"}}) {
    expect_error<UsageError>(
        [&] {
          parse_recipe(
              R"({"ingredients":[{"adapters":)" + std::string(text) + "}]}",
              "r.json", ".");
        },
        part);
  }
}

}  // namespace
}  // namespace soup
