#include "data/selection.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "core/log.h"
#include "data/fixtures.h"
#include "data/folders.h"
#include "data/label_map.h"
#include "soup/error.h"
#include "support/expect_error.h"
#include "support/temp_folder.h"

namespace soup {
namespace {

using testing::expect_error;
using testing::npy;
using testing::write_bytes;

class Selection : public ::testing::Test {
 protected:
  Selection() {
    log::set_level(log::Level::kQuiet);
    for (int i = 0; i < 60; ++i) {
      listing_.files.push_back("/x/" + std::to_string(100 + i) + ".png");
      listing_.labels.push_back({i / 20});
    }
    spec_.name = "held-out";
  }
  ~Selection() override { log::set_level(log::Level::kNormal); }

  std::vector<int64_t> with_indices(const std::string& file) {
    write_bytes(folder_ / "i.npy", file);
    spec_.indices = folder_ / "i.npy";
    return select_examples(spec_, listing_);
  }

  testing::TempFolder folder_;
  DatasetSpec spec_;
  Listing listing_;
};

TEST_F(Selection, MasksAndPositions) {
  std::vector<double> mask(60, 0);
  mask[7] = mask[59] = 1;
  EXPECT_EQ(with_indices(npy("<f8", mask)), (std::vector<int64_t>{7, 59}));
  EXPECT_EQ(with_indices(npy("<i8", std::vector<int64_t>{59, 0, 3})),
            (std::vector<int64_t>{0, 3, 59}));
}

TEST_F(Selection, RangeIsOfTheChosen) {
  spec_.range = {1, 3};
  EXPECT_EQ(with_indices(npy("<i8", std::vector<int64_t>{59, 0, 3})),
            (std::vector<int64_t>{3, 59}));
}

TEST_F(Selection, WrongIndicesAreErrors) {
  const auto refused = [&](const std::string& file, const std::string& what) {
    expect_error<Error>([&] { with_indices(file); }, "i.npy: " + what);
  };
  refused(npy("<i8", std::vector<int64_t>{60}), "holds 1 values that are");
  refused(npy("<i8", std::vector<int64_t>{-1}), "holds 1 values that are");
  refused(npy("<f8", std::vector<double>{1.5}), "holds 1 values that are");
  refused(npy("<f8", std::vector<double>{NAN}), "holds 1 values that are");
  refused(npy("<i8", std::vector<int64_t>{5, 5}), "names an example twice");
  refused(npy("<i8", std::vector<int64_t>{1, 2}, "(1, 2)"), "expected one");
  expect_error<Error>(
      [&] { with_indices(npy("<f8", std::vector<double>(60))); },
      "held-out: has no examples");
  spec_.indices = folder_ / "none.npy";
  expect_error<Error>([&] { select_examples(spec_, listing_); },
                      "none.npy: no such file");
}

TEST_F(Selection, DrawsAsManyOfEachClass) {
  spec_.per_class = 5;
  const auto drawn = select_examples(spec_, listing_);
  std::map<int64_t, int> counts;
  for (const int64_t i : drawn) ++counts[i / 20];
  EXPECT_EQ(counts, (std::map<int64_t, int>{{0, 5}, {1, 5}, {2, 5}}));
  // The split must stay the same for good.
  EXPECT_EQ(drawn, (std::vector<int64_t>{2, 3, 4, 8, 16, 21, 25, 29, 33, 34, 40,
                                         45, 54, 55, 58}));
  spec_.indices = folder_ / "none.npy";
  EXPECT_EQ(select_examples(spec_, listing_), drawn);
  spec_.per_class = 21;
  expect_error<Error>([&] { select_examples(spec_, listing_); },
                      "class 0 has 20 examples, but 21 of each class");
}

TEST_F(Selection, LabelMapsByPictureAndFolder) {
  Listing listing;
  listing.files = {"/d/cat/1.png", "/d/cat/2.png", "/d/dog/3.png",
                   "/d/owl/4.png"};
  listing.labels = {{0}, {0}, {1}, {2}};
  write_bytes(folder_ / "m.tsv", "cat\t4\r\n\n2.png\t7,1\nowl\t0\n");
  apply_label_map(read_label_map(folder_ / "m.tsv", listing.files), "m.tsv",
                  listing);
  EXPECT_EQ(listing.files,
            (std::vector<std::string>{"/d/cat/1.png", "/d/cat/2.png",
                                      "/d/owl/4.png"}));
  EXPECT_EQ(listing.labels, (std::vector<Labels>{{4}, {7, 1}, {0}}));
}

TEST_F(Selection, LabelMapsInJson) {
  const std::vector<std::string> pictures = {"/b/1.png", "/a/3.png",
                                             "/a/2.png"};
  write_bytes(folder_ / "o.json", R"({"a": 3, "1.png": [4, 5]})");
  EXPECT_EQ(read_label_map(folder_ / "o.json", pictures),
            (LabelMap{{"a", {3}}, {"1.png", {4, 5}}}));
  // ReaL's form; a picture without a label does not count.
  write_bytes(folder_ / "r.json", "[[1], [], [2, 3]]");
  Listing listing;
  listing.files = pictures;
  listing.labels = {{0}, {0}, {0}};
  apply_label_map(read_label_map(folder_ / "r.json", pictures), "r", listing);
  EXPECT_EQ(listing.files, (std::vector<std::string>{"/b/1.png", "/a/3.png"}));
  EXPECT_EQ(listing.labels, (std::vector<Labels>{{1}, {2, 3}}));
}

TEST_F(Selection, WrongLabelMapsAreErrors) {
  const auto refused = [&](const std::string& name, const std::string& text,
                           const std::string& message) {
    write_bytes(folder_ / name, text);
    expect_error<Error>(
        [&] {
          read_label_map(folder_ / name, {"/a/x.png", "/b/x.png"});
        },
        name + ": " + message);
  };
  refused("m.tsv", "cat 4\n", "line 1: expected a name, a tab");
  refused("m.tsv", "cat\t4\ndog\t-1\n", "line 2: expected whole numbers");
  refused("m.tsv", "cat\t4,\n", "line 1: expected whole numbers");
  refused("m.tsv", "cat\t4\ncat\t4\n", "line 2: names 'cat' again");
  refused("m.json", "3", "expected an object of names or an array");
  refused("m.json", R"({"a": "3"})", "'a': expected a whole number");
  refused("m.json", R"({"a": [3, 1.5]})", "'a': expected a whole number");
  refused("m.json", "[1]", "has labels for 1 pictures, but there are 2");
  refused("m.json", "[1, 2]", "goes by the names of the pictures, but two");
  Listing listing;
  listing.files = {"/a/x.png"};
  listing.labels = {{0}};
  expect_error<Error>(
      [&] {
        apply_label_map({{"b", {0}}}, "m", listing);
      },
      "m: names none of the 1 pictures");
}

TEST_F(Selection, ClassesAreLinesOfOutputs) {
  write_bytes(folder_ / "c.txt", "409,530\n414\n");
  EXPECT_EQ(read_classes(folder_ / "c.txt"),
            (std::vector<Labels>{{409, 530}, {414}}));
  write_bytes(folder_ / "c.txt", "\n");
  expect_error<Error>([&] { read_classes(folder_ / "c.txt"); },
                      "c.txt: names no class");
  write_bytes(folder_ / "c.txt", "1\nx\n");
  expect_error<Error>([&] { read_classes(folder_ / "c.txt"); }, "line 2");
}

}  // namespace
}  // namespace soup
