#include <gtest/gtest.h>

#include "recipe/promote.h"
#include "recipe/values.h"
#include "soup/error.h"
#include "support/expect_error.h"

namespace soup {
namespace {

using testing::checkpoint;
using testing::Entry;
using testing::expect_error;
using testing::floats;
using testing::Models;
using testing::recipe_of;

Plan plan_of(const Recipe& recipe, const Models& models) {
  return make_plan(recipe, testing::pointers(models));
}

std::string mistakes(const Recipe& recipe, const Models& models) {
  try {
    plan_of(recipe, models);
  } catch (const UsageError& e) {
    return std::string("usage: ") + e.what();
  } catch (const Error& e) {
    return e.what();
  }
  return "none";
}

Entry zeros(const std::string& name, std::vector<int64_t> shape,
            DType dtype = DType::kF32) {
  TensorInfo tensor{.name = name, .dtype = dtype, .shape = std::move(shape)};
  return {tensor, std::vector<std::byte>(static_cast<size_t>(tensor.bytes()))};
}

Models two(const std::vector<Entry>& a, const std::vector<Entry>& b) {
  Models models;
  models.push_back(checkpoint("a.pt", a));
  models.push_back(checkpoint("b.pt", b));
  return models;
}

TEST(Plan, NamesMissingAndExtraTensors) {
  const Models models =
      two({zeros("x", {1}), zeros("head.bias", {1}), zeros("head.weight", {1}),
           zeros("z", {1})},
          {zeros("x", {1}), zeros("fc.bias", {1}), zeros("fc.weight", {1})});
  EXPECT_EQ(mistakes(recipe_of(models), models),
            "b.pt: 3 tensors of a.pt are missing, first 'head.bias', and 2 are "
            "extra, first 'fc.bias'");
}

TEST(Plan, NamesExtraTensorsAlone) {
  const Models models =
      two({zeros("x", {1})}, {zeros("x", {1}), zeros("y", {})});
  EXPECT_EQ(mistakes(recipe_of(models), models),
            "b.pt: 1 tensor is not in a.pt, first 'y'");
}

TEST(Plan, NamesShapesAndTheWayOut) {
  const Models models = two({zeros("head.weight", {1000, 512})},
                            {zeros("head.weight", {10, 512})});
  EXPECT_EQ(mistakes(recipe_of(models), models),
            "b.pt: 'head.weight' is [10, 512], but a.pt has [1000, 512]; leave "
            "it out with --exclude '^head\\.'");
  Recipe recipe = recipe_of(models);
  recipe.exclude = "^head\\.";
  EXPECT_EQ(mistakes(recipe, models), "none");
}

TEST(Plan, TellsEveryMistakeOfEveryFileAtOnce) {
  Models models = two({zeros("a", {2}), zeros("b", {2}), zeros("c", {2}),
                       zeros("d", {2}), zeros("e", {2}), zeros("f", {2})},
                      {zeros("a", {3}), zeros("b", {3}), zeros("c", {3}),
                       zeros("d", {3}), zeros("e", {3}), zeros("g", {2})});
  models.push_back(checkpoint(
      "c.pt",
      {zeros("a", {2}), zeros("b", {2}), zeros("c", {2}), zeros("d", {2}),
       zeros("e", {2}), zeros("f", {2}, DType::kI64)}));
  EXPECT_EQ(mistakes(recipe_of(models), models),
            "the ingredients do not fit together:\n"
            "  file  tensor      here          in a.pt\n"
            "  b.pt  f           missing\n"
            "  b.pt  g           extra\n"
            "  b.pt  a           [3]           [2]\n"
            "  b.pt  b           [3]           [2]\n"
            "  b.pt  c           [3]           [2]\n"
            "  b.pt  and 2 more  other shapes\n"
            "  c.pt  f           I64           F32\n"
            "  leave tensors out with --exclude '^a$'");
}

TEST(Plan, StopsListingAfterTwentyFiles) {
  Models models = two({zeros("x", {1})}, {zeros("y", {1})});
  while (models.size() < 30) {
    models.push_back(checkpoint("m.pt", {zeros("y", {1})}));
  }
  EXPECT_NE(mistakes(recipe_of(models), models)
                .find("\n  and 9 more ingredients do not fit"),
            std::string::npos);
}

TEST(Plan, ShowsNamesWithoutTerminalCodes) {
  const Models models = two({zeros("a\x1b[2J", {1})}, {zeros("a\x1b[2J", {2})});
  EXPECT_EQ(mistakes(recipe_of(models), models).find('\x1b'),
            std::string::npos);
}

TEST(Plan, LeavesOutByRegularExpressions) {
  const Models models =
      two({zeros("body.w", {1}), zeros("head.w", {4}), zeros("old", {1})},
          {zeros("body.w", {1}), zeros("head.w", {7}), zeros("extra", {1})});
  Recipe recipe = recipe_of(models);
  recipe.include = "^(body|head)";
  recipe.exclude = "^head\\.";
  const Plan plan = plan_of(recipe, models);
  ASSERT_EQ(plan.tensors.size(), 3U);
  EXPECT_EQ(plan.tensors[0].rule->name, "linear");
  EXPECT_EQ(plan.tensors[0].sources.size(), 2U);
  EXPECT_EQ(plan.tensors[1].rule->name, "first");
  EXPECT_EQ(plan.tensors[1].sources.size(), 1U);
  EXPECT_EQ(plan.tensors[2].rule->name, "first");
  EXPECT_EQ(plan.bytes_read, 8 + 16 + 4);
  EXPECT_EQ(plan.bytes_write, 24);
  EXPECT_GT(plan.peak_memory, 0);
  recipe.exclude = std::string(100'000, '(');
  expect_error<UsageError>([&] { plan_of(recipe, models); },
                           "exclude: a regular expression of 100000 bytes");
  recipe.exclude = "(";
  expect_error<UsageError>([&] { plan_of(recipe, models); },
                           "exclude '(' is not a regular expression");
  recipe.exclude = "";
  recipe.include = "[";
  expect_error<UsageError>([&] { plan_of(recipe, models); },
                           "include '[' is not a regular expression");
}

TEST(Plan, LongNamesAreSearchedToo) {
  const std::string name(1'000'000, 'x');
  const Models models = two({zeros(name, {1})}, {zeros(name, {1})});
  Recipe recipe = recipe_of(models);
  recipe.exclude = "(.|x)*y";  // recursion over it would overflow the stack
  EXPECT_EQ(plan_of(recipe, models).tensors[0].rule->name, "linear");
  recipe.exclude = "(x|x)*$";
  EXPECT_EQ(plan_of(recipe, models).tensors[0].rule->name, "first");
}

TEST(Plan, ConvertsWhatIsLeftOutToo) {
  const Models models = two({zeros("x", {1}), zeros("head", {2})},
                            {zeros("x", {1}), zeros("head", {3})});
  Recipe recipe = recipe_of(models);
  recipe.exclude = "head";
  recipe.dtype = "bf16";
  const Plan plan = plan_of(recipe, models);
  EXPECT_EQ(plan.tensors[1].out.dtype, DType::kBF16);
  EXPECT_EQ(plan.tensors[1].rule->name, "linear");
  EXPECT_EQ(plan.tensors[1].sources.size(), 1U);
}

TEST(Plan, RefusesWhatMakesNoSense) {
  const Models models = two({zeros("x", {1})}, {zeros("x", {1})});
  Recipe recipe = recipe_of(models);
  recipe.rule = "liner";
  EXPECT_EQ(mistakes(recipe, models),
            "usage: unknown rule 'liner', did you mean 'linear'?");
  recipe = recipe_of(models);
  recipe.dtype = "fp16";
  EXPECT_EQ(mistakes(recipe, models),
            "usage: unknown dtype 'fp16', did you mean 'f16'?");
  recipe = recipe_of(models, {1, -1});
  EXPECT_EQ(mistakes(recipe, models),
            "usage: recipe: the weights sum to zero, so there is no weighted "
            "mean");
  recipe = recipe_of(models, {1, NAN});
  EXPECT_EQ(mistakes(recipe, models),
            "usage: recipe: the weight of b.pt is not a finite number");
  recipe.ingredients.pop_back();
  EXPECT_EQ(mistakes(recipe, models),
            "usage: the recipe has 1 ingredients, opened are 2");
  expect_error<UsageError>([] { make_plan({}, {}); },
                           "a soup needs an ingredient");
}

TEST(Plan, ChoosesRulesByType) {
  const std::vector<Entry> model = {
      zeros("float", {1}),
      zeros("half", {1}, DType::kF16),
      zeros("complex", {1}, DType::kC64),
      zeros("mask", {1}, DType::kBool),
      zeros("ids", {1}, DType::kI32),
      zeros("bn.num_batches_tracked", {}, DType::kI64),
      zeros("float.num_batches_tracked", {}, DType::kF32),
      zeros("fp4", {2}, DType::kF4)};
  const Models models = two(model, model);
  Recipe recipe = recipe_of(models);
  recipe.dtype = "bf16";
  const auto rule_names = [&] {
    std::string names;
    for (const PlannedTensor& tensor : plan_of(recipe, models).tensors) {
      names += std::string(tensor.rule->name) + ":" +
               std::string(name(tensor.out.dtype)) + " ";
    }
    return names;
  };
  EXPECT_EQ(rule_names(),
            "linear:BF16 linear:BF16 linear:C64 equal:BOOL equal:I32 "
            "largest:I64 linear:BF16 equal:F4 ");
  recipe.ints = IntPolicy::kFirst;
  EXPECT_EQ(rule_names(),
            "linear:BF16 linear:BF16 linear:C64 first:BOOL first:I32 "
            "largest:I64 linear:BF16 first:F4 ");
}

TEST(Plan, MasksOfPruningMustBeEqual) {
  const auto pruned = [](double value, const std::vector<double>& mask) {
    return std::vector<Entry>{
        floats("l.weight_orig", DType::kF32, {value, value}),
        floats("l.weight_mask", DType::kF32, mask),
        floats("other_mask", DType::kF32, {value, 0})};
  };
  const Models models = two(pruned(1, {1, 0}), pruned(3, {0, 1}));
  Recipe recipe = recipe_of(models);
  recipe.dtype = "bf16";
  const Plan plan = plan_of(recipe, models);
  EXPECT_EQ(plan.tensors[1].rule->name, "equal");
  EXPECT_EQ(plan.tensors[1].out.dtype, DType::kF32);
  EXPECT_EQ(plan.tensors[2].rule->name, "linear");
  expect_error<Error>(
      [&] { soup_in_memory(recipe, testing::pointers(models)); },
      "b.pt: 'l.weight_mask' differs from a.pt; masks of pruning");
}

TEST(Plan, WarnsOfFactorsOfWeights) {
  for (const auto& [first, second] :
       {std::pair("parametrizations.weight.original0",
                  "parametrizations.weight.original1"),
        std::pair("weight_g", "weight_v"),
        std::pair("weight_orig", "weight_u")}) {
    const std::vector<Entry> entries = {zeros(first, {1}), zeros(second, {1})};
    Models models = two(entries, entries);
    const Plan plan = plan_of(recipe_of(models), models);
    ASSERT_EQ(plan.notices.size(), 1U) << first;
    EXPECT_NE(plan.notices[0].find("are factors of a weight"),
              std::string::npos);
    models.pop_back();
    EXPECT_TRUE(plan_of(recipe_of(models), models).notices.empty()) << first;
  }
}

TEST(Plan, ARuleMakesOnlyItsTypes) {
  const Models models = two({zeros("x", {1})}, {zeros("x", {1})});
  Recipe recipe = recipe_of(models);
  recipe.rule = "largest";
  expect_error<UsageError>([&] { plan_of(recipe, models); },
                           "rule 'largest' cannot make 'x', which is F32");
  recipe.rule = "first";
  EXPECT_EQ(plan_of(recipe, models).tensors[0].sources.size(), 1U);
}

TEST(Plan, KeepsWhatIsTiedEverywhere) {
  const Entry embed = zeros("embed", {2});
  const std::vector<Entry> tied = {embed,
                                   testing::tied("head", embed.tensor, 0)};
  const std::vector<Entry> untied = {embed, zeros("head", {2})};
  EXPECT_EQ(plan_of(recipe_of(two(tied, tied)), two(tied, tied))
                .tensors[1]
                .out.tied_to,
            0);
  Models models = two(tied, untied);
  const Plan plan = plan_of(recipe_of(models), models);
  EXPECT_EQ(plan.tensors[1].out.tied_to, -1);
  EXPECT_EQ(plan.tensors[1].rule->name, "linear");
  ASSERT_EQ(plan.notices.size(), 1U);
  EXPECT_EQ(plan.notices[0],
            "'head' is tied to 'embed' in a.pt but not in b.pt; the two are "
            "averaged apart");
  // Untied in the first: nothing to keep.
  models = two(untied, tied);
  EXPECT_EQ(plan_of(recipe_of(models), models).tensors[1].out.tied_to, -1);
}

TEST(Plan, ANameThatAFormatWithoutTiesDroppedIsFound) {
  const Entry embed = zeros("embed", {2});
  const std::vector<Entry> tied = {embed,
                                   testing::tied("head", embed.tensor, 0)};
  Models models = two(tied, {embed});
  EXPECT_EQ(plan_of(recipe_of(models), models).tensors[1].out.tied_to, 0);
  models = two({embed}, tied);
  EXPECT_EQ(plan_of(recipe_of(models), models).tensors.size(), 1U);
  // Without a tie it is a mistake.
  models = two({embed, zeros("head", {2})}, {embed});
  EXPECT_EQ(mistakes(recipe_of(models), models),
            "b.pt: 1 tensor of a.pt is missing, first 'head'");
}

TEST(Plan, ATieWithAnExcludedTensorIsNone) {
  const Entry embed = zeros("embed", {2});
  const std::vector<Entry> tied = {embed,
                                   testing::tied("head", embed.tensor, 0)};
  const Models models = two(tied, tied);
  Recipe recipe = recipe_of(models);
  recipe.exclude = "head";
  const Plan plan = plan_of(recipe, models);
  EXPECT_EQ(plan.tensors[1].out.tied_to, -1);
  EXPECT_EQ(plan.tensors[1].rule->name, "first");
}

TEST(Promote, IsTorchsWidest) {
  EXPECT_EQ(promote(DType::kF16, DType::kBF16), DType::kF32);
  EXPECT_EQ(promote(DType::kF16, DType::kF64), DType::kF64);
  EXPECT_EQ(promote(DType::kF8E4M3, DType::kBF16), DType::kBF16);
  EXPECT_EQ(promote(DType::kF8E4M3, DType::kF8E5M2), DType::kF16);
  EXPECT_EQ(promote(DType::kC64, DType::kC128), DType::kC128);
  EXPECT_EQ(promote(DType::kI32, DType::kI32), DType::kI32);
  EXPECT_EQ(promote(DType::kI32, DType::kI64), std::nullopt);
  EXPECT_EQ(promote(DType::kF32, DType::kI64), std::nullopt);
  EXPECT_EQ(promote(DType::kF32, DType::kC64), std::nullopt);
  EXPECT_EQ(promote(DType::kF4, DType::kF6E2M3), std::nullopt);
}

}  // namespace
}  // namespace soup
