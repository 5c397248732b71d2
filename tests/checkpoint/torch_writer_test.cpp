#include <gtest/gtest.h>

#include "checkpoint/bytes.h"
#include "core/zip.h"
#include "soup/checkpoint.h"
#include "soup/error.h"
#include "support/expect_error.h"
#include "support/temp_folder.h"

namespace soup {
namespace {

namespace fs = std::filesystem;
using testing::as_bytes;
using testing::as_text;
using testing::expect_error;
using testing::fixture;
using testing::fixture_values;
using testing::get;
using testing::put;
using testing::TempFolder;
using testing::values_of;

std::vector<TensorInfo> three() {
  return {{.name = "a", .dtype = DType::kU8, .shape = {5}},
          {.name = "b", .dtype = DType::kF8E4M3, .shape = {2}},
          {.name = "c", .dtype = DType::kU8, .shape = {5}, .tied_to = 0}};
}

size_t entries(const fs::path& folder) {
  return static_cast<size_t>(
      std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
}

TEST(TorchWriter, WritesWhatTorchReads) {
  // written.pt is what scripts/check_torch_output.py has shown to torch.
  const TempFolder folder;
  const CheckpointPtr plain = open_checkpoint(fixture("plain.pt"));
  save_checkpoint(*plain, folder / "o.pt", {{"made", "by hand"}});
  EXPECT_TRUE(get(folder / "o.pt") == get(fixture("written.pt")));
}

TEST(TorchWriter, GivesBackEveryTensor) {
  const TempFolder folder;
  const CheckpointPtr plain = open_checkpoint(fixture("plain.pt"));
  for (const char* name : {"o.pt", "o.pth", "o.bin"}) {
    save_checkpoint(*plain, folder / name);
    const CheckpointPtr again = open_checkpoint(folder / name);
    EXPECT_EQ(again->format(), "torch");
    ASSERT_EQ(again->tensors().size(), plain->tensors().size());
    for (size_t i = 0; i < plain->tensors().size(); ++i) {
      EXPECT_EQ(again->tensors()[i].name, plain->tensors()[i].name);
      EXPECT_EQ(again->tensors()[i].shape, plain->tensors()[i].shape);
      EXPECT_EQ(again->tensors()[i].dtype, plain->tensors()[i].dtype);
      EXPECT_EQ(again->tensors()[i].tied_to, plain->tensors()[i].tied_to);
      EXPECT_EQ(as_text(again->read(i).bytes()),
                as_text(plain->read(i).bytes()));
    }
  }
}

TEST(TorchWriter, KeepsFourBitFloats) {
  const TempFolder folder;
  MemoryCheckpoint memory(
      "m", {{.name = "w", .dtype = DType::kF4, .shape = {2, 6}}});
  memory.mutable_bytes(0)[5] = std::byte{0x21};
  save_checkpoint(memory, folder / "o.pt");
  const CheckpointPtr again = open_checkpoint(folder / "o.pt");
  EXPECT_EQ(again->tensors()[0].dtype, DType::kF4);
  EXPECT_EQ(again->tensors()[0].shape, (std::vector<int64_t>{2, 6}));
  EXPECT_EQ(values_of(*again, "w").back(), 0x21);
}

TEST(TorchWriter, TakesRangesInAnyOrderAndChecksThem) {
  const TempFolder folder;
  const auto writer = create_checkpoint(folder / "o.pt", three(), {{"k", "1"}});
  writer->write(0, 3, as_bytes("de"));
  writer->write(1, 0, as_bytes("xy"));
  expect_error<Error>([&] { writer->commit({{"k", "2"}}); }, "4 of 7 bytes");
  writer->write(0, 0, as_bytes("a"));
  writer->write(0, 1, as_bytes("bc"));
  writer->write(2, 0, as_bytes("zzzzz"));
  expect_error<Error>(
      [&] {
        writer->commit({{"k", "22"}});
      },
      "metadata changed size");
  writer->commit({{"k", "2"}});
  const CheckpointPtr file = open_checkpoint(folder / "o.pt");
  EXPECT_EQ(values_of(*file, "a"), "abcde");
  EXPECT_EQ(values_of(*file, "c"), "abcde");
  EXPECT_EQ(values_of(*file, "b"), "xy");
  EXPECT_EQ(file->metadata().at("k"), "2");
  EXPECT_EQ(entries(folder.path()), 1U);
}

TEST(TorchWriter, NoticesWhatIsWrittenTwice) {
  const TempFolder folder;
  {
    const auto writer = create_checkpoint(folder / "o.pt", three(), {});
    writer->write(0, 0, as_bytes("abc"));
    writer->write(0, 0, as_bytes("ab"));
    writer->write(1, 0, as_bytes("xy"));
    expect_error<Error>([&] { writer->commit({}); }, "written twice");
  }
  EXPECT_EQ(entries(folder.path()), 0U);
}

TEST(TorchWriter, AlignsValues) {
  const std::string file = get(fixture("written.pt"));
  const ZipArchive archive(as_bytes(file), "x");
  size_t storages = 0;
  for (const ZipEntry& entry : archive.entries()) {
    EXPECT_EQ(entry.begin % 64, 0U) << entry.name;
    storages += entry.name.starts_with("archive/data/") ? 1 : 0;
  }
  EXPECT_EQ(storages, 30U);  // one is tied
}

TEST(TorchWriter, PutsTheRecipeBesideTheFileAndInIt) {
  const TempFolder folder;
  const CheckpointPtr plain = open_checkpoint(fixture("plain.pt"));
  save_checkpoint(*plain, folder / "o.pt", {{"soup.recipe", "{}"}});
  EXPECT_EQ(get(folder / "o.pt.recipe.json"), "{}");
  fs::remove(folder / "o.pt.recipe.json");
  EXPECT_EQ(open_checkpoint(folder / "o.pt")->metadata().at("soup.recipe"),
            "{}");
}

TEST(TorchWriter, NeverLeavesTheRecipeOfAnotherFile) {
  const TempFolder folder;
  const fs::path sidecar = folder / "o.pt.recipe.json";
  const CheckpointPtr plain = open_checkpoint(fixture("plain.pt"));
  put(sidecar, "old");
  expect_error<Error>([&] { save_checkpoint(*plain, folder / "o.pt"); },
                      "o.pt.recipe.json: exists already");
  expect_error<Error>([&] { check_output(folder / "o.pt"); }, "--force");
  check_output(folder / "o.pt", {.force = true});
  save_checkpoint(*plain, folder / "o.pt", {}, {.force = true});
  EXPECT_FALSE(fs::exists(sidecar));
}

TEST(TorchWriter, RefusesTensorsThatTorchDoesNotHave) {
  const TempFolder folder;
  const auto create = [&](DType dtype, std::vector<int64_t> shape) {
    create_checkpoint(
        folder / "o.pt",
        std::vector<TensorInfo>{{.name = "w", .dtype = dtype, .shape = shape}},
        {});
  };
  expect_error<Error>([&] { create(DType::kF6E2M3, {4}); },
                      "'w' is F6_E2M3, which torch does not have");
  expect_error<Error>([&] { create(DType::kF4, {2, 3}); }, "half a byte");
  EXPECT_EQ(entries(folder.path()), 0U);
}

}  // namespace
}  // namespace soup
