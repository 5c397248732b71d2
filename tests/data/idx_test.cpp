#include "data/idx.h"

#include <gtest/gtest.h>

#include "data/fixtures.h"
#include "soup/error.h"
#include "support/expect_error.h"
#include "support/temp_folder.h"

namespace soup {
namespace {

using testing::expect_error;
using testing::gzip;
using testing::idx;
using testing::write_bytes;

class Idx : public ::testing::Test {
 protected:
  Idx() {
    spec_.name = "tiny";
    spec_.loader = "idx";
    spec_.images = folder_ / "images";
    spec_.labels_file = folder_ / "labels";
    write_bytes(spec_.labels_file, idx({3}, "\x04\x01\x02"));
  }

  Examples load() { return load_examples(spec_, {1, 2, 2}, {}); }

  void expect_broken(const std::string& images, const std::string& message) {
    write_bytes(spec_.images, images);
    expect_error<Error>([&] { load(); },
                        spec_.images.string() + ": " + message);
  }

  testing::TempFolder folder_;
  DatasetSpec spec_;
};

constexpr std::string_view kPixels = "abcdefghijkl";

std::string text(const std::vector<uint8_t>& bytes) {
  return {bytes.begin(), bytes.end()};
}

TEST_F(Idx, ReadsPlainAndGzippedFiles) {
  const std::string plain = idx({3, 2, 2}, kPixels);
  const std::string joined = gzip(plain.substr(0, 9)) + gzip(plain.substr(9));
  for (const std::string& file : {plain, gzip(plain), joined}) {
    write_bytes(spec_.images, file);
    const Examples examples = load();
    EXPECT_EQ(examples.count, 3);
    EXPECT_EQ(examples.channels, 1);
    EXPECT_EQ(text(examples.pixels), kPixels);
    EXPECT_EQ(examples.labels, (std::vector<int32_t>{4, 1, 2}));
    EXPECT_TRUE(examples.paths.empty());
    EXPECT_FALSE(examples.resized);
  }
}

TEST_F(Idx, RangeTakesAPart) {
  for (const bool packed : {false, true}) {
    const std::string plain = idx({3, 2, 2}, kPixels);
    write_bytes(spec_.images, packed ? gzip(plain) : plain);
    spec_.range = {1, 2};
    const Examples examples = load();
    EXPECT_EQ(text(examples.pixels), "efgh");
    EXPECT_EQ(examples.labels, (std::vector<int32_t>{1}));
  }
}

TEST_F(Idx, RangeBeyondTheEndIsAnError) {
  write_bytes(spec_.images, idx({3, 2, 2}, kPixels));
  spec_.range = {1, 4};
  expect_error<Error>([&] { load(); },
                      "tiny: 'range' ends at 4, but there are 3 examples");
}

TEST_F(Idx, IsResizedToTheModel) {
  write_bytes(spec_.images, idx({3, 2, 2}, std::string(12, 'x')));
  const Examples examples = load_examples(spec_, {3, 5, 5}, {});
  EXPECT_EQ(examples.channels, 3);
  EXPECT_EQ(text(examples.pixels), std::string(3 * 3 * 25, 'x'));
  EXPECT_TRUE(examples.resized);
}

TEST_F(Idx, SaysWhereTheFilesAreExpected) {
  expect_error<Error>([&] { load(); }, spec_.images.string() +
                                           ": no such file; tiny is expected");
}

TEST_F(Idx, RefusesOtherFiles) {
  const std::string message = "not an IDX file of bytes in 3 dimensions";
  expect_broken(idx({3}, "abc"), message);
  expect_broken("PNG.............", message);
  std::string floats = idx({3, 2, 2}, kPixels);
  floats[2] = '\x0d';
  expect_broken(floats, message);
}

TEST_F(Idx, RefusesCutFiles) {
  const std::string plain = idx({3, 2, 2}, kPixels);
  for (size_t size : {size_t{0}, size_t{3}, size_t{9}}) {
    expect_broken(plain.substr(0, size), "ends before all of its values");
  }
  expect_broken(plain.substr(0, plain.size() - 5), "the header says [3, 2, 2]");
  expect_broken(plain.substr(0, plain.size() - 1), "");
  const std::string packed = gzip(plain);
  for (size_t size = 2; size < packed.size(); ++size) {
    expect_broken(packed.substr(0, size), "");
  }
}

TEST_F(Idx, RefusesBytesBehindTheEnd) {
  const std::string longer = idx({3, 2, 2}, std::string(kPixels) + "m");
  expect_broken(longer, "longer than the [3, 2, 2] bytes");
  expect_broken(gzip(longer), "longer than the [3, 2, 2] bytes");
  expect_broken(gzip(idx({3, 2, 2}, kPixels)) + "tail", "bytes behind the end");
}

TEST_F(Idx, RefusesClaimsThatTheFileCannotHold) {
  const uint32_t most = 0xffffffff;
  for (const std::vector<uint32_t>& shape :
       {std::vector<uint32_t>{most, most, most}, {most, 1, 1}, {3, most, 1}}) {
    expect_broken(idx(shape, kPixels), "the header says");
    expect_broken(gzip(idx(shape, kPixels)), "the header says");
  }
}

// What the gzip stream could hold but does not: memory must follow the data.
TEST_F(Idx, RefusesAClaimWithinTheBestRatio) {
  write_bytes(spec_.labels_file, idx({1000}, std::string(1000, '\1')));
  expect_broken(gzip(idx({1000, 5, 5}, kPixels)), "ends before all");
}

TEST_F(Idx, RefusesEmptySets) {
  expect_broken(idx({0, 2, 2}, ""), "holds no examples");
  expect_broken(idx({3, 0, 2}, ""), "holds no examples");
}

TEST_F(Idx, RefusesABrokenStream) {
  std::string packed = gzip(idx({3, 2, 2}, kPixels));
  packed[packed.size() - 6] ^= 1;  // its checksum
  expect_broken(packed, "broken gzip stream");
}

TEST_F(Idx, CountsMustAgree) {
  write_bytes(spec_.images, idx({2, 2, 2}, "abcdefgh"));
  expect_error<Error>([&] { load(); }, "has 3 labels, but ");
}

}  // namespace
}  // namespace soup
