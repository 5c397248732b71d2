#include "model/sidecar.h"

#include <gtest/gtest.h>

#include "core/file.h"
#include "core/json.h"
#include "soup/error.h"
#include "support/expect_error.h"
#include "support/temp_folder.h"

namespace soup {
namespace {

using testing::expect_error;
using testing::TempFolder;

MemoryCheckpoint at_path(const std::filesystem::path& path) {
  return {path, {}};
}

TEST(Sidecar, LiesBesideAFileOrInAFolder) {
  const TempFolder folder;
  EXPECT_TRUE(
      read_sidecar(at_path(folder / "a.safetensors")).content.is_null());
  write_text(folder / "config.json", R"({"num_heads": 3})", false);
  for (const auto& path : {folder / "a.safetensors", folder.path()}) {
    const Sidecar sidecar = read_sidecar(at_path(path));
    EXPECT_EQ(sidecar.path, folder / "config.json");
    EXPECT_EQ(integer_argument(sidecar.content, "num_heads"), 3);
  }
}

TEST(Sidecar, MustBeAJsonObject) {
  const TempFolder folder;
  write_text(folder / "config.json", "[1, 2]", false);
  expect_error<Error>([&] { read_sidecar(at_path(folder / "a.pt")); },
                      "config.json: expected a JSON object, found array");
  write_text(folder / "config.json", "{", true);
  expect_error<Error>([&] { read_sidecar(at_path(folder / "a.pt")); },
                      "config.json");
}

ModelInput input_of(const std::string& text) {
  ModelInput input;
  read_preprocessing(parse_json(text, "config.json"), input);
  return input;
}

TEST(Sidecar, PreprocessingIsTimms) {
  const std::string cfg =
      R"({"mean": [0.1, 0.2, 0.3], "std": [1, 2, 3], "crop_pct": 0.9,
          "interpolation": "bilinear", "first_conv": null})";
  for (const std::string& text : {cfg, R"({"pretrained_cfg": )" + cfg + "}"}) {
    const ModelInput input = input_of(text);
    EXPECT_EQ(input.mean, (std::vector<double>{0.1, 0.2, 0.3}));
    EXPECT_EQ(input.std, (std::vector<double>{1, 2, 3}));
    EXPECT_EQ(input.crop_pct, 0.9);
    EXPECT_EQ(input.interpolation, "bilinear");
  }
}

TEST(Sidecar, SaysNothingWithoutTheKeys) {
  const ModelInput input = input_of(R"({"mean": [0.5], "crop_pct": null})");
  EXPECT_TRUE(input.mean.empty());
  EXPECT_TRUE(input.interpolation.empty());
  EXPECT_EQ(input.crop_pct, 0);
}

TEST(Sidecar, RefusesWrongValues) {
  for (const char* text :
       {R"({"mean": "x", "std": [1]})", R"({"mean": [1], "std": [0]})",
        R"({"crop_pct": -1})", R"({"interpolation": 3})"}) {
    expect_error<Error>([&] { input_of(text); }, "config.json: ");
  }
}

TEST(Sidecar, ArgumentsMayBeOddlyTyped) {
  const auto json = parse_json(R"({"model_args": [], "x": 4})", "config.json");
  EXPECT_EQ(integer_argument(json, "x"), 4);
  EXPECT_EQ(integer_argument({}, "x"), std::nullopt);
}

}  // namespace
}  // namespace soup
