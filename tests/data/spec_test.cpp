#include "data/spec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "core/json.h"
#include "data/fixtures.h"
#include "soup/error.h"
#include "support/expect_error.h"
#include "support/temp_folder.h"

namespace soup {
namespace {

namespace fs = std::filesystem;
using testing::expect_error;

DatasetSpec parse(const std::string& text) {
  return parse_spec(parse_json(text, "pets.json"), "pets.json", "/data");
}

TEST(Spec, ReadsEveryKeyOfFolders) {
  const DatasetSpec spec = parse(R"({
      "name": "pets-held-out", "summary": "pets", "loader": "folders",
      "path": "pets/train", "labels": "integer", "range": [10, 20],
      "preprocess": {"size": 224, "resize": "shorter", "filter": "lanczos",
                     "crop_pct": 0.9, "mean": [0.1, 0.2, 0.3],
                     "std": [0.4, 0.5, 0.6]}})");
  EXPECT_EQ(spec.name, "pets-held-out");
  EXPECT_EQ(spec.summary, "pets");
  EXPECT_EQ(spec.path, "/data/pets/train");
  EXPECT_EQ(spec.labels, "integer");
  EXPECT_EQ(spec.range, (std::array<int64_t, 2>{10, 20}));
  EXPECT_EQ(spec.preprocess.size, 224);
  EXPECT_EQ(spec.preprocess.resize, "shorter");
  EXPECT_EQ(spec.preprocess.filter, "lanczos");
  EXPECT_EQ(spec.preprocess.crop_pct, 0.9);
  EXPECT_EQ(spec.preprocess.mean, (std::vector<double>{0.1, 0.2, 0.3}));
  EXPECT_EQ(spec.preprocess.std, (std::vector<double>{0.4, 0.5, 0.6}));
}

TEST(Spec, FilesOfIdxLieInItsFolder) {
  const DatasetSpec spec = parse(
      R"({"loader": "idx", "path": "m", "images": "i.gz", "labels": "/l.gz"})");
  EXPECT_EQ(spec.name, "pets");
  EXPECT_EQ(spec.images, "/data/m/i.gz");
  EXPECT_EQ(spec.labels_file, "/l.gz");
}

TEST(Spec, FilesLieInTheirFolder) {
  const DatasetSpec spec = parse(
      R"({"loader": "cifar10", "path": "c", "files": ["1.bin", "/2.bin"]})");
  EXPECT_EQ(spec.files, (std::vector<fs::path>{"/data/c/1.bin", "/2.bin"}));
  EXPECT_EQ(parse(R"({"loader": "list", "files": ["l.csv"]})").files,
            (std::vector<fs::path>{"/data/l.csv"}));
}

TEST(Spec, RefusesWhatItDoesNotKnow) {
  const auto refused = [](const std::string& text, const std::string& part) {
    expect_error<UsageError>([&] { parse(text); }, part);
  };
  refused(R"([])", "needs the key 'loader'");
  refused(R"({"loader": "folder"})", "did you mean 'folders'");
  refused(R"({"loader": "folders", "path": "x", "lables": "rank"})",
          "pets.json: unknown key 'lables', did you mean 'labels'");
  refused(R"({"loader": "folders", "path": "x", "images": "y"})",
          "unknown key 'images'");
  refused(R"({"loader": "folders"})", "the key 'path' is missing");
  refused(R"({"loader": "idx", "images": "x"})", "the key 'labels' is missing");
  refused(R"({"loader": "list"})", "the key 'files' is missing");
  refused(R"({"loader": "list", "files": []})", "'files' names no file");
  refused(R"({"loader": "list", "files": "x"})", "'files' has the wrong type");
  refused(R"({"loader": "list", "files": ["x"], "labels": "rank"})",
          "unknown key 'labels'");
  refused(R"({"loader": "folders", "path": "x", "labels": "number"})",
          "unknown 'labels': 'number'");
  refused(R"({"loader": "folders", "path": 3})", "'path' has the wrong type");
  for (const char* range : {"3", "[1]", "[2, 2]", "[3, 2]", "[-1, 2]",
                            "[0.5, 2]", "[0, 1e300]", "[0, \"1\"]"}) {
    refused(R"({"loader": "folders", "path": "x", "range": )" +
                std::string(range) + "}",
            "'range' needs two whole numbers");
  }
}

TEST(Spec, RefusesPreprocessingOutOfRange) {
  const auto refused = [](const std::string& text, const std::string& part) {
    expect_error<UsageError>(
        [&] {
          parse(R"({"loader": "folders", "path": "x", "preprocess": )" + text +
                "}");
        },
        part);
  };
  refused(R"({"crop": 1})", "pets.json: preprocess: unknown key 'crop'");
  refused(R"({"size": 0})", "'size' is 0");
  refused(R"({"size": 1.5})", "'size' has the wrong type");
  refused(R"({"resize": "shortest"})", "did you mean 'shorter'");
  refused(R"({"filter": "nearest"})", "there is: bicubic");
  refused(R"({"crop_pct": 1.5})", "'crop_pct' is 1.5");
  refused(R"({"crop_pct": 0})", "'crop_pct' is 0");
  refused(R"({"crop_pct": 0.9, "resize": "exact"})", "has no meaning");
  refused(R"({"mean": [0.5]})", "go together");
  refused(R"({"mean": [0.5, 0.5], "std": [1, 1]})", "one or three");
  refused(R"({"mean": [0.5], "std": [0]})", "positive numbers");
}

TEST(Spec, OverlayKeepsMeanAndStdTogether) {
  Preprocess over;
  over.resize = "exact";
  Preprocess under;
  under.size = 8;
  under.resize = "none";
  under.mean = {1};
  under.std = {2};
  const Preprocess both = overlay(over, under);
  EXPECT_EQ(both.resize, "exact");
  EXPECT_EQ(both.size, 8);
  EXPECT_EQ(both.std, (std::vector<double>{2}));
}

class NamedSets : public ::testing::Test {
 protected:
  testing::TempFolder folder_;
};

TEST_F(NamedSets, AllSpecsOfTheProjectAreRead) {
  const auto named = named_datasets(folder_.path());
  EXPECT_GE(named.size(), 3U);
  for (const NamedDataset& entry : named) {
    EXPECT_EQ(entry.spec.origin.stem(), entry.spec.name);
    EXPECT_FALSE(entry.spec.summary.empty());
    EXPECT_FALSE(entry.present);
  }
}

TEST_F(NamedSets, PresentWhenTheFilesAreThere) {
  for (const char* name : {"images-idx3", "labels-idx1"}) {
    testing::write_bytes(
        folder_ / ("fashion-mnist/t10k-" + std::string(name) + "-ubyte.gz"),
        "");
  }
  for (const NamedDataset& entry : named_datasets(folder_.path())) {
    EXPECT_EQ(entry.present, entry.spec.name == "fashion-mnist-test");
  }
}

TEST_F(NamedSets, HeldOutAndTrainingPicturesDoNotMeet) {
  for (const std::string name :
       {"fashion-mnist", "mnist", "cifar10", "cifar100"}) {
    const DatasetSpec held_out = find_dataset(name, folder_.path());
    const DatasetSpec train = find_dataset(name + "-train", folder_.path());
    const DatasetSpec test = find_dataset(name + "-test", folder_.path());
    EXPECT_EQ(held_out.images, train.images);
    EXPECT_EQ(held_out.files, train.files);
    EXPECT_EQ((*train.range)[1], (*held_out.range)[0]);
    EXPECT_FALSE(same_examples(held_out, train));
    EXPECT_FALSE(same_examples(held_out, test));
    EXPECT_TRUE(same_examples(held_out, held_out));
  }
}

TEST_F(NamedSets, RootIsTheOptionThenTheEnvironment) {
  const char* before = std::getenv("SOUP_DATA");
  const std::string saved = before != nullptr ? before : "";
  setenv("SOUP_DATA", "/elsewhere", 1);
  EXPECT_EQ(find_dataset("fashion-mnist", "").path, "/elsewhere/fashion-mnist");
  EXPECT_EQ(find_dataset("fashion-mnist", "/d").path, "/d/fashion-mnist");
  unsetenv("SOUP_DATA");
  EXPECT_EQ(find_dataset("fashion-mnist", "").path,
            "/usr/share/datasets/fashion-mnist");
  if (before != nullptr) setenv("SOUP_DATA", saved.c_str(), 1);
}

TEST_F(NamedSets, UnknownNamesGetASuggestion) {
  expect_error<UsageError>([] { find_dataset("fashion-mnits", ""); },
                           "did you mean 'fashion-mnist'");
  expect_error<UsageError>([] { find_dataset("", ""); }, "unknown data set ''");
  expect_error<Error>([] { find_dataset("no/such/folder", ""); },
                      "no/such/folder: no such folder");
  expect_error<Error>([] { find_dataset("no.json", ""); }, "no.json");
}

TEST_F(NamedSets, ASpecFileStartsAtItsOwnFolder) {
  testing::write_bytes(folder_ / "s/pets.json",
                       R"({"loader": "folders", "path": "../pets"})");
  const DatasetSpec spec =
      find_dataset((folder_ / "s/pets.json").string(), "/unused");
  EXPECT_EQ(spec.name, "pets");
  EXPECT_TRUE(same_examples(spec, folder_spec(folder_ / "pets")));
}

TEST_F(NamedSets, AFolderIsASpecOfItsOwn) {
  fs::create_directories(folder_ / "pets/cat");
  const DatasetSpec spec = find_dataset((folder_ / "pets/").string(), "");
  EXPECT_EQ(spec.name, "pets");
  EXPECT_EQ(spec.loader, "folders");
  EXPECT_EQ(spec.labels, "rank");
  DatasetSpec part = spec;
  part.range = {0, 1};
  EXPECT_FALSE(same_examples(spec, part));
}

TEST_F(NamedSets, SameFilesBehindALinkAreTheSame) {
  fs::create_directories(folder_ / "pets");
  fs::create_directory_symlink(folder_ / "pets", folder_ / "link");
  EXPECT_TRUE(same_examples(folder_spec(folder_ / "pets"),
                            folder_spec(folder_ / "link")));
}

}  // namespace
}  // namespace soup
