#include "data/decode.h"

#include <gtest/gtest.h>

#include "data/fixtures.h"
#include "data/prepare.h"
#include "soup/error.h"
#include "support/expect_error.h"

namespace soup {
namespace {

using testing::checksum;
using testing::expect_error;

Picture decode(std::string_view file) {
  return decode_picture(std::as_bytes(std::span(file)), "x.jpg");
}

std::string fixture(const std::string& name) {
  return testing::read_bytes(testing::pictures_folder() / name);
}

std::vector<uint8_t> rgb(const Picture& picture) {
  if (picture.channels == 3) return picture.pixels;
  std::vector<uint8_t> out;
  for (uint8_t v : picture.pixels) out.insert(out.end(), 3, v);
  return out;
}

TEST(Decode, EqualsPillowByteForByte) {
  const auto expected = testing::expected_pictures();
  EXPECT_GE(expected.at("pictures").size(), 30U);
  for (const auto& row : expected.at("pictures")) {
    const auto name = row.at("file").get<std::string>();
    SCOPED_TRACE(name);
    const Picture picture = decode(fixture(name));
    EXPECT_EQ(picture.width, row.at("width").get<int64_t>());
    EXPECT_EQ(picture.height, row.at("height").get<int64_t>());
    EXPECT_EQ(checksum(rgb(picture)), row.at("crc").get<uint32_t>());
    const Picture grey = picture.channels == 1 ? picture : to_grey(picture);
    EXPECT_EQ(checksum(grey.pixels), row.at("grey_crc").get<uint32_t>());
  }
}

TEST(Decode, EveryCutIsAnErrorThatNamesTheFile) {
  for (const char* name :
       {"420.jpg", "progressive.jpg", "rgb.png", "interlaced.png", "lossy.webp",
        "lossless.webp", "animation.webp"}) {
    const std::string whole = fixture(name);
    // A PNG's last chunk, 12 bytes, holds no pixels.
    const size_t end =
        whole.size() - (name[0] == '4' || name[0] == 'p' ? 1 : 17);
    for (size_t size = 1; size <= end; size += 13) {
      SCOPED_TRACE(std::string(name) + " " + std::to_string(size));
      expect_error<Error>([&] { decode(whole.substr(0, size)); }, "x.jpg: ");
    }
  }
}

TEST(Decode, BrokenBytesNeverCrash) {
  for (const char* name :
       {"420.jpg", "progressive.jpg", "cmyk.jpg", "rgb.png", "palette_4.png",
        "interlaced.png", "grey_16.png", "lossy.webp", "alpha_lossless.webp",
        "animation.webp", "animation_part.webp"}) {
    const std::string whole = fixture(name);
    testing::Draw draw(5);
    for (int i = 0; i < 300; ++i) {
      std::string broken = whole;
      for (int k = 0; k < 3; ++k) {
        const auto at = static_cast<size_t>(
            draw.size(static_cast<int64_t>(broken.size())) - 1);
        broken[at] = static_cast<char>(draw.size(256) - 1);
      }
      try {
        const Picture picture = decode(broken);
        EXPECT_EQ(std::ssize(picture.pixels),
                  picture.height * picture.width * picture.channels);
      } catch (const Error& e) {
        EXPECT_TRUE(std::string_view(e.what()).starts_with("x.jpg: "));
      }
    }
  }
}

TEST(Decode, RefusesWhatIsNoPicture) {
  expect_error<Error>([] { decode(""); }, "x.jpg: is empty");
  expect_error<Error>([] { decode("GIF89a"); },
                      "x.jpg: is no JPEG, PNG or WebP file");
}

TEST(Decode, RefusesAJpegThatClaimsTooManyPixels) {
  std::string file = fixture("grey.jpg");
  const size_t frame = file.find("\xff\xc0");
  ASSERT_NE(frame, std::string::npos);
  file.replace(frame + 5, 4, "\xff\xdc\xff\xdc");  // 65500 x 65500
  expect_error<Error>([&] { decode(file); },
                      "x.jpg: claims 65500 x 65500 pixels");
}

TEST(Decode, RefusesAPngThatClaimsTooManyPixels) {
  std::string file = fixture("rgb.png");
  std::string head = file.substr(12, 17);
  head.replace(4, 8, std::string("\x00\x01\x00\x00\x00\x01\x00\x00", 8));
  const uint32_t crc =
      checksum({reinterpret_cast<const uint8_t*>(head.data()), head.size()});
  for (int shift : {24, 16, 8, 0}) {
    head.push_back(static_cast<char>(crc >> shift & 0xff));
  }
  file.replace(12, 21, head);
  expect_error<Error>([&] { decode(file); },
                      "x.jpg: claims 65536 x 65536 pixels");
}

TEST(Decode, RefusesAJpegWithEndlessScans) {
  const std::string file = fixture("progressive.jpg");
  const size_t scan = file.find("\xff\xda");
  ASSERT_NE(scan, std::string::npos);
  // The first scan again and again.
  const size_t next = file.find("\xff\xc4", scan);
  ASSERT_NE(next, std::string::npos);
  std::string endless = file.substr(0, next);
  const std::string repeated = file.substr(scan, next - scan);
  for (int i = 0; i < 600; ++i) endless += repeated;
  endless += file.substr(next);
  expect_error<Error>([&] { decode(endless); }, "too many scans");
}

}  // namespace
}  // namespace soup
