#include "data/folders.h"

#include <gtest/gtest.h>

#include "core/log.h"
#include "data/decode.h"
#include "data/fixtures.h"
#include "data/prepare.h"
#include "soup/error.h"
#include "support/expect_error.h"
#include "support/temp_folder.h"

namespace soup {
namespace {

namespace fs = std::filesystem;
using testing::expect_error;
using testing::pictures_folder;

class Folders : public ::testing::Test {
 protected:
  void copy(const std::string& picture, const std::string& to) {
    fs::create_directories((folder_ / to).parent_path());
    fs::copy_file(pictures_folder() / picture, folder_ / to);
  }

  std::vector<std::string> names(const Listing& listing) {
    std::vector<std::string> out;
    for (const std::string& file : listing.files) {
      out.push_back(fs::path(file).lexically_relative(folder_.path()).string());
    }
    return out;
  }

  DatasetSpec spec() {
    DatasetSpec made;
    made.name = "tiny";
    made.loader = "folders";
    made.path = folder_.path();
    return made;
  }

  testing::TempFolder folder_;
};

TEST_F(Folders, OrderIsThatOfTorchvision) {
  for (const char* path :
       {"b/10.png", "b/2.png", "b/B.PNG", "b/sub/1.jpg", "b/sub-1/1.jpg",
        "B/x.jpeg", "a b/x.webp", "b/notes.txt", "b/._2.png", ".hidden/x.png",
        "top.png"}) {
    testing::write_bytes(folder_ / path, "");
  }
  const Listing listing = list_folders(folder_.path(), "rank");
  EXPECT_EQ(names(listing), (std::vector<std::string>{
                                "B/x.jpeg", "a b/x.webp", "b/10.png", "b/2.png",
                                "b/B.PNG", "b/sub/1.jpg", "b/sub-1/1.jpg"}));
  EXPECT_EQ(listing.labels,
            (std::vector<Labels>{{0}, {1}, {2}, {2}, {2}, {2}, {2}}));
  EXPECT_EQ(listing.class_names, (std::vector<std::string>{"B", "a b", "b"}));
}

TEST_F(Folders, IntegerLabelsAreTheNames) {
  for (const char* path : {"10/x.png", "9/x.png", "007/x.png"}) {
    testing::write_bytes(folder_ / path, "");
  }
  const Listing listing = list_folders(folder_.path(), "integer");
  EXPECT_EQ(listing.labels, (std::vector<Labels>{{7}, {10}, {9}}));
  EXPECT_TRUE(listing.class_names.empty());
}

TEST_F(Folders, IntegerLabelsNeedIntegers) {
  for (const char* name : {"cat", "-1", "1x", "99999999999"}) {
    testing::TempFolder folder;
    testing::write_bytes(folder / (std::string(name) + "/x.png"), "");
    expect_error<Error>([&] { list_folders(folder.path(), "integer"); }, name);
  }
}

TEST_F(Folders, EmptyPlacesAreErrors) {
  expect_error<Error>([&] { list_folders(folder_.path(), "rank"); },
                      "no class folders in it");
  expect_error<Error>([&] { list_folders(folder_ / "none", "rank"); },
                      "no such folder");
  testing::write_bytes(folder_ / "cat/readme.txt", "");
  expect_error<Error>([&] { list_folders(folder_.path(), "rank"); },
                      "cat: no picture in this class folder");
}

TEST_F(Folders, ALinkToAFolderAboveIsAnError) {
  testing::write_bytes(folder_ / "cat/x.png", "");
  fs::create_directory_symlink(folder_.path(), folder_ / "cat/up");
  expect_error<Error>([&] { list_folders(folder_.path(), "rank"); },
                      "nested too deep");
}

TEST_F(Folders, LoadsDecodesAndResizes) {
  copy("420.jpg", "cat/1.jpg");
  copy("grey_4.png", "dog/1.png");
  copy("wrong_extension.png", "dog/2.png");
  Preprocess p = default_preprocess(3);
  const Examples examples = load_examples(spec(), {3, 8, 8}, p);
  ASSERT_EQ(examples.count, 3);
  EXPECT_EQ(examples.labels, (std::vector<int32_t>{0, 1, 1}));
  EXPECT_EQ(examples.class_names, (std::vector<std::string>{"cat", "dog"}));
  EXPECT_EQ(examples.paths[1], (folder_ / "dog/1.png").string());

  const Preparer preparer({3, 8, 8}, p, "tiny");
  const std::string file =
      testing::read_bytes(pictures_folder() / "grey_4.png");
  std::vector<uint8_t> second(3 * 64);
  preparer.prepare(decode_picture(std::as_bytes(std::span(file)), "x"), "x",
                   second);
  EXPECT_TRUE(std::equal(second.begin(), second.end(),
                         examples.pixels.begin() + 3 * 64));
}

TEST_F(Folders, NamesThePictureThatCannotBeDecoded) {
  copy("420.jpg", "cat/1.jpg");
  testing::write_bytes(folder_ / "cat/2.jpg", "not a picture");
  expect_error<Error>(
      [&] { load_examples(spec(), {}, {}); },
      (folder_ / "cat/2.jpg").string() + ": is no JPEG, PNG or WebP file");
}

TEST_F(Folders, BadPicturesAreLeftOutWhenTheyMayBe) {
  log::set_level(log::Level::kQuiet);
  copy("420.jpg", "cat/1.jpg");
  testing::write_bytes(folder_ / "cat/2.jpg", "not a picture");
  copy("rgb.png", "dog/1.png");
  testing::write_bytes(folder_ / "dog/2.jpg", "");
  copy("444.jpg", "dog/3.jpg");
  DatasetSpec tolerant = spec();
  tolerant.skip_bad = 1;
  expect_error<Error>(
      [&] {
        load_examples(tolerant, {3, 4, 4}, {});
      },
      (folder_ / "cat/2.jpg").string() +
          ": is no JPEG, PNG or WebP file (2 pictures are "
          "bad)");
  tolerant.skip_bad = 2;
  const Examples some = load_examples(tolerant, {3, 4, 4}, {});
  log::set_level(log::Level::kNormal);
  EXPECT_EQ(some.count, 3);
  EXPECT_EQ(some.labels, (std::vector<int32_t>{0, 1, 1}));
  EXPECT_EQ(some.paths[2], (folder_ / "dog/3.jpg").string());
  fs::remove(folder_ / "cat/2.jpg");
  fs::remove(folder_ / "dog/2.jpg");
  const Examples good = load_examples(spec(), {3, 4, 4}, {});
  EXPECT_EQ(good.content, some.content);
  for (int64_t i = 0; i < 3; ++i) {
    const auto one = some.picture(i);
    EXPECT_TRUE(std::equal(one.begin(), one.end(), good.picture(i).begin()));
  }
}

TEST_F(Folders, RangeTakesAPart) {
  copy("420.jpg", "cat/1.jpg");
  copy("rgb.png", "dog/1.png");
  DatasetSpec part = spec();
  part.range = {1, 2};
  const Examples examples = load_examples(part, {3, 4, 4}, {});
  EXPECT_EQ(examples.labels, (std::vector<int32_t>{1}));
  EXPECT_EQ(examples.paths.size(), 1U);
}

TEST_F(Folders, RefusesMorePicturesThanMemory) {
  copy("420.jpg", "cat/1.jpg");
  Preprocess p;
  p.resize = "exact";
  expect_error<Error>(
      [&] {
        load_examples(spec(), {3, 1 << 24, 1 << 24}, p);
      },
      "need more memory");
}

}  // namespace
}  // namespace soup
