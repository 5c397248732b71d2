#include "data/list.h"

#include <gtest/gtest.h>

#include "data/fixtures.h"
#include "soup/error.h"
#include "support/expect_error.h"
#include "support/temp_folder.h"

namespace soup {
namespace {

namespace fs = std::filesystem;
using testing::expect_error;
using testing::pictures_folder;
using testing::write_bytes;

using Files = std::vector<std::string>;

TEST(List, ReadsCsvWithQuotes) {
  const Listing listing = parse_list(
      "\xef\xbb\xbfid,label,path\r\n7,3,a.png\r\n\r\n"
      "8,0,\"b, \"\"c\"\".png\"\r\n9,12,/others/d.png",
      "l.csv", "/pictures");
  EXPECT_EQ(listing.files, (Files{"/pictures/a.png", "/pictures/b, \"c\".png",
                                  "/others/d.png"}));
  EXPECT_EQ(listing.labels, (std::vector<Labels>{{3}, {0}, {12}}));
}

TEST(List, ReadsTsvAsItStands) {
  const Listing listing = parse_list("path\tlabel\tnote\n\"a\", b.png\t3\t\n",
                                     "l.tsv", "/pictures");
  EXPECT_EQ(listing.files, (Files{"/pictures/\"a\", b.png"}));
  EXPECT_EQ(listing.labels, (std::vector<Labels>{{3}}));
}

TEST(List, ExtensionsMayBeLarge) {
  const auto labels = [](const char* text, const char* name) {
    return parse_list(text, name, "/pictures").labels;
  };
  const std::vector<Labels> three = {{3}};
  EXPECT_EQ(labels("path,label\na.png,3\n", "UP.CSV"), three);
  EXPECT_EQ(labels("path\tlabel\na.png\t3\n", "UP.Tsv"), three);
  EXPECT_EQ(labels(R"({"path": "a.png", "label": 3})", "UP.JSONL"), three);
  EXPECT_TRUE(is_list("UP.CSV"));
  EXPECT_FALSE(is_list("UP.XLS"));
}

TEST(List, ReadsJsonLines) {
  const Listing listing = parse_list(
      "{\"path\": \"a.png\", \"label\": 3, \"note\": [1]}\n\n"
      "{\"label\": 0, \"path\": \"\\u00e9.png\"}\n",
      "l.jsonl", "/pictures");
  EXPECT_EQ(listing.files,
            (Files{"/pictures/a.png", "/pictures/\xc3\xa9.png"}));
  EXPECT_EQ(listing.labels, (std::vector<Labels>{{3}, {0}}));
}

TEST(List, NamesTheLineAtFault) {
  const auto refused = [](const std::string& text, const std::string& name,
                          const std::string& message) {
    expect_error<Error>([&] { parse_list(text, name, "/"); },
                        name + ": " + message);
  };
  refused("path,labels\n", "l.csv", "line 1: names no column 'label', but");
  refused("path,label\n\na.png\n", "l.csv", "line 3: has 1 fields, the first");
  refused("path,label\n\"a.png,1\n", "l.csv", "line 2: a quote is not closed");
  refused("path,label\n\"a\"b,1\n", "l.csv", "line 2: text behind a closing");
  refused("path,label\n,1\n", "l.csv", "line 2: has no path");
  for (const char* label : {"", "-1", "1.0", "cat", "99999999999", " 1"}) {
    refused("path,label\na.png," + std::string(label) + "\n", "l.csv",
            "line 2: the label is no whole number");
  }
  refused("[1]\n", "l.jsonl", "line 1: expected an object");
  refused("{\"path\": 1, \"label\": 1}", "l.jsonl", "line 1: expected an");
  refused("{\"path\": \"a\", \"label\": 1.0}", "l.jsonl", "line 1: the label");
  refused("{\"path\": \"a\", \"label\": true}", "l.jsonl", "line 1: the label");
  refused("{\"path\": \"\\u0000\", \"label\": 1}", "l.jsonl", "line 1: has no");
  refused("\n{\n", "l.jsonl", "line 2");
  refused("path,label\n", "l.txt", "the name of a list ends in");
}

class ListFiles : public ::testing::Test {
 protected:
  ListFiles() {
    fs::create_directories(folder_ / "p");
    fs::copy_file(pictures_folder() / "420.jpg", folder_ / "p/1.jpg");
    fs::copy_file(pictures_folder() / "rgb.png", folder_ / "p/2.png");
    write_bytes(folder_ / "pets.csv", "path,label\np/2.png,5\np/1.jpg,2\n");
  }

  testing::TempFolder folder_;
};

TEST_F(ListFiles, AListIsADataSetOfItsOwn) {
  const DatasetSpec spec = find_dataset((folder_ / "pets.csv").string(), "");
  EXPECT_EQ(spec.name, "pets");
  const Examples examples = load_examples(spec, {3, 8, 8}, {});
  EXPECT_EQ(examples.labels, (std::vector<int32_t>{5, 2}));
  EXPECT_EQ(examples.paths, (Files{(folder_ / "p/2.png").string(),
                                   (folder_ / "p/1.jpg").string()}));
}

TEST_F(ListFiles, SpecsJoinLists) {
  write_bytes(folder_ / "more.tsv", "label\tpath\n7\tp/1.jpg\n");
  write_bytes(folder_ / "all.json",
              R"({"loader": "list", "files": ["pets.csv", "more.tsv"]})");
  const DatasetSpec spec = find_dataset((folder_ / "all.json").string(), "");
  EXPECT_EQ(load_examples(spec, {3, 8, 8}, {}).labels,
            (std::vector<int32_t>{5, 2, 7}));
  EXPECT_FALSE(
      same_examples(spec, find_dataset((folder_ / "pets.csv").string(), "")));
}

TEST_F(ListFiles, NamesThePictureThatIsNotThere) {
  write_bytes(folder_ / "pets.csv", "path,label\np/3.png,5\n");
  const DatasetSpec spec = find_dataset((folder_ / "pets.csv").string(), "");
  expect_error<Error>(
      [&] {
        load_examples(spec, {3, 8, 8}, {});
      },
      (folder_ / "p/3.png").string());
}

TEST_F(ListFiles, AnEmptyListIsAnError) {
  write_bytes(folder_ / "pets.csv", "path,label\n");
  const DatasetSpec spec = find_dataset((folder_ / "pets.csv").string(), "");
  expect_error<Error>(
      [&] {
        load_examples(spec, {3, 8, 8}, {});
      },
      "pets: has no examples");
}

}  // namespace
}  // namespace soup
