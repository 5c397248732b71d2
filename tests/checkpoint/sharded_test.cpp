#include "checkpoint/sharded.h"

#include <gtest/gtest.h>

#include "checkpoint/bytes.h"
#include "soup/error.h"
#include "support/expect_error.h"
#include "support/temp_folder.h"

namespace soup {
namespace {

namespace fs = std::filesystem;
using testing::expect_error;
using testing::put;
using testing::TempFolder;
using testing::values_of;

void save(const fs::path& path, const std::string& name, char fill) {
  MemoryCheckpoint memory("m",
                          {{.name = name, .dtype = DType::kU8, .shape = {3}}});
  for (std::byte& byte : memory.mutable_bytes(0)) byte = std::byte(fill);
  save_checkpoint(memory, path, {}, {.force = true});
}

const char* const kIndex =
    R"({"metadata":{"total_size":6,"soup.recipe":"{}"},"weight_map":)"
    R"({"module.a":"one.safetensors","module.b":"two.bin"}})";

void make(const fs::path& folder) {
  save(folder / "one.safetensors", "module.a", 'a');
  save(folder / "two.bin", "module.b", 'b');
  put(folder / "model.safetensors.index.json", kIndex);
}

TEST(Sharded, ReadsAFolderAsOneCheckpoint) {
  const TempFolder folder;
  make(folder.path());
  for (const fs::path& path :
       {folder.path(), folder / "model.safetensors.index.json"}) {
    const CheckpointPtr file = open_checkpoint(path);
    EXPECT_EQ(file->path(), folder.path());
    EXPECT_EQ(file->format(), "sharded");
    EXPECT_EQ(values_of(*file, "a"), "aaa");
    EXPECT_EQ(values_of(*file, "b"), "bbb");
    EXPECT_EQ(file->metadata().at("soup.recipe"), "{}");
  }
  EXPECT_EQ(collect_checkpoints(std::vector{folder.path()}).size(), 1U);
}

TEST(Sharded, PrefersSafetensorsToPickles) {
  const TempFolder folder;
  make(folder.path());
  fs::rename(folder / "model.safetensors.index.json",
             folder / "pytorch_model.bin.index.json");
  save(folder / "model.safetensors", "whole", 'w');
  EXPECT_EQ(open_checkpoint(folder.path())->find("whole"), 0U);
  put(folder / "model.safetensors.index.json", kIndex);
  EXPECT_EQ(open_checkpoint(folder.path())->find("whole"), std::nullopt);
}

TEST(Sharded, TakesOtherNamesOfAnIndexUnlessThereAreSeveral) {
  const TempFolder folder;
  make(folder.path());
  fs::rename(folder / "model.safetensors.index.json", folder / "a.index.json");
  EXPECT_EQ(open_checkpoint(folder.path())->tensors().size(), 2U);
  put(folder / "b.index.json", kIndex);
  expect_error<Error>([&] { open_checkpoint(folder.path()); },
                      "has more than one index");
}

TEST(Sharded, ReportsMissingShardsAndTensors) {
  const TempFolder folder;
  make(folder.path());
  save(folder / "two.bin", "module.c", 'b');
  expect_error<Error>([&] { open_checkpoint(folder.path()); },
                      "1 tensors are missing, first 'module.b', expected in "
                      "'two.bin'");
  fs::remove(folder / "two.bin");
  expect_error<Error>([&] { open_checkpoint(folder.path()); },
                      "names 'two.bin', which is missing");
  put(folder / "two.bin", "junk");
  expect_error<Error>([&] { open_checkpoint(folder.path()); },
                      "two.bin: not a checkpoint");
}

TEST(Sharded, DoesNotFollowLinksOutOfTheFolder) {
  const TempFolder folder;
  fs::create_directory(folder / "model");
  fs::create_directory(folder / "elsewhere");
  make(folder / "model");
  fs::rename(folder / "model" / "two.bin", folder / "elsewhere" / "two.bin");
  fs::create_symlink("../elsewhere/two.bin", folder / "model" / "two.bin");
  expect_error<Error>([&] { open_checkpoint(folder / "model"); },
                      "two.bin: a link to another folder");
}

TEST(Sharded, ReadsTheCacheOfAHub) {
  // Every file of a snapshot is a link to the same folder of blobs.
  const TempFolder folder;
  fs::create_directory(folder / "blobs");
  fs::create_directory(folder / "snapshot");
  make(folder / "blobs");
  for (const char* name :
       {"one.safetensors", "two.bin", "model.safetensors.index.json"}) {
    fs::create_symlink("../blobs/" + std::string(name),
                       folder / "snapshot" / name);
  }
  EXPECT_EQ(open_checkpoint(folder / "snapshot")->tensors().size(), 2U);
}

TEST(Sharded, ReadsAdapters) {
  const TempFolder folder;
  put(folder / "adapter_config.json", "{}");
  expect_error<Error>([&] { open_checkpoint(folder.path()); },
                      "no adapter_model");
  save(folder / "adapter_model.safetensors", "q.lora_A.weight", 'x');
  EXPECT_EQ(open_checkpoint(folder.path())->tensors().size(), 1U);
}

}  // namespace
}  // namespace soup
