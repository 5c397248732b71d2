#include <gtest/gtest.h>

#include "checkpoint/bytes.h"
#include "soup/checkpoint.h"
#include "soup/error.h"
#include "support/expect_error.h"
#include "support/temp_folder.h"

namespace soup {
namespace {

namespace fs = std::filesystem;
using testing::expect_error;
using testing::put;
using testing::TempFolder;

// A checkpoint with one tensor of a hundred bytes, all `fill`.
void save(const fs::path& path, char fill,
          const std::map<std::string, std::string>& metadata = {}) {
  MemoryCheckpoint memory("m",
                          {{.name = "w", .dtype = DType::kU8, .shape = {100}}});
  for (std::byte& byte : memory.mutable_bytes(0)) byte = std::byte(fill);
  save_checkpoint(memory, path, metadata);
}

std::vector<std::string> names(const std::vector<fs::path>& paths,
                               const CollectOptions& options = {}) {
  std::vector<std::string> out;
  for (const CheckpointPtr& one : collect_checkpoints(paths, options)) {
    out.push_back(one->path().filename().string());
  }
  return out;
}

using Names = std::vector<std::string>;

TEST(Collect, TakesAFolderInNaturalOrder) {
  const TempFolder folder;
  save(folder / "m_10.safetensors", 1);
  save(folder / "m_9.safetensors", 2);
  EXPECT_EQ(names({folder.path()}),
            (Names{"m_9.safetensors", "m_10.safetensors"}));
}

TEST(Collect, TakesFilesAsGiven) {
  const TempFolder folder;
  save(folder / "b.safetensors", 1);
  save(folder / "a.safetensors", 2);
  EXPECT_EQ(names({folder / "b.safetensors", folder / "a.safetensors"}),
            (Names{"b.safetensors", "a.safetensors"}));
}

TEST(Collect, PassesOverWhatIsNoCheckpoint) {
  const TempFolder folder;
  save(folder / "a.safetensors", 1);
  save(folder / "._a.safetensors", 2);
  put(folder / "log.txt", "epoch 1");
  put(folder / "empty.txt", "");
  fs::create_directory(folder / "sub");
  save(folder / "sub" / "b.safetensors", 2);
  EXPECT_EQ(names({folder.path()}), Names{"a.safetensors"});
  expect_error<Error>([&] { names({folder / "log.txt"}); },
                      "log.txt: not a checkpoint");
  expect_error<Error>([&] { names({folder / "gone"}); }, "gone");
}

TEST(Collect, ReportsEveryBrokenFile) {
  const TempFolder folder;
  save(folder / "a.safetensors", 1);
  put(folder / "b.safetensors", testing::little(99, 8) + "{\"x");
  put(folder / "c.safetensors", testing::safetensors("{}", 3));
  const auto collect = [&] { names({folder.path()}); };
  expect_error<Error>(collect, "b.safetensors: the header has 99 bytes");
  expect_error<Error>(collect, "c.safetensors: the header describes 0");
  expect_error<Error>(collect, "--ignore");
  EXPECT_EQ(names({folder.path()}, {.ignore = {"[bc].*"}}),
            Names{"a.safetensors"});
}

TEST(Collect, PassesOverSoupsInFoldersOnly) {
  const TempFolder folder;
  save(folder / "a.safetensors", 1);
  save(folder / "soup.safetensors", 2, {{"soup.recipe", "{}"}});
  EXPECT_EQ(names({folder.path()}), Names{"a.safetensors"});
  EXPECT_EQ(names({folder.path(), folder / "soup.safetensors"}),
            (Names{"a.safetensors", "soup.safetensors"}));
}

TEST(Collect, CountsTheSameWeightsOnce) {
  const TempFolder folder;
  save(folder / "a.safetensors", 1);
  fs::create_hard_link(folder / "a.safetensors", folder / "b.safetensors");
  fs::copy(folder / "a.safetensors", folder / "c.safetensors");
  save(folder / "d.safetensors", 1, {{"epoch", "3"}});
  save(folder / "e.safetensors", 2);
  EXPECT_EQ(names({folder.path()}), (Names{"a.safetensors", "e.safetensors"}));
  EXPECT_EQ(names({folder / "a.safetensors", folder / "a.safetensors"}),
            Names{"a.safetensors"});
  EXPECT_EQ(names({folder.path()}, {.keep_duplicates = true}).size(), 5U);
}

TEST(Collect, ComparesSuspectsInFull) {
  const TempFolder folder;
  save(folder / "a.safetensors", 1);
  fs::copy(folder / "a.safetensors", folder / "b.safetensors");
  std::fstream file(folder / "b.safetensors",
                    std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(-1, std::ios::end).put(2);  // outside the sampled bytes
  file.close();
  EXPECT_EQ(names({folder.path()}), (Names{"a.safetensors", "b.safetensors"}));
}

TEST(Collect, TakesAModelFolderAsOneCheckpoint) {
  const TempFolder folder;
  for (int run : {10, 9}) {
    const fs::path model = folder / ("run" + std::to_string(run));
    fs::create_directory(model);
    put(model / "config.json", "{}");
    save(model / "model.safetensors", static_cast<char>(run));
  }
  EXPECT_EQ(names({folder / "run9"}), Names{"model.safetensors"});
  const auto both = collect_checkpoints(std::vector{folder.path()});
  ASSERT_EQ(both.size(), 2U);
  EXPECT_EQ(both[0]->path(), folder / "run9" / "model.safetensors");
}

TEST(Collect, AFolderWithoutWeightsIsNoModel) {
  const TempFolder folder;
  put(folder / "config.json", "{}");
  expect_error<Error>([&] { open_checkpoint(folder.path()); },
                      "a folder of files, expected one checkpoint");
}

TEST(Collect, SaysThatNothingIsLeft) {
  const TempFolder folder;
  put(folder / "log.txt", "epoch 1");
  expect_error<Error>([&] { names({folder.path()}); }, "no checkpoint found");
}

}  // namespace
}  // namespace soup
