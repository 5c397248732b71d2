#include "soup/recipe.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "core/file.h"
#include "recipe/paths.h"
#include "recipe/values.h"
#include "soup/error.h"
#include "support/expect_error.h"
#include "support/temp_folder.h"

namespace soup {
namespace {

namespace fs = std::filesystem;
using testing::expect_error;
using testing::TempFolder;

Recipe parse(const std::string& text) {
  return parse_recipe(text, "r.json", "");
}

TEST(Recipe, ReadsEveryKey) {
  const Recipe recipe = parse(
      R"({"soup": "0.1.0", "rule": "linear", "dtype": "bf16", "include": "^a",
          "exclude": "^b", "ints": "first", "allow_nonfinite": true,
          "key": "model", "ema": true,
          "ingredients": [{"path": "a.pt", "weight": -0.5, "hash": "00ff"},
                          {"path": "b.pt"}, "c.pt"]})");
  EXPECT_EQ(recipe.rule, "linear");
  EXPECT_EQ(recipe.dtype, "bf16");
  EXPECT_EQ(recipe.include, "^a");
  EXPECT_EQ(recipe.exclude, "^b");
  EXPECT_EQ(recipe.ints, IntPolicy::kFirst);
  EXPECT_TRUE(recipe.allow_nonfinite);
  EXPECT_EQ(recipe.open.key, "model");
  EXPECT_TRUE(recipe.open.ema);
  ASSERT_EQ(recipe.ingredients.size(), 3U);
  EXPECT_EQ(recipe.ingredients[0].path, "a.pt");
  EXPECT_EQ(recipe.ingredients[0].weight, -0.5);
  EXPECT_EQ(recipe.ingredients[0].hash, "00ff");
  EXPECT_EQ(recipe.ingredients[1].weight, 1);
  EXPECT_EQ(recipe.ingredients[2].path, "c.pt");
}

TEST(Recipe, NumbersForRulesComeBackFromTheirText) {
  const std::string text =
      R"({"soup":"0.1.0","rule":"ties","ingredients":[)"
      R"({"path":"a.pt","weight":1,"base":true},)"
      R"({"path":"b.pt","weight":0.5,"settings":{"density":0.3},)"
      R"("tensor_weights":{"w":2}}],"seed":18446744073709551615,)"
      R"("settings":{"lambda":0.9,"normalize":0},"numerics":"mergekit",)"
      R"("work_dtype":"bf16"})";
  const Recipe recipe = parse(text);
  EXPECT_EQ(recipe.base, 0U);
  EXPECT_EQ(recipe.settings, (Settings{{"lambda", 0.9}, {"normalize", 0}}));
  EXPECT_EQ(recipe.ingredients[1].settings, (Settings{{"density", 0.3}}));
  EXPECT_EQ(recipe.numerics, Numerics::kMergekit);
  EXPECT_EQ(recipe_json(recipe, "").dump(), text);
  EXPECT_EQ(parse(R"({"settings": {"normalize": false},
                      "ingredients": ["a.pt"]})")
                .settings,
            (Settings{{"normalize", 0}}));
}

TEST(Recipe, RefusesNumbersThatAreNone) {
  expect_error<UsageError>(
      [] { parse(R"({"settings": {"t": "half"}, "ingredients": ["a.pt"]})"); },
      "r.json: 'settings': 't' must be a number");
  expect_error<UsageError>(
      [] {
        parse(R"({"ingredients": [{"path": "a.pt", "base": true},
                                  {"path": "b.pt", "base": true}]})");
      },
      "r.json: ingredient 2: there is a base already");
  expect_error<UsageError>(
      [] { parse(R"({"numerics": "mergkit", "ingredients": ["a.pt"]})"); },
      "r.json: unknown numerics 'mergkit', did you mean 'mergekit'?");
}

TEST(Recipe, WritesOnlyWhatIsNotTheDefault) {
  EXPECT_EQ(
      recipe_json(parse(R"({"ingredients": ["a.pt", "b.pt"]})"), "").dump(),
      R"({"soup":"0.1.0","rule":"linear","ingredients":[)"
      R"({"path":"a.pt","weight":1},{"path":"b.pt","weight":1}]})");
}

TEST(Recipe, ComesBackFromItsText) {
  const std::string text =
      R"({"soup":"0.1.0","rule":"linear","ingredients":[)"
      R"({"path":"dir/a \"1\".pt","weight":0.1,"hash":"ab"},)"
      R"({"path":"ä.pt","weight":3}],"dtype":"f16","include":"x","exclude":"y",)"
      R"("ints":"first","allow_nonfinite":true,"key":"k","ema":true})";
  EXPECT_EQ(recipe_json(parse(text), "").dump(), text);
}

TEST(Recipe, RefusesUnknownKeysAndNames) {
  expect_error<UsageError>(
      [] { parse(R"({"ingredient": []})"); },
      "r.json: unknown key 'ingredient', did you mean 'ingredients'?");
  expect_error<UsageError>(
      [] { parse(R"({"ingredients": ["a", {"path": "b", "weigth": 1}]})"); },
      "r.json: ingredient 2: unknown key 'weigth', did you mean 'weight'?");
  expect_error<UsageError>(
      [] { parse(R"({"ingredients": ["a"], "rule": "lineal"})"); },
      "r.json: unknown rule 'lineal', did you mean 'linear'?");
  expect_error<UsageError>(
      [] { parse(R"({"ingredients": ["a"], "dtype": "f15"})"); },
      "r.json: unknown dtype 'f15'");
  expect_error<UsageError>(
      [] { parse(R"({"ingredients": ["a"], "ints": "last"})"); },
      "r.json: unknown ints 'last'; there is: equal, first");
}

TEST(Recipe, NamesWrongTypes) {
  expect_error<UsageError>([] { parse("[]"); },
                           "r.json:1: a recipe must be a mapping, not a list");
  expect_error<UsageError>(
      [] { parse(R"({"ingredients": {}})"); },
      "r.json: 'ingredients' must be a list of at least one");
  expect_error<UsageError>([] { parse(R"({"rule": "linear"})"); },
                           "'ingredients' must be a list of at least one");
  expect_error<UsageError>([] { parse(R"({"ingredients": []})"); },
                           "'ingredients' must be a list of at least one");
  std::string many = R"({"ingredients": ["a")";
  for (int i = 0; i < 10'000; ++i) many += R"(,"a")";
  expect_error<UsageError>([&] { parse(many + "]}"); },
                           "more than 10000 ingredients");
  expect_error<UsageError>(
      [] { parse(R"({"ingredients": [3]})"); },
      "ingredient 1: expected a JSON object, found number");
  expect_error<UsageError>([] { parse(R"({"ingredients": [{"weight": 1}]})"); },
                           "ingredient 1: has no 'path'");
  expect_error<UsageError>([] { parse(R"({"ingredients": [{"path": 1}]})"); },
                           "ingredient 1: 'path' has the wrong type");
  expect_error<UsageError>(
      [] { parse(R"({"ingredients": [{"path": "a", "weight": "1"}]})"); },
      "'weight' has the wrong type");
  expect_error<UsageError>([] { parse(R"({"ingredients": ["a"], "ema": 1})"); },
                           "'ema' has the wrong type");
  expect_error<UsageError>([] { parse(R"({"ingredients": [""]})"); },
                           "the path of an ingredient is empty");
  expect_error<UsageError>([] { parse(R"({"ingredients": ["a\u0000b"]})"); },
                           "holds NUL");
  expect_error<Error>([] { parse("{"); }, "r.json: ");
}

TEST(Recipe, RefusesWeightsWithoutAMean) {
  expect_error<UsageError>(
      [] {
        parse(R"({"ingredients": [{"path": "a", "weight": 1},
                                  {"path": "b", "weight": -1}]})");
      },
      "r.json: the weights sum to zero");
  expect_error<UsageError>(
      [] {
        parse(R"({"ingredients": [{"path": "a", "weight": 1e308},
                                  {"path": "b", "weight": 1e308}]})");
      },
      "r.json: the weights sum to infinity");
  expect_error<Error>(
      [] { parse(R"({"ingredients": [{"path": "a", "weight": 1e999}]})"); },
      "r.json: ");
}

TEST(Recipe, PathsAreRelativeToItsFolder) {
  const TempFolder folder;
  fs::create_directories(folder / "models");
  fs::create_directories(folder / "out");
  write_text(folder / "out/r.json", R"(
    {"ingredients": ["../models/a.pt", "b.pt", "/models/c.pt"]})",
             false);
  const Recipe recipe = read_recipe(folder / "out/r.json");
  const auto place = [&](size_t k) {
    return fs::weakly_canonical(recipe.ingredients[k].path);
  };
  const fs::path root = fs::canonical(folder.path());
  EXPECT_EQ(place(0), root / "models/a.pt");
  EXPECT_EQ(place(1), root / "out/b.pt");
  EXPECT_EQ(recipe.ingredients[2].path, "/models/c.pt");
  // Nothing is left of the way there.
  EXPECT_EQ(recipe.ingredients[0].path.string().find("out/.."),
            std::string::npos);
}

TEST(Recipe, PathsSurviveLinkedFolders) {
  const TempFolder folder;
  fs::create_directories(folder / "disk/deep/out");
  fs::create_directories(folder / "models");
  fs::create_directory_symlink(folder / "disk/deep/out", folder / "out");
  write_text(folder / "models/a.pt", "x", false);
  fs::create_symlink("a.pt", folder / "models/best.pt");
  const std::string text = to_recipe(folder / "models/best.pt", folder / "out");
  EXPECT_EQ(text, "../../../models/best.pt");  // the name as the user knows it
  EXPECT_TRUE(fs::equivalent(from_recipe(text, folder / "out"),
                             folder / "models/a.pt"));
  EXPECT_EQ(to_recipe(folder / "models/run/", folder / "models"), "run");
}

TEST(Recipe, ImpossiblePathsDoNoHarm) {
  std::string name(300, 'x');
  name.append("/").append(5000, 'y');
  const fs::path path = from_recipe(name, "");
  EXPECT_EQ(to_recipe(path, ""), name);
}

TEST(Recipe, ANameThatIsNotUtf8CannotBeWritten) {
  expect_error<Error>([] { to_recipe("a\xff.pt", ""); },
                      ": its name is not UTF-8");
}

TEST(Recipe, ComesOutOfASoup) {
  const TempFolder folder;
  const auto model =
      testing::checkpoint("m", {testing::floats("w", DType::kF32, {1, 2, 3})});
  save_checkpoint(*model, folder / "s.safetensors",
                  {{"soup.recipe", R"({"ingredients": ["a.pt"]})"}});
  const Recipe recipe = read_recipe(folder / "s.safetensors");
  EXPECT_EQ(fs::weakly_canonical(recipe.ingredients.at(0).path),
            fs::canonical(folder.path()) / "a.pt");
  save_checkpoint(*model, folder / "plain.safetensors");
  expect_error<Error>(
      [&] { read_recipe(folder / "plain.safetensors"); },
      "plain.safetensors: carries no recipe; it was not made by soup");
  expect_error<Error>([&] { read_recipe(folder / "missing.json"); },
                      "missing.json");
}

// Its first byte is '{', but so is that of every recipe.
TEST(Recipe, ASafetensorsHeaderOf123BytesIsNoJson) {
  const TempFolder folder;
  const auto model = testing::checkpoint("m", {});
  for (int pad = 0; pad < 200; ++pad) {
    const fs::path path = folder / (std::to_string(pad) + ".safetensors");
    save_checkpoint(*model, path, {{"x", std::string(pad, 'x')}});
    expect_error<Error>([&] { read_recipe(path); }, "carries no recipe");
  }
}

}  // namespace
}  // namespace soup
