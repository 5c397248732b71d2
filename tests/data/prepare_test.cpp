#include "data/prepare.h"

#include <gtest/gtest.h>

#include "data/fixtures.h"
#include "soup/error.h"
#include "support/expect_error.h"

namespace soup {
namespace {

using testing::expect_error;
using testing::noise;

PictureShape square(int64_t size, int64_t channels = 3) {
  return {.channels = channels, .height = size, .width = size};
}

Preprocess with(const std::string& resize, double crop_pct = 1.0) {
  Preprocess p = default_preprocess(3);
  p.resize = resize;
  p.crop_pct = crop_pct;
  return p;
}

std::vector<uint8_t> prepare(const Preparer& preparer, const Picture& picture) {
  std::vector<uint8_t> out(static_cast<size_t>(preparer.bytes()));
  preparer.prepare(picture, "picture", out);
  return out;
}

// [3, size, size] to the [size, size, 3] that the checksums were taken of.
std::vector<uint8_t> interleave(const std::vector<uint8_t>& planes) {
  const size_t plane = planes.size() / 3;
  std::vector<uint8_t> out;
  for (size_t i = 0; i < plane; ++i) {
    for (size_t c = 0; c < 3; ++c) out.push_back(planes[c * plane + i]);
  }
  return out;
}

TEST(Prepare, ShorterAndCropEqualTorchvision) {
  const auto expected = testing::expected_pictures();
  ASSERT_EQ(expected.at("fit").size(), 8U);
  for (const auto& row : expected.at("fit")) {
    Preprocess p = with("shorter", row.at("crop_pct").get<double>());
    p.filter = row.at("filter").get<std::string>();
    testing::Draw draw(11);
    uint32_t crc = 0;
    for (int64_t i = 0; i < row.at("cases").get<int64_t>(); ++i) {
      const int64_t width = draw.size(150);
      const int64_t height = draw.size(150);
      const Preparer preparer(square(draw.size(48)), p, "set");
      const auto out = prepare(preparer, noise(width, height, 3));
      crc = testing::checksum(interleave(out), crc);
    }
    EXPECT_EQ(crc, row.at("crc").get<uint32_t>())
        << *p.filter << " " << *p.crop_pct;
  }
}

TEST(Prepare, OffsetsAreRoundedHalfToEven) {
  // torchvision: Resize(4) of 4 x 7 then CenterCrop(4): round(1.5) = 2.
  const Preparer preparer(square(4), with("shorter"), "set");
  EXPECT_EQ(preparer.target(4, 7).crop_y, 2);
  // of 4 x 9: round(2.5) = 2
  EXPECT_EQ(preparer.target(4, 9).crop_y, 2);
}

TEST(Prepare, LongerSideIsTruncated) {
  const Preparer preparer(square(224), with("shorter", 0.875), "set");
  const Target target = preparer.target(500, 333);
  EXPECT_EQ(target.height, 256);
  EXPECT_EQ(target.width, 384);  // 384.38
}

TEST(Prepare, GreyIsRepeatedForColourModels) {
  const Preparer preparer(square(6), with("exact"), "set");
  const auto out = prepare(preparer, noise(6, 6, 1));
  const Picture in = noise(6, 6, 1);
  for (size_t c = 0; c < 3; ++c) {
    EXPECT_TRUE(std::equal(in.pixels.begin(), in.pixels.end(),
                           out.begin() + static_cast<int64_t>(c * 36)));
  }
}

TEST(Prepare, ColourBecomesGreyForGreyModels) {
  const Preparer preparer(square(2, 1), with("none"), "set");
  Picture in{.height = 2, .width = 2, .channels = 3, .pixels = {}};
  in.pixels = {255, 0, 0, 0, 255, 0, 0, 0, 255, 100, 100, 100};
  // Pillow: 0.299, 0.587, 0.114
  EXPECT_EQ(prepare(preparer, in), (std::vector<uint8_t>{76, 150, 29, 100}));
}

TEST(Prepare, NoneWantsTheModelsSize) {
  const Preparer preparer(square(6), with("none"), "set");
  expect_error<Error>([&] { prepare(preparer, noise(6, 5, 3)); },
                      "picture: is 5 x 6, but the model takes 6 x 6");
}

TEST(Prepare, RefusesASizeThatIsNotTheModels) {
  Preprocess p = with("exact");
  p.size = 32;
  expect_error<UsageError>([&] { Preparer(square(28), p, "set"); },
                           "set: 'size' is 32, but the model takes 28 x 28");
}

TEST(Prepare, ShorterNeedsASquare) {
  const PictureShape flat{.channels = 3, .height = 4, .width = 8};
  expect_error<UsageError>([&] { Preparer(flat, with("shorter"), "set"); },
                           "use 'exact'");
}

TEST(Prepare, NamesTheNearestFilter) {
  Preprocess p = with("exact");
  p.filter = "bicubik";
  expect_error<UsageError>([&] { Preparer(square(4), p, "set"); },
                           "did you mean 'bicubic'");
}

TEST(Prepare, BordersAreCutFirst) {
  const Picture whole = testing::noise(9, 7, 3);
  const Picture inner = without_border(whole, 2, "x");
  EXPECT_EQ(inner.width, 5);
  EXPECT_EQ(inner.height, 3);
  for (int64_t y = 0; y < 3; ++y) {
    for (int64_t i = 0; i < 15; ++i) {
      EXPECT_EQ(inner.pixels[static_cast<size_t>(y * 15 + i)],
                whole.pixels[static_cast<size_t>(((y + 2) * 9 + 2) * 3 + i)]);
    }
  }
  Preprocess p = default_preprocess(3);
  p.border = 2;
  std::vector<uint8_t> cut(3 * 16);
  Preparer({3, 4, 4}, p, "x").prepare(whole, "x", cut);
  p.border = 0;
  std::vector<uint8_t> plain(3 * 16);
  Preparer({3, 4, 4}, p, "x").prepare(inner, "x", plain);
  EXPECT_EQ(cut, plain);
  testing::expect_error<Error>([&] { without_border(inner, 2, "x.png"); },
                               "x.png: is all border: 3 x 5 pixels");
}

}  // namespace
}  // namespace soup
