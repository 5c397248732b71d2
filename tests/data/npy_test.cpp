#include "data/npy.h"

#include <gtest/gtest.h>

#include "data/fixtures.h"
#include "data/npy_header.h"
#include "soup/error.h"
#include "support/expect_error.h"
#include "support/temp_folder.h"

namespace soup {
namespace {

using testing::bytes_of;
using testing::expect_error;
using testing::npy;
using testing::with_header;
using testing::write_bytes;

std::span<const std::byte> as_file(const std::string& text) {
  return std::as_bytes(std::span(text));
}

template <typename T>
void expect_values(const std::string& descr, const std::vector<T>& values) {
  const std::string file =
      npy(descr, "(" + std::to_string(values.size()) + ",)", bytes_of(values));
  const NpyHeader header = parse_npy_header(as_file(file), "x");
  EXPECT_EQ(npy_values(header, as_file(file).subspan(header.offset)),
            std::vector<double>(values.begin(), values.end()))
      << descr;
}

TEST(NpyHeader, ReadsNumbersOfEveryWidth) {
  expect_values<int8_t>("|i1", {-128, 127});
  expect_values<uint8_t>("|u1", {0, 255});
  expect_values<uint8_t>("|b1", {0, 1});
  expect_values<int16_t>("<i2", {-32768, 32767});
  expect_values<uint16_t>("<u2", {0, 65535});
  expect_values<int32_t>("<i4", {-2147483647, 7});
  expect_values<uint32_t>("<u4", {0, 4294967295U});
  expect_values<int64_t>("<i8", {-(int64_t{1} << 40), 9});
  expect_values<uint64_t>("<u8", {uint64_t{1} << 40, 9});
  expect_values<float>("<f4", {0.5F, -2.0F});
  expect_values<double>("<f8", {0.1, -2.0});
}

TEST(NpyHeader, KeysComeInAnyOrder) {
  const std::string file = with_header(
      "{\"shape\":(2,3),\"fortran_order\" : False,\n\"descr\":\"|u1\"}",
      "abcdef");
  const NpyHeader header = parse_npy_header(as_file(file), "x");
  EXPECT_EQ(header.shape, (std::vector<int64_t>{2, 3}));
  EXPECT_EQ(file.substr(header.offset), "abcdef");
}

TEST(NpyHeader, ScalarsAndLaterVersions) {
  std::string file = npy("|u1", "()", "a");
  EXPECT_EQ(parse_npy_header(as_file(file), "x").count, 1);
  file.replace(
      6, 4,
      std::string("\x02\0", 2) + file.substr(8, 2) + std::string(2, '\0'));
  EXPECT_EQ(parse_npy_header(as_file(file), "x").offset, file.size() - 1);
}

void expect_refused(const std::string& file, const std::string& message) {
  expect_error<Error>([&] { parse_npy_header(as_file(file), "x"); },
                      "x: " + message);
}

TEST(NpyHeader, RefusesWhatIsNoPlainNumber) {
  expect_refused(npy("|O", "(1,)", "\x80\x04."), "holds Python objects");
  expect_refused(npy("|i4", "(1,)", "abcd"), "holds '|i4'");
  expect_refused(npy("<f2", "(1,)", "ab"), "holds '<f2'");
  expect_refused(npy("<U4", "(1,)", "ab"), "holds '<U4'");
  expect_refused(npy("<i\x1b", "(1,)", "ab"), "holds '<i\\x1b'");
  expect_refused(
      with_header("{'descr': [('a', '<i4')], 'fortran_order': False, "
                  "'shape': (1,), }",
                  "abcd"),
      "holds structures");
}

TEST(NpyHeader, RefusesOtherLiterals) {
  const std::string message = "its header is not that of a NumPy array";
  for (const char* header :
       {"{}", "__import__('os')", "{'descr': '|u1', 'shape': (1,)}",
        "{'descr': '|u1', 'descr': '|u1', 'fortran_order': False, 'shape': "
        "(1,)}",
        "{'descr': '|u1', 'fortran_order': 0, 'shape': (1,)}",
        "{'descr': '|u1', 'fortran_order': False, 'shape': (-1,)}",
        "{'descr': '|u1', 'fortran_order': False, 'shape': (1+1,)}",
        "{'descr': '|u1', 'fortran_order': False, 'shape': [1]}",
        "{'descr': '|u1', 'fortran_order': False, 'shape': "
        "(99999999999999999999,)}",
        "{'descr': '|u1', 'fortran_order': False, 'shape': (1,), 'x': 1}",
        "{'descr': '|u1', 'fortran_order': False, 'shape': (1,)} x"}) {
    expect_refused(with_header(header, "a"), message);
  }
}

TEST(NpyHeader, RefusesCutFilesAndFalseClaims) {
  const std::string whole = npy("<i8", "(2,)", std::string(16, '\0'));
  for (size_t size = 0; size < whole.size(); ++size) {
    expect_refused(whole.substr(0, size), "");
  }
  expect_refused(whole + "x",
                 "the header says [2] values of 8 bytes, but the "
                 "file has 17 bytes of them");
  expect_refused(npy("<i8", "(4294967296, 4294967296)", ""), "the header says");
}

class Npy : public ::testing::Test {
 protected:
  Npy() {
    spec_.name = "tiny";
    spec_.loader = "npy";
    spec_.preprocess.resize = "none";
    spec_.images = folder_ / "images.npy";
    spec_.labels_file = folder_ / "labels.npy";
    write_bytes(spec_.labels_file,
                npy("<i8", "(2,)", bytes_of<int64_t>({4, 1})));
    write_bytes(spec_.images, npy("|u1", "(2, 1, 2, 3)", "abcdefghijkl"));
  }

  Examples load() { return load_examples(spec_, {3, 1, 2}, spec_.preprocess); }

  void expect_labels_refused(const std::string& file,
                             const std::string& message) {
    write_bytes(spec_.labels_file, file);
    expect_error<Error>([&] { load(); },
                        spec_.labels_file.string() + ": " + message);
  }

  testing::TempFolder folder_;
  DatasetSpec spec_;
};

std::string text(const std::vector<uint8_t>& bytes) {
  return {bytes.begin(), bytes.end()};
}

TEST_F(Npy, ReadsColour) {
  const Examples examples = load();
  EXPECT_EQ(text(examples.pixels), "adbecfgjhkil");
  EXPECT_EQ(examples.labels, (std::vector<int32_t>{4, 1}));
}

TEST_F(Npy, ReadsGreyAndARange) {
  spec_.range = {1, 2};
  for (const char* shape : {"(2, 2, 3)", "(2, 2, 3, 1)"}) {
    write_bytes(spec_.images, npy("|u1", shape, "abcdefghijkl"));
    const Examples examples = load_examples(spec_, {1, 2, 3}, {});
    EXPECT_EQ(text(examples.pixels), "ghijkl");
    EXPECT_EQ(examples.labels, (std::vector<int32_t>{1}));
  }
}

// MedMNIST has labels of one column.
TEST_F(Npy, ReadsArchivesOfArrays) {
  const std::string folder = SOUP_TEST_DATA "/arrays/";
  for (const std::string& file :
       {folder + "stored.npz", folder + "deflated.npz", folder + "turned.npz",
        folder + "numbered.npz"}) {
    spec_.images = spec_.labels_file = file;
    const Examples examples = load_examples(spec_, {3, 2, 2}, {});
    EXPECT_EQ(examples.labels, (std::vector<int32_t>{2, 0, 1})) << file;
    EXPECT_EQ(text(examples.pixels).substr(0, 8),
              std::string("\0\3\6\x9\1\4\7\xa", 8));
  }
  spec_.images = folder + "medmnist.npz/val_images";
  spec_.labels_file = folder + "medmnist.npz/val_labels";
  EXPECT_EQ(load_examples(spec_, {3, 2, 2}, {}).labels,
            (std::vector<int32_t>{2, 0}));
  DatasetSpec training = spec_;
  training.images = folder + "medmnist.npz/train_images";
  EXPECT_FALSE(same_examples(spec_, training));
  spec_.images = folder + "medmnist.npz";
  expect_error<Error>(
      [&] {
        load_examples(spec_, {3, 2, 2}, {});
      },
      "holds the arrays train_images, train_labels");
  spec_.images = folder + "absent.npz/val_images";
  expect_error<Error>(
      [&] {
        load_examples(spec_, {3, 2, 2}, {});
      },
      "absent.npz: no such file; tiny is expected there");
}

TEST_F(Npy, RefusesOtherPictures) {
  for (const std::string& file :
       {npy("<f4", "(1, 1, 1)", "abcd"), npy("|u1", "(2, 2)", "abcd"),
        npy("|i1", "(1, 2, 2)", "abcd"), npy("|u1", "(1, 1, 2, 2)", "abcd")}) {
    write_bytes(spec_.images, file);
    expect_error<Error>([&] { load(); }, "expected pictures: u1");
  }
  write_bytes(spec_.images, npy("|u1", "(0, 2, 2)", ""));
  expect_error<Error>([&] { load(); }, "holds no examples");
}

TEST_F(Npy, RefusesOtherLabels) {
  expect_labels_refused(npy("<f4", "(2,)", "abcdefgh"), "holds f4 [2]");
  expect_labels_refused(npy("|u1", "(3,)", "abc"), "holds u1 [3], expected");
  expect_labels_refused(npy("|u1", "(2, 2)", "abcd"), "holds u1 [2, 2]");
  expect_labels_refused(npy("|i1", "(2,)", "\x01\xff"), "label 1 is out of");
  expect_labels_refused(npy("<u4", "(2,)", "\xff\xff\xff\xff    "),
                        "label 0 is out of range");
}

}  // namespace
}  // namespace soup
