#include <gtest/gtest.h>

#include "core/log.h"
#include "data/fixtures.h"
#include "soup/data.h"
#include "soup/error.h"
#include "support/expect_error.h"
#include "support/temp_folder.h"

namespace soup {
namespace {

namespace fs = std::filesystem;
using testing::expect_error;

/// Small trees in the shape of ImageNet and its variants, read by the specs of
/// configs/datasets: the label rules of the released code of "Model soups".
class ImageNet : public ::testing::Test {
 protected:
  ImageNet() {
    log::set_level(log::Level::kQuiet);
    fs::copy_file(testing::pictures_folder() / "rgb.png", picture_);
  }
  ~ImageNet() override { log::set_level(log::Level::kNormal); }

  void add(const std::string& path) {
    fs::create_directories((folder_ / path).parent_path());
    fs::create_hard_link(picture_, folder_ / path);  // there are thousands
  }
  /// Folders nNNNNNNNN, in each `pictures` pictures.
  void add_classes(const std::string& root, int classes, int pictures) {
    for (int c = 0; c < classes; ++c) {
      const std::string name = std::to_string(10'000'000 + 7 * c);
      for (int i = 0; i < pictures; ++i) {
        add(root + "/n" + name + "/" + std::to_string(i) + ".JPEG");
      }
    }
  }
  DatasetSpec find(const std::string& name) {
    return find_dataset(name, folder_.path());
  }
  Examples load(const std::string& name) {
    return load_examples(find(name), {3, 4, 4}, {});
  }

  testing::TempFolder folder_;
  const fs::path picture_ = folder_ / "picture.png";
};

TEST_F(ImageNet, ValidationFoldersCountByRank) {
  add_classes("imagenet/val", 1000, 1);
  EXPECT_EQ(check_dataset(find("imagenet-val")).examples, 1000);
  const Examples examples = load("imagenet-val");
  EXPECT_EQ(examples.labels[0], 0);
  EXPECT_EQ(examples.labels[999], 999);
  EXPECT_TRUE(examples.outputs.empty());
  // A class that is missing would shift all that come behind it.
  fs::remove_all(folder_ / "imagenet/val/n10000007");
  expect_error<Error>([&] { load("imagenet-val"); },
                      "has 999 class folders, but imagenet-val has 1000");
  // The other name of the folder wins.
  add_classes("imagenet/val_in_folder", 1000, 1);
  EXPECT_EQ(find("imagenet-val").path, folder_ / "imagenet/val_in_folder");
}

TEST_F(ImageNet, HeldOutIsTwentySixOfAClass) {
  add_classes("imagenet/train", 1000, 27);
  const DataCheck drawn = check_dataset(find("imagenet"));
  EXPECT_EQ(drawn.examples, 26'000);
  EXPECT_EQ(drawn.classes, 1000);
  std::vector<double> mask(27'000, 0);
  mask[0] = mask[26'999] = 1;
  testing::write_bytes(folder_ / "imagenet_98_idxs.npy",
                       testing::npy("<f8", mask));
  const Examples released = load("imagenet");
  EXPECT_EQ(released.labels, (std::vector<int32_t>{0, 999}));
}

TEST_F(ImageNet, AllPlacesThatWereLookedAtAreNamed) {
  expect_error<Error>(
      [&] { load("imagenet-v2"); },
      (folder_ / "ImageNetV2-matched-frequency").string() + ", " +
          (folder_ / "imagenetv2-matched-frequency-format-val").string() +
          ": no such folders; imagenet-v2 is expected in one of them");
}

TEST_F(ImageNet, V2FoldersAreNumbers) {
  for (const char* name : {"0", "10", "9", "999"}) {
    add(std::string("imagenetv2-matched-frequency-format-val/") + name +
        "/x.jpeg");
  }
  EXPECT_EQ(load("imagenet-v2").labels, (std::vector<int32_t>{0, 10, 9, 999}));
}

TEST_F(ImageNet, SubsetsCompareTheirOwnOutputs) {
  add_classes("imagenet-a", 200, 1);
  testing::write_bytes(folder_ / "imagenet-a/README.txt", "");
  const Examples examples = load("imagenet-a");
  EXPECT_EQ(examples.labels[199], 199);
  ASSERT_EQ(examples.outputs.size(), 200U);
  EXPECT_EQ(examples.outputs[0], (std::vector<int32_t>{6}));
  add_classes("imagenet-r", 199, 1);
  expect_error<Error>([&] { load("imagenet-r"); },
                      "has 199 class folders, but imagenet-r has 200");
}

TEST_F(ImageNet, ObjectNetKeepsItsOverlap) {
  for (const char* name : {"alarm_clock", "air_freshener", "banana", "wheel"}) {
    add(std::string("objectnet-1.0/images/") + name + "/x.png");
  }
  const Examples examples = load("objectnet");
  EXPECT_EQ(examples.labels, (std::vector<int32_t>{0, 2, 108}));
  ASSERT_EQ(examples.outputs.size(), 113U);
  EXPECT_EQ(examples.outputs[0], (std::vector<int32_t>{409, 530}));
}

TEST_F(ImageNet, ReaLHasSeveralLabels) {
  // Numbered over all classes, as the validation pictures are.
  for (int c = 0; c < 1000; ++c) {
    add("imagenet/val/n" + std::to_string(10'000'000 + c) + "/val_" +
        std::to_string(20'000 - c) + ".JPEG");
  }
  std::string real = "[[3, 4], []";
  for (int i = 2; i < 1000; ++i) real += ", [" + std::to_string(i) + "]";
  testing::write_bytes(folder_ / "real.json", real + "]");
  const Examples examples = load("imagenet-real");
  EXPECT_EQ(examples.count, 999);
  // The lowest number, in the last folder.
  EXPECT_EQ(examples.labels.back(), 3);
  EXPECT_EQ(examples.also.back(), (std::vector<int32_t>{4}));
  EXPECT_EQ(examples.labels.front(), 999);
}

TEST_F(ImageNet, EverySpecSaysWhatToExpect) {
  for (const NamedDataset& set : named_datasets(folder_.path())) {
    SCOPED_TRACE(set.spec.name);
    EXPECT_FALSE(set.present);
    EXPECT_FALSE(set.spec.summary.empty());
    if (!set.spec.name.starts_with("imagenet")) continue;
    EXPECT_TRUE(set.spec.expect.examples && set.spec.expect.classes);
  }
}

}  // namespace
}  // namespace soup
