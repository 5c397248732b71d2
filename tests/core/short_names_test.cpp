#include "core/short_names.h"

#include <gtest/gtest.h>

#include <vector>

namespace soup {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> short_names(const std::vector<fs::path>& paths) {
  const ShortNames names(paths);
  std::vector<std::string> all;
  for (const fs::path& path : paths) all.push_back(names.of(path));
  return all;
}

using Names = std::vector<std::string>;

TEST(ShortNames, AreTheNamesOfFiles) {
  EXPECT_EQ(short_names({"zoo/a.pt", "b.pt"}), (Names{"a.pt", "b.pt"}));
  EXPECT_EQ(short_names({"/runs/one/model.safetensors"}),
            (Names{"model.safetensors"}));
}

TEST(ShortNames, OrOfFoldersThatTellThemApart) {
  EXPECT_EQ(short_names({"runs/1/model.safetensors", "runs/2/model.safetensors",
                         "/old/3/model.safetensors"}),
            (Names{"1", "2", "3"}));
  EXPECT_EQ(short_names({"a/last/m.pt", "b/last/m.pt"}),
            (Names{"a/last", "b/last"}));
  EXPECT_EQ(short_names({"m.pt", "a/m.pt"}), (Names{"m.pt", "a"}));
}

TEST(ShortNames, OfSeveralFilesEach) {
  EXPECT_EQ(short_names({"a/1.pt", "a/2.pt", "b/1.pt"}),
            (Names{"a/1.pt", "a/2.pt", "b/1.pt"}));
}

TEST(ShortNames, OfStrangersAndWidths) {
  const std::vector<fs::path> paths = {"a/1.pt", "b/1.pt"};
  const ShortNames names(paths);
  EXPECT_EQ(names.of("c/2.pt"), "2.pt");
  EXPECT_EQ(names.widest(), 1U);
  EXPECT_EQ(ShortNames({}).widest(), 0U);
}

}  // namespace
}  // namespace soup
