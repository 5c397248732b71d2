#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/json.h"
#include "data/fixtures.h"
#include "data/spec.h"
#include "soup/data.h"
#include "soup/error.h"
#include "support/expect_error.h"
#include "support/temp_folder.h"

namespace soup {
namespace {

using ::testing::ElementsAre;
using testing::expect_error;
using testing::gzip;
using ::testing::HasSubstr;
using testing::idx;
using testing::read_bytes;
using testing::write_bytes;

// printf '\0\0\10\1\0\0\0\1\0' | sha256sum
constexpr const char* kSha256 =
    "dd6678dd4d4a65187aea2998f0283b84b0954bdf39e390aedd72b021aca7a29e";

/// A data set of one spec, beside which the data lie.
class CheckDataset : public ::testing::Test {
 protected:
  void put(const std::string& picture, const std::string& to) {
    write_bytes(folder_ / to, read_bytes(testing::pictures_folder() / picture));
  }

  DataCheck check(const std::string& json) {
    return check_dataset(parse_spec(parse_json(json, "spec.json"),
                                    folder_ / "spec.json", folder_.path()));
  }

  DataCheck folders(const std::string& rest = "") {
    return check(R"({"loader": "folders", "path": "data")" + rest + "}");
  }

  testing::TempFolder folder_;
};

TEST_F(CheckDataset, CountsAndDecodesPictures) {
  put("420.jpg", "data/a/1.jpg");
  put("rgb.png", "data/b/2.png");
  const DataCheck good = folders();
  EXPECT_EQ(good.examples, 2);
  EXPECT_EQ(good.classes, 2);
  EXPECT_THAT(good.bad, ElementsAre());
  EXPECT_TRUE(good.files.empty());
  write_bytes(folder_ / "data/b/1.png", "no picture");
  write_bytes(folder_ / "data/b/3.png", "");
  const DataCheck bad = folders();
  EXPECT_EQ(bad.examples, 4);
  EXPECT_THAT(bad.bad, ElementsAre(HasSubstr("b/1.png: is no JPEG, PNG"),
                                   HasSubstr("b/3.png: is empty")));
}

TEST_F(CheckDataset, TheSamePicturesHaveTheSameContent) {
  put("420.jpg", "data/a/1.jpg");
  put("rgb.png", "data/b/2.png");
  const std::string content = folders().content;
  EXPECT_EQ(content.size(), 32U);
  // In another place, of other names, in a list.
  write_bytes(folder_ / "l.csv",
              "path,label\ndata/a/1.jpg,0\ndata/b/2.png,1\n");
  const std::string list = R"({"loader": "list", "files": ["l.csv"]})";
  EXPECT_EQ(check(list).content, content);
  // Another label, another picture.
  write_bytes(folder_ / "l.csv",
              "path,label\ndata/a/1.jpg,0\ndata/b/2.png,2\n");
  EXPECT_NE(check(list).content, content);
  put("grey.png", "data/b/2.png");
  EXPECT_NE(folders().content, content);
}

TEST_F(CheckDataset, FilesAreHashedAsTheyUnpack) {
  const std::string images = idx({1, 1, 1}, "x");
  const std::string labels = idx({1}, std::string(1, '\0'));
  const std::string spec =
      R"({"loader": "idx", "images": "i", "labels": "l", "expect": {"sha256":
          {"i": ")" +
      std::string(64, '0') + R"("}}})";
  write_bytes(folder_ / "i", images);
  write_bytes(folder_ / "l", labels);
  const DataCheck plain = check(spec);
  EXPECT_EQ(plain.examples, 1);
  EXPECT_EQ(plain.content, "");
  ASSERT_EQ(plain.files.size(), 2U);
  EXPECT_EQ(plain.files[0].path, folder_ / "i");
  EXPECT_EQ(plain.files[0].expected, std::string(64, '0'));
  EXPECT_EQ(plain.files[1].expected, std::nullopt);
  EXPECT_EQ(plain.files[1].sha256, kSha256);
  write_bytes(folder_ / "i", gzip(images));
  write_bytes(folder_ / "l", gzip(labels));
  const DataCheck packed = check(spec);
  EXPECT_EQ(packed.files[0].sha256, plain.files[0].sha256);
  EXPECT_EQ(packed.files[1].sha256, plain.files[1].sha256);
}

TEST_F(CheckDataset, SingleFilesOfFoldersMayBeExpected) {
  write_bytes(folder_ / "data/a/1.jpg", std::string("\0\0\10\1\0\0\0\1\0", 9));
  const DataCheck found =
      folders(R"(, "expect": {"sha256": {"a/1.jpg": ")" + std::string(kSha256) +
              R"(", "a/2.jpg": ")" + kSha256 + R"("}})");
  ASSERT_EQ(found.files.size(), 2U);
  EXPECT_EQ(found.files[0].sha256, kSha256);
  EXPECT_EQ(found.files[1].path, folder_ / "data/a/2.jpg");
  EXPECT_EQ(found.files[1].sha256, "");
}

TEST_F(CheckDataset, HashesAreChecked) {
  for (const char* wrong : {R"({"i": "00"})", R"("00")", R"({"i": 7})"}) {
    EXPECT_THROW(
        folders(R"(, "expect": {"sha256": )" + std::string(wrong) + "}"),
        UsageError);
  }
}

}  // namespace
}  // namespace soup
