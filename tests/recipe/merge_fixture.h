#pragma once

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "recipe/values.h"
#include "soup/error.h"
#include "support/temp_folder.h"

/// Model folders on disk and recipes over them.
namespace soup::testing {

class MergeFixture : public ::testing::Test {
 protected:
  void write(const std::string& name, const std::vector<Entry>& entries,
             const nlohmann::json& config = nlohmann::json::object()) const {
    const auto model = checkpoint(name, entries);
    std::filesystem::create_directories(folder_ / name);
    save_checkpoint(*model, folder_ / name / "model.safetensors", {},
                    {.force = true});
    std::ofstream(folder_ / name / "config.json") << config;
  }

  Recipe recipe(const std::string& text) const {
    return parse_recipe(text, "r.yml", folder_.path());
  }

  Plan plan(const std::string& text) {
    const Recipe made = recipe(text);
    opened_ = open_ingredients(made);
    return make_plan(made, pointers(opened_));
  }

  static const PlannedTensor& tensor(const Plan& plan,
                                     const std::string& name) {
    for (const PlannedTensor& t : plan.tensors) {
      if (t.out.name == name) return t;
    }
    throw Error("no tensor " + name);
  }

  // Writes the soup of `text` to out/ and opens it.
  CheckpointPtr mix(const std::string& text) const {
    const Recipe made = recipe(text);
    const auto opened = open_ingredients(made);
    make_soup(made, pointers(opened), folder_.path() / "out/", {.force = true});
    return open_checkpoint(folder_ / "out");
  }

  static std::vector<const Checkpoint*> pointers(
      const std::vector<CheckpointPtr>& opened) {
    std::vector<const Checkpoint*> all;
    for (const CheckpointPtr& c : opened) all.push_back(c.get());
    return all;
  }

  static std::vector<double> values(const Checkpoint& file,
                                    const std::string& name) {
    const size_t index = file.find(name).value();
    return decode(file.tensors()[index].dtype, file.read(index).bytes());
  }

  nlohmann::json config() const {
    std::ifstream in(folder_ / "out/config.json");
    return nlohmann::json::parse(in);
  }

  TempFolder folder_;
  std::vector<CheckpointPtr> opened_;  ///< by plan()
};

/// The mean of the models A and B.
inline const std::string kMean =
    "merge_method: linear\nparameters: {weight: 1}\n"
    "models: [{model: A}, {model: B}]\n";

/// A layer's weight, of one value.
inline Entry weight(const std::string& name, double value,
                    DType dtype = DType::kF32) {
  return floats(name, dtype, std::vector<double>(4, value), {2, 2});
}

/// Layer l holds `value` + l, the rest `value`.
inline std::vector<Entry> decoder(const std::string& prefix, int layers,
                                  double value) {
  std::vector<Entry> entries = {
      weight("model.embed_tokens.weight", value),
      floats("model.norm.weight", DType::kF32, {value, value})};
  for (int i = 0; i < layers; ++i) {
    entries.push_back(
        weight(prefix + std::to_string(i) + ".mlp.up_proj.weight", value + i));
  }
  return entries;
}

}  // namespace soup::testing
