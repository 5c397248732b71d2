#include "data/array.h"

#include <gtest/gtest.h>

#include <numeric>

#include "data/fixtures.h"
#include "soup/error.h"
#include "support/expect_error.h"
#include "support/temp_folder.h"

namespace soup {
namespace {

using testing::bytes_of;
using testing::expect_error;
using testing::with_header;

// scripts/make_array_fixtures.py wrote them.
std::filesystem::path fixture(const std::string& name) {
  return std::filesystem::path(SOUP_TEST_DATA) / "arrays" / name;
}

std::vector<double> numbers(const Array& array) {
  return npy_values(array.header, array.values);
}

std::vector<double> counted(int64_t count, double step) {
  std::vector<double> values;
  for (int64_t i = 0; i < count; ++i) {
    values.push_back(static_cast<double>(i) * step);
  }
  return values;
}

Array parse(const std::string& file) {
  return parse_array(std::as_bytes(std::span(file)), "x", nullptr);
}

std::string header(const std::string& descr, bool fortran,
                   const std::string& shape) {
  return "{'descr': '" + descr +
         "', 'fortran_order': " + (fortran ? "True" : "False") +
         ", 'shape': " + shape + "}\n";
}

TEST(Array, FortranOrderBecomesC) {
  const std::string file = with_header(header("|u1", true, "(2, 3)"),
                                       std::string("\0\3\1\4\2\5", 6));
  EXPECT_EQ(numbers(parse(file)), counted(6, 1));
  // Without values, and with one dimension, there is nothing to turn.
  EXPECT_EQ(
      parse(with_header(header("|u1", true, "(2, 0, 3)"), "")).values.size(),
      0U);
  const std::string line =
      with_header(header("|u1", true, "(2,)"), std::string("\0\1", 2));
  EXPECT_EQ(numbers(parse(line)), counted(2, 1));
}

TEST(Array, BigEndianBecomesLittle) {
  EXPECT_EQ(numbers(parse(with_header(header(">u2", false, "(2,)"),
                                      std::string("\0\0\1\0", 4)))),
            counted(2, 256));
  EXPECT_EQ(numbers(parse(with_header(header(">f8", false, "()"),
                                      "\xc0" + std::string(7, '\0')))),
            std::vector<double>{-2});
}

TEST(Array, EveryFormThatNumPyWritesReadsTheSame) {
  for (const char* file : {"stored.npz", "deflated.npz", "turned.npz"}) {
    const Array images = read_array(fixture(file) / "images");
    EXPECT_EQ(images.header.shape, (std::vector<int64_t>{3, 2, 2, 3})) << file;
    EXPECT_EQ(numbers(images), counted(36, 1)) << file;
    EXPECT_EQ(numbers(read_array(fixture(file) / "wide")), counted(36, 256));
    EXPECT_EQ(read_arrays(fixture(file)).size(), 3U);
  }
  EXPECT_EQ(numbers(read_array(fixture("wide.npy"))), counted(36, 256));
}

TEST(Array, APathThatNamesNoneTakesTheUsualOrTheOnlyOne) {
  constexpr std::array<std::string_view, 2> usual = {"images", "arr_0"};
  for (const char* file : {"stored.npz", "numbered.npz", "single.npz"}) {
    EXPECT_EQ(numbers(read_array(fixture(file), usual)), counted(36, 1));
  }
  EXPECT_EQ(numbers(read_array(fixture("single.npz"))), counted(36, 1));
  const std::string many = fixture("medmnist.npz").string();
  expect_error<Error>(
      [&] { read_array(many, usual); },
      many +
          ": holds the arrays train_images, train_labels, val_images, "
          "val_labels, none of them called 'images' or 'arr_0'; say which is "
          "meant, as in '" +
          many + "/train_images'");
  expect_error<Error>([&] { read_array(many + "/test_images"); },
                      many + ": has no array 'test_images', only train_images");
}

TEST(Array, PathsLeadToTheirFile) {
  EXPECT_EQ(array_file("a/b.npz/c"), "a/b.npz");
  EXPECT_EQ(array_file("a/b.npz/c/d"), "a/b.npz");
  EXPECT_EQ(array_file("a/b.npz"), "a/b.npz");
  EXPECT_EQ(array_file("a/b.npy"), "a/b.npy");
  EXPECT_EQ(array_file(""), "");
  // A folder may be called like a file.
  const testing::TempFolder folder;
  testing::write_bytes(folder / "x.npz/y.npy", "");
  EXPECT_EQ(array_file(folder / "x.npz/y.npy"), folder / "x.npz/y.npy");
}

}  // namespace
}  // namespace soup
