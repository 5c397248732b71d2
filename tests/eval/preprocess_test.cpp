#include "eval/preprocess.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "soup/error.h"
#include "support/expect_error.h"

namespace soup {
namespace {

using testing::expect_error;
using ::testing::HasSubstr;

DatasetSpec pets() {
  DatasetSpec spec;
  spec.name = "pets";
  return spec;
}

ModelInput timm_input() {
  ModelInput input;
  input.mean = {0.1, 0.2, 0.3};
  input.std = {0.4, 0.5, 0.6};
  input.resize = "shorter";
  input.crop_pct = 0.9;
  input.interpolation = "bilinear";
  return input;
}

TEST(ResolvePreprocess, TheSpecWinsOverTheModel) {
  DatasetSpec spec = pets();
  spec.preprocess.mean = {0.5};
  spec.preprocess.std = {0.25};
  spec.preprocess.filter = "box";
  const Preparation made = resolve_preprocess(spec, timm_input());
  EXPECT_EQ(made.all.mean, (std::vector<double>{0.5, 0.5, 0.5}));
  EXPECT_EQ(made.all.std, (std::vector<double>{0.25, 0.25, 0.25}));
  EXPECT_EQ(made.all.filter, "box");
  EXPECT_EQ(made.all.crop_pct, 0.9);
  EXPECT_FALSE(made.default_resize);
  EXPECT_FALSE(made.default_statistics);
}

TEST(ResolvePreprocess, TheModelWinsOverTheDefault) {
  const Preparation made = resolve_preprocess(pets(), timm_input());
  EXPECT_EQ(made.all.mean, (std::vector<double>{0.1, 0.2, 0.3}));
  EXPECT_EQ(made.all.filter, "bilinear");
  EXPECT_EQ(made.all.resize, "shorter");
  EXPECT_TRUE(default_notice(made, pets(), timm_input(), true).empty());
}

TEST(ResolvePreprocess, DefaultsAreAnnounced) {
  const Preparation made = resolve_preprocess(pets(), {});
  EXPECT_EQ(made.all.crop_pct, 0.875);
  const std::string notice = default_notice(made, pets(), {}, true);
  EXPECT_THAT(notice, HasSubstr("pets: neither the spec nor"));
  EXPECT_THAT(notice, HasSubstr("shorter side to 256, bicubic, centre crop of "
                                "224 x 224"));
  EXPECT_THAT(notice, HasSubstr("mean [0.485, 0.456, 0.406]"));
  // No word on a resize that did not happen.
  EXPECT_THAT(default_notice(made, pets(), {}, false),
              ::testing::Not(HasSubstr("shorter")));
}

TEST(ResolvePreprocess, GreyModelsHaveTheirOwnDefault) {
  ModelInput grey;
  grey.channels = 1;
  const Preparation made = resolve_preprocess(pets(), grey);
  EXPECT_EQ(made.all.resize, "exact");
  EXPECT_EQ(made.all.mean, (std::vector<double>{0.5}));
  EXPECT_THAT(default_notice(made, pets(), grey, true),
              HasSubstr("resized to 224 x 224, bicubic"));
}

TEST(ResolvePreprocess, ChannelsMustFit) {
  ModelInput grey = timm_input();
  grey.channels = 1;
  expect_error<Error>(
      [&] { resolve_preprocess(pets(), grey); },
      "pets: mean and standard deviation are given for 3 channels, but the "
      "model takes 1");
}

TEST(ResolvePreprocess, WhatTheFamilyPublishedIsAnnounced) {
  ModelInput clip = timm_input();
  clip.published_statistics = clip.published_resize = true;
  const Preparation made = resolve_preprocess(pets(), clip);
  EXPECT_EQ(made.all.crop_pct, 0.9);
  EXPECT_THAT(default_notice(made, pets(), clip, true),
              HasSubstr("as for published models of its kind: shorter side to "
                        "248, bilinear, centre crop of 224 x 224; mean [0.1"));
  DatasetSpec spec = pets();
  spec.preprocess = made.all;
  EXPECT_TRUE(
      default_notice(resolve_preprocess(spec, clip), spec, clip, true).empty());
}

TEST(ResolvePreprocess, TheUsualSizeIsAnnounced) {
  ModelInput any = timm_input();
  any.any_size = any.usual_size = true;
  DatasetSpec spec = pets();
  EXPECT_THAT(default_notice(resolve_preprocess(spec, any), spec, any, false),
              HasSubstr("by default: pictures of 224 x 224"));
  spec.preprocess.size = 96;
  const ModelInput sized = sized_input(spec, any);
  EXPECT_TRUE(
      default_notice(resolve_preprocess(spec, sized), spec, sized, false)
          .empty());
}

TEST(SizedInput, IsTheSpecsWhereTheModelTakesAny) {
  DatasetSpec spec = pets();
  spec.preprocess.size = 96;
  ModelInput input;
  EXPECT_EQ(sized_input(spec, input).height, 224);
  input.any_size = true;
  EXPECT_EQ(sized_input(spec, input).height, 96);
  EXPECT_EQ(sized_input(spec, input).width, 96);
  EXPECT_EQ(sized_input(pets(), input).width, 224);
}

}  // namespace
}  // namespace soup
