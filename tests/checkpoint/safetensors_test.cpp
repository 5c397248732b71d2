#include <gtest/gtest.h>

#include "checkpoint/bytes.h"
#include "soup/checkpoint.h"
#include "soup/error.h"
#include "support/expect_error.h"
#include "support/temp_folder.h"

namespace soup {
namespace {

namespace fs = std::filesystem;
using testing::as_bytes;
using testing::expect_error;
using testing::fixture;
using testing::fixture_values;
using testing::get;
using testing::put;
using testing::TempFolder;
using testing::values_of;

std::vector<TensorInfo> two() {
  return {{.name = "a", .dtype = DType::kU8, .shape = {4}},
          {.name = "b", .dtype = DType::kI16, .shape = {1}}};
}

size_t entries(const fs::path& folder) {
  return static_cast<size_t>(
      std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
}

TEST(Safetensors, ReadsEveryDtypeOfTheReference) {
  const CheckpointPtr file =
      open_checkpoint(fixture("every_dtype.safetensors"));
  EXPECT_EQ(file->format(), "safetensors");
  EXPECT_EQ(file->tensors().size(), 22U);
  EXPECT_EQ(file->metadata().at("format"), "pt");
  for (size_t i = 0; i < file->tensors().size(); ++i) {
    const TensorInfo& tensor = file->tensors()[i];
    EXPECT_EQ(testing::as_text(file->read(i).bytes()), fixture_values(tensor))
        << tensor.name;
    if (tensor.shape == std::vector<int64_t>{2, 3}) {
      EXPECT_EQ(tensor.name, name(tensor.dtype));
    }
  }
}

TEST(Safetensors, WritesTheReferencesBytes) {
  const TempFolder folder;
  for (const char* name : {"every_dtype.safetensors", "no_tensors.safetensors",
                           "tied.safetensors"}) {
    const CheckpointPtr file = open_checkpoint(fixture(name));
    const int64_t size = save_checkpoint(*file, folder / name);
    EXPECT_TRUE(get(folder / name) == get(fixture(name))) << name;
    EXPECT_EQ(size, static_cast<int64_t>(fs::file_size(folder / name)));
  }
}

TEST(Safetensors, HoldsNothingToChooseFrom) {
  for (const OpenOptions& options :
       {OpenOptions{.key = "model"}, OpenOptions{.ema = true}}) {
    expect_error<Error>(
        [&] { open_checkpoint(fixture("tied.safetensors"), options); },
        "holds one state dict");
  }
}

TEST(Safetensors, ReadsTheAliasOfATiedTensor) {
  const CheckpointPtr file = open_checkpoint(fixture("tied.safetensors"));
  ASSERT_EQ(file->tensors().size(), 2U);
  const TensorInfo& alias = file->tensors()[1];
  EXPECT_EQ(alias.tied_to, 0);
  EXPECT_EQ(values_of(*file, alias.name), fixture_values(alias));
}

TEST(Safetensors, RefusesToChooseWhereThereIsNoChoice) {
  for (const OpenOptions& options :
       {OpenOptions{.key = "model"}, OpenOptions{.ema = true}}) {
    expect_error<Error>(
        [&] { open_checkpoint(fixture("tied.safetensors"), options); },
        "holds one state dict");
  }
}

TEST(Safetensors, NoticesThatTheFileChanged) {
  const TempFolder folder;
  put(folder / "x", testing::safetensors(R"({"a":{"dtype":"U8","shape":[9000],)"
                                         R"("data_offsets":[0,9000]}})",
                                         9000));
  const CheckpointPtr file = open_checkpoint(folder / "x");
  fs::resize_file(folder / "x", 100);
  expect_error<Error>([&] { file->read(0); }, "changed while");
}

TEST(SafetensorsWriter, TakesRangesInAnyOrder) {
  const TempFolder folder;
  const auto writer =
      create_checkpoint(folder / "o.safetensors", two(), {{"k", "1"}});
  writer->write(0, 2, as_bytes("cd"));
  writer->write(1, 0, as_bytes("xy"));
  writer->write(0, 0, as_bytes("ab"));
  EXPECT_FALSE(fs::exists(folder / "o.safetensors"));
  writer->commit({{"k", "2"}});
  const CheckpointPtr file = open_checkpoint(folder / "o.safetensors");
  EXPECT_EQ(values_of(*file, "a"), "abcd");
  EXPECT_EQ(values_of(*file, "b"), "xy");
  EXPECT_EQ(file->metadata().at("k"), "2");
  EXPECT_EQ(file->metadata().at("format"), "pt");
}

TEST(SafetensorsWriter, RefusesWhatWouldBreakTheFile) {
  const TempFolder folder;
  const fs::path out = folder / "o.safetensors";
  {
    const auto writer = create_checkpoint(out, two(), {{"k", "1"}});
    expect_error<Error>([&] { writer->write(0, 3, as_bytes("ab")); },
                        "outside its 4 bytes");
    expect_error<Error>([&] { writer->write(0, -1, as_bytes("a")); },
                        "outside its 4 bytes");
    expect_error<Error>([&] { writer->commit({{"k", "1"}}); }, "0 of 6 bytes");
    writer->write(0, 0, as_bytes("abcd"));
    writer->write(1, 0, as_bytes("xy"));
    expect_error<Error>(
        [&] {
          writer->commit({{"k", std::string(20, 'x')}});
        },
        "metadata changed size");
  }
  EXPECT_EQ(entries(folder.path()), 0U);
}

TEST(SafetensorsWriter, RefusesTensorsThatCannotBeWritten) {
  const TempFolder folder;
  const auto create = [&](std::vector<TensorInfo> tensors) {
    create_checkpoint(folder / "o.safetensors", tensors, {});
  };
  expect_error<Error>(
      [&] { create({{.name = "z", .dtype = DType::kC128, .shape = {1}}}); },
      "'z' is complex128");
  expect_error<Error>(
      [&] {
        create({{.name = "a"}, {.name = "a"}});
      },
      "'a' comes twice");
  expect_error<Error>(
      [&] { create({{.name = "a", .dtype = DType::kF4, .shape = {1}}}); },
      "impossible shape");
  expect_error<Error>(
      [&] {
        create({{.name = "a"}, {.name = "b", .tied_to = 1}});
      },
      "'b' is tied");
  EXPECT_EQ(entries(folder.path()), 0U);
}

TEST(SafetensorsWriter, KeepsAnExistingFileWithoutForce) {
  const TempFolder folder;
  const fs::path out = folder / "o.safetensors";
  put(out, "old");
  expect_error<Error>([&] { create_checkpoint(out, two(), {}); }, "--force");
  expect_error<Error>([&] { check_output(out); }, "--force");
  check_output(out, {.force = true});
  const auto writer = create_checkpoint(out, two(), {}, {.force = true});
  EXPECT_EQ(get(out), "old");
}

TEST(Output, RefusesNamesOfNoFormat) {
  for (const char* name : {"o.onnx", "o", ".safetensors"}) {
    expect_error<UsageError>([&] { check_output(name); },
                             "the kind of output is unknown");
    expect_error<UsageError>([&] { create_checkpoint(name, two(), {}); },
                             ".safetensors");
  }
}

}  // namespace
}  // namespace soup
