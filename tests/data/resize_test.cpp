#include "data/resize.h"

#include <gtest/gtest.h>

#include <array>

#include "core/table.h"
#include "data/fixtures.h"

namespace soup {
namespace {

using testing::checksum;
using testing::Draw;
using testing::noise;

constexpr std::array<std::array<int64_t, 4>, 10> kFixed = {
    {{640, 480, 298, 224},
     {480, 640, 224, 298},
     {1, 200, 7, 3},
     {200, 1, 3, 7},
     {1, 1, 33, 20},
     {33, 20, 1, 1},
     {500, 3, 20, 60},
     {3, 500, 60, 20},
     {64, 64, 64, 20},
     {64, 64, 20, 64}}};

Target whole(int64_t width, int64_t height) {
  return {.width = width,
          .height = height,
          .crop_width = width,
          .crop_height = height};
}

TEST(Resize, EqualsPillowByteForByte) {
  const auto expected = testing::expected_pictures();
  ASSERT_EQ(expected.at("resize").size(), filters().size());
  for (const auto& row : expected.at("resize")) {
    const Filter& filter =
        find_row(filters(), row.at("filter").get<std::string>(), "filter");
    Draw draw(7);
    uint32_t crc = 0;
    const int64_t cases = row.at("random").get<int64_t>() + std::ssize(kFixed);
    for (int64_t i = 0; i < cases; ++i) {
      std::array<int64_t, 4> sizes{};
      if (i < std::ssize(kFixed)) {
        sizes = kFixed[static_cast<size_t>(i)];
      } else {
        for (int64_t& size : sizes) size = draw.size(96);
      }
      const Picture in = noise(sizes[0], sizes[1], i % 2 == 1 ? 3 : 1);
      crc = checksum(resize(in, whole(sizes[2], sizes[3]), filter).pixels, crc);
    }
    EXPECT_EQ(crc, row.at("crc").get<uint32_t>()) << filter.name;
  }
}

TEST(Resize, CropIsAPartOfTheWhole) {
  const Picture in = noise(50, 40, 3);
  for (const Filter& filter : filters()) {
    const Picture all = resize(in, whole(30, 23), filter);
    Target part = whole(30, 23);
    part.crop_x = 7;
    part.crop_y = 4;
    part.crop_width = 11;
    part.crop_height = 13;
    const Picture cropped = resize(in, part, filter);
    ASSERT_EQ(cropped.width, 11);
    ASSERT_EQ(cropped.height, 13);
    for (size_t y = 0; y < 13; ++y) {
      for (size_t x = 0; x < 11 * 3; ++x) {
        ASSERT_EQ(cropped.pixels[y * 33 + x],
                  all.pixels[(y + 4) * 90 + 21 + x]);
      }
    }
  }
}

TEST(Resize, SameSizeIsACopy) {
  const Picture in = noise(9, 5, 1);
  EXPECT_EQ(resize(in, whole(9, 5), filters().front()).pixels, in.pixels);
}

}  // namespace
}  // namespace soup
