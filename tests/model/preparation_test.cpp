#include "model/preparation.h"

#include <gtest/gtest.h>

#include <cmath>

#include "core/json.h"
#include "soup/error.h"
#include "support/expect_error.h"

namespace soup {
namespace {

using testing::expect_error;

Sidecar sidecar(const std::string& config, const std::string& preprocessor) {
  Sidecar made;
  if (!config.empty()) made.config = parse_json(config, "config.json");
  if (!preprocessor.empty()) {
    made.preprocessor = parse_json(preprocessor, "preprocessor_config.json");
  }
  return made;
}

ModelInput input_of(const std::string& config,
                    const std::string& preprocessor = {},
                    const Published& published = {}) {
  ModelInput input;
  read_preparation(sidecar(config, preprocessor), published, input);
  return input;
}

TEST(Preparation, Timms) {
  const std::string cfg =
      R"({"mean": [0.1, 0.2, 0.3], "std": [1, 2, 3], "crop_pct": 0.9,
          "interpolation": "bilinear", "first_conv": null})";
  for (const std::string& text : {cfg, R"({"pretrained_cfg": )" + cfg + "}"}) {
    const ModelInput input = input_of(text);
    EXPECT_EQ(input.mean, (std::vector<double>{0.1, 0.2, 0.3}));
    EXPECT_EQ(input.std, (std::vector<double>{1, 2, 3}));
    EXPECT_EQ(input.resize, "shorter");
    EXPECT_EQ(input.crop_pct, 0.9);
    EXPECT_EQ(input.interpolation, "bilinear");
  }
}

TEST(Preparation, OpenClips) {
  const ModelInput input = input_of(
      R"({"preprocess_cfg": {"mean": [0.5], "std": [0.5],
          "interpolation": "bicubic", "resize_mode": "squash"}})");
  EXPECT_EQ(input.resize, "exact");
  EXPECT_EQ(input.interpolation, "bicubic");
  EXPECT_EQ(input.mean, (std::vector<double>{0.5}));
}

TEST(Preparation, HuggingFaces) {
  const ModelInput exact =
      input_of("", R"({"size": {"height": 224, "width": 224}, "resample": 2,
              "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]})");
  EXPECT_EQ(exact.resize, "exact");
  EXPECT_EQ(exact.interpolation, "bilinear");
  EXPECT_EQ(exact.mean, (std::vector<double>{0.5, 0.5, 0.5}));
  const ModelInput crop =
      input_of("", R"({"size": {"shortest_edge": 256}, "resample": 3,
              "do_center_crop": true,
              "crop_size": {"height": 224, "width": 224}})");
  EXPECT_EQ(crop.resize, "shorter");
  EXPECT_EQ(crop.crop_pct, 0.875);
  EXPECT_EQ(input_of("", R"({"size": 224})").resize, "exact");
}

// Preprocess says a share, Hugging Face says pixels.
TEST(Preparation, EveryEdgeSurvivesTheDivision) {
  for (int edge = 224; edge < 600; ++edge) {
    const ModelInput input =
        input_of("", R"({"do_center_crop": true, "crop_size": 224, "size":
                         {"shortest_edge": )" +
                         std::to_string(edge) + "}}");
    EXPECT_EQ(std::floor(224 / input.crop_pct), edge);
  }
}

TEST(Preparation, PublishedValuesFillWhatIsNotSaid) {
  const ModelInput none = input_of("", "", clip_published());
  EXPECT_TRUE(none.published_statistics);
  EXPECT_TRUE(none.published_resize);
  EXPECT_EQ(none.mean[0], 0.48145466);
  EXPECT_EQ(none.crop_pct, 1);
  const ModelInput half = input_of(R"({"mean": [0.5, 0.5, 0.5],
      "std": [0.5, 0.5, 0.5], "crop_pct": 0.9, "interpolation": "bicubic"})",
                                   "", imagenet_published("bilinear", 0.875));
  EXPECT_FALSE(half.published_statistics);
  EXPECT_FALSE(half.published_resize);
  EXPECT_EQ(half.interpolation, "bicubic");
}

TEST(Preparation, SaysNothingWithoutTheKeys) {
  const ModelInput input = input_of(R"({"mean": [0.5], "crop_pct": null})");
  EXPECT_TRUE(input.mean.empty());
  EXPECT_TRUE(input.interpolation.empty());
  EXPECT_TRUE(input.resize.empty());
  EXPECT_EQ(input.crop_pct, 0);
}

TEST(Preparation, RefusesWrongValues) {
  for (const char* text :
       {R"({"mean": "x", "std": [1]})", R"({"mean": [1], "std": [0]})",
        R"({"crop_pct": -1})", R"({"interpolation": 3})"}) {
    expect_error<Error>([&] { input_of(text); }, "config.json: ");
  }
  for (const char* text :
       {R"({"size": -1})", R"({"size": {"height": "x"}})", R"({"size": []})",
        R"({"size": 1e300})", R"({"resample": 0})",
        R"({"image_mean": [1], "image_std": [0]})",
        R"({"do_center_crop": true, "crop_size": 9, "size": 8})"}) {
    expect_error<Error>([&] { input_of("", text); },
                        "preprocessor_config.json: ");
  }
}

TEST(Preparation, SideOfPictures) {
  const auto side = [](const std::string& config, const std::string& name) {
    Sidecar made = sidecar(config, "");
    made.architecture = name;
    return any_size_input(made, 3, {}).height;
  };
  EXPECT_EQ(side("", ""), 224);
  EXPECT_EQ(side("", "convnext_base.fb_in22k_ft_in1k_384"), 384);
  EXPECT_EQ(side("", "wide_resnet50_2"), 224);
  EXPECT_EQ(side(R"({"pretrained_cfg": {"input_size": [3, 288, 288]}})", ""),
            288);
  EXPECT_EQ(side(R"({"image_size": 96})", ""), 96);
  expect_error<Error>([&] { side(R"({"image_size": 99999})", ""); },
                      "config.json: 'image_size' is larger than 16384");
  expect_error<Error>([&] { side(R"({"input_size": [3, 8, 9]})", ""); },
                      "config.json: 'input_size' [3,8,9] is not known");
}

}  // namespace
}  // namespace soup
