#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "recipe/values.h"
#include "soup/checkpoint.h"

/// Against what mergekit 0.1.5 makes of the same tensors:
/// scripts/make_rule_references.py.
namespace soup {
namespace {

using nlohmann::json;
using testing::checkpoint;
using testing::decode;
using testing::Entry;
using testing::floats;
using testing::mix_all;
using testing::Models;

const std::filesystem::path kFolder =
    std::filesystem::path(SOUP_TEST_DATA) / "rules";

double number(const json& value) {
  return value.is_boolean() ? (value.get<bool>() ? 1 : 0) : value.get<double>();
}

std::vector<double> values_of(const Checkpoint& file, const std::string& name) {
  const std::optional<size_t> index = file.find(name);
  EXPECT_TRUE(index) << name;
  return decode(file.tensors()[*index].dtype, file.read(*index).bytes());
}

struct Case {
  Recipe recipe;
  Models models;
};

// The models of a case in `dtype`.
Case make_case(const json& given, DType dtype) {
  const CheckpointPtr file = open_checkpoint(kFolder / "models.safetensors");
  Case made;
  made.recipe.rule = given["rule"];
  for (const auto& [name, value] : given["settings"].items()) {
    made.recipe.settings[name] = number(value);
  }
  const auto add = [&](const std::string& name) {
    const TensorInfo& info = file->tensors()[file->find(name).value()];
    made.models.push_back(checkpoint(
        name, {floats("w", dtype, values_of(*file, name), info.shape)}));
    made.recipe.ingredients.push_back({.path = name});
  };
  for (size_t k = 0; k < given["models"].size(); ++k) {
    add(given["models"][k]);
    for (const auto& [name, values] : given["per_model"].items()) {
      Ingredient& ingredient = made.recipe.ingredients.back();
      if (name == "weight") {
        ingredient.weight = number(values[k]);
      } else {
        ingredient.settings[name] = number(values[k]);
      }
    }
  }
  if (!given["base"].is_null()) {
    made.recipe.base = made.models.size();
    add(given["base"]);
  }
  return made;
}

json cases() {
  std::ifstream file(kFolder / "cases.json");
  return json::parse(file);
}

TEST(RulesReference, ExactInFloat64) {
  const CheckpointPtr expected = open_checkpoint(kFolder / "exact.safetensors");
  const json all = cases();
  size_t count = 0;
  for (const auto& [name, given] : all.items()) {
    const Case made = make_case(given, DType::kF64);
    const std::vector<double> want = values_of(*expected, name);
    const std::vector<double> found =
        decode(DType::kF64, mix_all(made.recipe, made.models).values.front());
    ASSERT_EQ(found.size(), want.size());
    for (size_t i = 0; i < want.size(); ++i) {
      ASSERT_NEAR(found[i], want[i], 1e-13) << name << " at " << i;
    }
    ++count;
  }
  EXPECT_GE(count, 20U);
}

// Near the middle between two values of a type, what float64 rounds away
// decides.
bool is_rounded(double found, double exact, DType dtype) {
  constexpr double kError = 1e-16;
  for (double x : {exact, exact - kError, exact + kError}) {
    if (decode(dtype, testing::encode(dtype, {x})).front() == found) {
      return true;
    }
  }
  return false;
}

TEST(RulesReference, RoundedOnceInNarrowerTypes) {
  const json all = cases();
  const CheckpointPtr expected = open_checkpoint(kFolder / "exact.safetensors");
  for (const auto& [name, given] : all.items()) {
    for (DType dtype : {DType::kBF16, DType::kF32}) {
      const Case made = make_case(given, dtype);
      const std::vector<double> want = values_of(*expected, name);
      const std::vector<double> found =
          decode(dtype, mix_all(made.recipe, made.models).values.front());
      for (size_t i = 0; i < want.size(); ++i) {
        ASSERT_TRUE(is_rounded(found[i], want[i], dtype))
            << name << " " << soup::name(dtype) << " at " << i << ": "
            << found[i] << ", expected " << want[i];
      }
    }
  }
}

TEST(RulesReference, SameBytesWithMergekitsNumerics) {
  const CheckpointPtr expected =
      open_checkpoint(kFolder / "rounded.safetensors");
  const json all = cases();
  for (const TensorInfo& info : expected->tensors()) {
    const std::string name = info.name.substr(0, info.name.find('/'));
    Case made = make_case(all[name], info.dtype);
    made.recipe.numerics = Numerics::kMergekit;
    const TensorData want = expected->read(*expected->find(info.name));
    const auto found = mix_all(made.recipe, made.models).values.front();
    EXPECT_TRUE(std::ranges::equal(found, want.bytes())) << info.name;
  }
}

}  // namespace
}  // namespace soup
