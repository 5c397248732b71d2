#include "data/cifar.h"

#include <gtest/gtest.h>

#include "data/fixtures.h"
#include "soup/error.h"
#include "support/expect_error.h"
#include "support/temp_folder.h"

namespace soup {
namespace {

using testing::expect_error;
using testing::write_bytes;

constexpr int kPlane = 32 * 32;
const Preprocess kAsTheyAre = {.size = {},
                               .resize = "none",
                               .filter = {},
                               .crop_pct = {},
                               .mean = {},
                               .std = {}};

/// A record with those labels, whose planes begin with `red`, `green`, `blue`.
std::string record(const std::string& labels, char red, char green, char blue) {
  std::string planes(3 * kPlane, '\0');
  planes[0] = red;
  planes[kPlane] = green;
  planes[2 * kPlane + kPlane - 1] = blue;  // the last pixel
  return labels + planes;
}

class Cifar : public ::testing::Test {
 protected:
  DatasetSpec spec(const std::string& loader) {
    DatasetSpec made;
    made.name = "tiny";
    made.loader = loader;
    made.files = {folder_ / "1.bin", folder_ / "2.bin"};
    return made;
  }

  testing::TempFolder folder_;
};

TEST_F(Cifar, TenReadsOneLabelAndThreePlanes) {
  write_bytes(folder_ / "1.bin",
              record("\x03", 'r', 'g', 'b') + record("\x09", 'R', 'G', 'B'));
  write_bytes(folder_ / "2.bin", record("\x01", 'x', 'y', 'z'));
  const Examples examples =
      load_examples(spec("cifar10"), {3, 32, 32}, kAsTheyAre);
  ASSERT_EQ(examples.count, 3);
  EXPECT_EQ(examples.labels, (std::vector<int32_t>{3, 9, 1}));
  const std::vector<uint8_t>& pixels = examples.pixels;
  ASSERT_EQ(pixels.size(), 9U * kPlane);
  EXPECT_EQ(pixels[3 * kPlane], 'R');
  EXPECT_EQ(pixels[4 * kPlane], 'G');
  EXPECT_EQ(pixels[6 * kPlane - 1], 'B');
  EXPECT_EQ(pixels[6 * kPlane], 'x');
}

TEST_F(Cifar, HundredTakesTheFineLabel) {
  write_bytes(folder_ / "1.bin", record("\x13\x63", 'r', 'g', 'b'));
  write_bytes(folder_ / "2.bin", record("\x01\x02", 'x', 'y', 'z'));
  const Examples examples =
      load_examples(spec("cifar100"), {3, 32, 32}, kAsTheyAre);
  EXPECT_EQ(examples.labels, (std::vector<int32_t>{99, 2}));
  EXPECT_EQ(examples.pixels[0], 'r');
}

TEST_F(Cifar, RangeGoesAcrossFiles) {
  write_bytes(folder_ / "1.bin",
              record("\x01", 'a', 0, 0) + record("\x02", 'b', 0, 0));
  write_bytes(folder_ / "2.bin",
              record("\x03", 'c', 0, 0) + record("\x04", 'd', 0, 0));
  DatasetSpec part = spec("cifar10");
  part.range = {1, 3};
  const Examples examples = load_examples(part, {3, 32, 32}, kAsTheyAre);
  EXPECT_EQ(examples.labels, (std::vector<int32_t>{2, 3}));
  EXPECT_EQ(examples.pixels[3 * kPlane], 'c');
  part.range = {3, 4};
  EXPECT_EQ(load_examples(part, {3, 32, 32}, kAsTheyAre).pixels[0], 'd');
}

TEST_F(Cifar, RefusesWhatIsNotWholeRecords) {
  write_bytes(folder_ / "1.bin", record("\x01", 0, 0, 0));
  for (const std::string& bytes :
       {std::string(), record("", 0, 0, 0), record("\x01\x02", 0, 0, 0)}) {
    write_bytes(folder_ / "2.bin", bytes);
    expect_error<Error>(
        [&] {
          load_examples(spec("cifar10"), {3, 32, 32}, kAsTheyAre);
        },
        "2.bin: has " + std::to_string(bytes.size()) + " bytes, no multiple");
  }
}

TEST_F(Cifar, RefusesLabelsOutOfRange) {
  write_bytes(folder_ / "1.bin", record("\x09", 0, 0, 0));
  write_bytes(folder_ / "2.bin", record("\x0a", 0, 0, 0));
  expect_error<Error>(
      [&] {
        load_examples(spec("cifar10"), {3, 32, 32}, kAsTheyAre);
      },
      "2.bin: record 0 has label 10, but there are 10 classes");
}

TEST_F(Cifar, SaysWhereTheFilesAreExpected) {
  write_bytes(folder_ / "1.bin", record("\x09", 0, 0, 0));
  expect_error<Error>(
      [&] {
        load_examples(spec("cifar10"), {3, 32, 32}, kAsTheyAre);
      },
      "2.bin: no such file; tiny is expected there");
}

}  // namespace
}  // namespace soup
