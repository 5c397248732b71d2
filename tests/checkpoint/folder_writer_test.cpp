#include "checkpoint/folder_writer.h"

#include <gtest/gtest.h>

#include "checkpoint/bytes.h"
#include "soup/error.h"
#include "support/expect_error.h"
#include "support/temp_folder.h"

namespace soup {
namespace {

namespace fs = std::filesystem;
using testing::as_bytes;
using testing::expect_error;
using testing::get;
using testing::put;
using testing::TempFolder;
using testing::values_of;

using Plan = std::vector<std::vector<size_t>>;

// Tensors of 4, 6 and 5 bytes and a second name for the first.
std::vector<TensorInfo> four() {
  return {{.name = "a", .dtype = DType::kU8, .shape = {4}},
          {.name = "b", .dtype = DType::kU8, .shape = {6}},
          {.name = "c", .dtype = DType::kU8, .shape = {5}},
          {.name = "d", .dtype = DType::kU8, .shape = {4}, .tied_to = 0}};
}

int64_t write(const fs::path& out, const WriteOptions& options = {},
              const std::map<std::string, std::string>& metadata = {}) {
  const auto writer = create_checkpoint(out, four(), metadata, options);
  writer->write(0, 0, as_bytes("aaaa"));
  writer->write(1, 3, as_bytes("BBB"));
  writer->write(1, 0, as_bytes("bbb"));
  writer->write(2, 0, as_bytes("ccccc"));
  return writer->commit(metadata);
}

size_t entries(const fs::path& folder) {
  return static_cast<size_t>(
      std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
}

TEST(FolderWriter, FillsShardsOneAfterTheOther) {
  EXPECT_EQ(plan_shards(four(), 100), (Plan{{0, 1, 2, 3}}));
  EXPECT_EQ(plan_shards(four(), 10), (Plan{{0, 1, 3}, {2}}));
  EXPECT_EQ(plan_shards(four(), 9), (Plan{{0, 3}, {1}, {2}}));
  EXPECT_EQ(plan_shards(four(), 1), (Plan{{0, 3}, {1}, {2}}));
  EXPECT_EQ(plan_shards({}, 1), (Plan{{}}));
}

TEST(FolderWriter, WritesShardsWithAnIndex) {
  const TempFolder folder;
  write(folder / "out/", {.shard_size = 10}, {{"k", "v"}});
  EXPECT_EQ(entries(folder.path()), 1U);
  EXPECT_EQ(entries(folder / "out"), 3U);
  EXPECT_EQ(get(folder / "out" / "model.safetensors.index.json"),
            "{\n"
            "  \"metadata\": {\n"
            "    \"k\": \"v\",\n"
            "    \"total_size\": 15\n"
            "  },\n"
            "  \"weight_map\": {\n"
            "    \"a\": \"model-00001-of-00002.safetensors\",\n"
            "    \"b\": \"model-00001-of-00002.safetensors\",\n"
            "    \"c\": \"model-00002-of-00002.safetensors\"\n"
            "  }\n"
            "}\n");
  const CheckpointPtr again = open_checkpoint(folder / "out");
  EXPECT_EQ(values_of(*again, "b"), "bbbBBB");
  EXPECT_EQ(values_of(*again, "c"), "ccccc");
  EXPECT_EQ(values_of(*again, "d"), "aaaa");
  EXPECT_EQ(again->tensors()[*again->find("d")].tied_to,
            static_cast<int64_t>(*again->find("a")));
  EXPECT_EQ(again->metadata().at("k"), "v");
}

TEST(FolderWriter, WritesOneFileWithoutAnIndex) {
  const TempFolder folder;
  write(folder / "out/", {}, {{"k", "v"}});
  EXPECT_EQ(entries(folder / "out"), 1U);
  const CheckpointPtr again = open_checkpoint(folder / "out");
  EXPECT_EQ(values_of(*again, "a"), "aaaa");
  EXPECT_EQ(again->metadata().at("k"), "v");
}

TEST(FolderWriter, CopiesWhatBelongsToTheModel) {
  const TempFolder folder;
  fs::create_directory(folder / "first");
  put(folder / "first" / "config.json", "{1}");
  put(folder / "first" / "tokenizer.json", "{2}");
  put(folder / "first" / "optimizer.pt", "no");
  write(folder / "out/", {.companions = folder / "first"});
  EXPECT_EQ(entries(folder / "out"), 3U);
  EXPECT_EQ(get(folder / "out" / "config.json"), "{1}");
  EXPECT_EQ(get(folder / "out" / "tokenizer.json"), "{2}");
}

TEST(FolderWriter, AppearsWholeOrNotAtAll) {
  const TempFolder folder;
  {
    const auto writer =
        create_checkpoint(folder / "out/", four(), {}, {.shard_size = 5});
    writer->write(0, 0, as_bytes("aaaa"));
    EXPECT_FALSE(fs::exists(folder / "out"));
    EXPECT_THROW(writer->commit({}), Error);
  }
  EXPECT_EQ(entries(folder.path()), 0U);
}

TEST(FolderWriter, ReplacesAModelOnlyWithForce) {
  const TempFolder folder;
  const fs::path out = folder / "out";
  write(out / "");
  expect_error<Error>([&] { write(out); }, "--force replaces the folder");
  expect_error<Error>([&] { check_output(out); }, "--force");
  put(out / "notes.txt", "old");
  write(out, {.force = true, .shard_size = 5});
  EXPECT_FALSE(fs::exists(out / "notes.txt"));
  EXPECT_FALSE(fs::exists(out / "model.safetensors"));
  EXPECT_EQ(entries(out), 4U);
  EXPECT_EQ(entries(folder.path()), 1U);
}

TEST(FolderWriter, NeverReplacesWhatIsNoModel) {
  const TempFolder folder;
  const fs::path out = folder / "out";
  fs::create_directory(out);
  check_output(out);  // an empty folder is as good as none
  put(out / "thesis.tex", "x");
  expect_error<Error>([&] { write(out, {.force = true}); },
                      "holds more than a model");
  put(out / "model.safetensors", "x");
  fs::create_directory(out / "sub");
  expect_error<Error>([&] { write(out, {.force = true}); },
                      "holds more than a model");
  EXPECT_TRUE(fs::exists(out / "thesis.tex"));
  put(folder / "file", "x");
  expect_error<Error>([&] { check_output(folder / "file" / ""); },
                      "is no folder");
}

TEST(FolderWriter, TakesTheNameOfAnEmptyFolder) {
  const TempFolder folder;
  fs::create_directory(folder / "out");
  write(folder / "out");
  EXPECT_EQ(open_checkpoint(folder / "out")->tensors().size(), 4U);
  EXPECT_EQ(entries(folder.path()), 1U);
}

}  // namespace
}  // namespace soup
