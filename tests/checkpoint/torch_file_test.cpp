#include "checkpoint/torch_file.h"

#include <gtest/gtest.h>

#include "checkpoint/bytes.h"
#include "soup/checkpoint.h"
#include "soup/error.h"
#include "support/expect_error.h"
#include "support/temp_folder.h"

namespace soup {
namespace {

namespace fs = std::filesystem;
using testing::as_text;
using testing::expect_error;
using testing::fixture;
using testing::fixture_values;
using testing::get;
using testing::put;
using testing::TempFolder;
using testing::values_of;

const TensorInfo& tensor(const Checkpoint& file, std::string_view name) {
  const std::optional<size_t> index = file.find(name);
  if (!index) throw Error("no tensor " + std::string(name));
  return file.tensors()[*index];
}

class PlainFile : public ::testing::TestWithParam<const char*> {};

TEST_P(PlainFile, HasTheValuesThatTorchSaved) {
  const CheckpointPtr file = open_checkpoint(fixture(GetParam()));
  EXPECT_EQ(file->tensors().size(), 31U);
  for (size_t i = 0; i < file->tensors().size(); ++i) {
    const TensorInfo& info = file->tensors()[i];
    const bool zeros = info.name == "expanded";
    EXPECT_EQ(as_text(file->read(i).bytes()),
              zeros ? std::string(3, '\0') : fixture_values(info))
        << info.name;
  }
}

TEST_P(PlainFile, HasTheShapesAndDtypesThatTorchSaved) {
  const CheckpointPtr file = open_checkpoint(fixture(GetParam()));
  for (const DTypeInfo& dtype : dtypes()) {
    const std::optional<size_t> index = file->find(dtype.name);
    if (index) {
      EXPECT_EQ(file->tensors()[*index].dtype, dtype.dtype);
    } else {
      EXPECT_EQ(dtype.kind, DTypeKind::kOpaque) << dtype.name;
    }
  }
  using Shape = std::vector<int64_t>;
  EXPECT_EQ(tensor(*file, "scalar").shape, Shape{});
  EXPECT_EQ(tensor(*file, "empty").shape, (Shape{0, 4}));
  EXPECT_EQ(tensor(*file, "transposed").shape, (Shape{4, 3}));
  EXPECT_EQ(tensor(*file, "expanded").shape, (Shape{1, 3}));
}

TEST_P(PlainFile, TiesWhatIsTheSameViewOfTheSameStorage) {
  const CheckpointPtr file = open_checkpoint(fixture(GetParam()));
  EXPECT_EQ(tensor(*file, "tied").tied_to,
            static_cast<int64_t>(*file->find("F32")));
  for (const TensorInfo& info : file->tensors()) {
    if (info.name == "tied") continue;
    EXPECT_EQ(info.tied_to, -1) << info.name;
  }
}

INSTANTIATE_TEST_SUITE_P(Torch, PlainFile,
                         ::testing::Values("plain.pt", "plain_legacy.pt"));

TEST(TorchFile, ReadsLaterProtocols) {
  for (const char* name : {"protocol3.pt", "protocol4.pt", "protocol5.pt"}) {
    const CheckpointPtr file = open_checkpoint(fixture(name));
    ASSERT_EQ(file->tensors().size(), 2U);
    EXPECT_EQ(values_of(*file, "w"), fixture_values(tensor(*file, "w")));
    EXPECT_EQ(file->tensors()[1].name.size(), 300U);
  }
}

TEST(TorchFile, NamesItsFormat) {
  EXPECT_EQ(open_checkpoint(fixture("plain.pt"))->format(), "torch");
  EXPECT_EQ(open_checkpoint(fixture("plain_legacy.pt"))->format(),
            "torch-legacy");
}

TEST(TorchFile, SurvivesEveryTruncation) {
  for (const char* name : {"training.ckpt", "training_legacy.ckpt"}) {
    const std::string whole = get(fixture(name));
    for (size_t size = 0; size < whole.size(); ++size) {
      const std::span<const std::byte> part =
          testing::as_bytes(whole).first(size);
      if (name == std::string("training.ckpt")) {
        EXPECT_THROW(parse_torch_zip(part, {}, "x"), Error) << size;
      } else {
        EXPECT_THROW(parse_torch_legacy(part, {}, "x"), Error) << size;
      }
    }
  }
}

TEST(TorchFile, SurvivesEveryFlippedByte) {
  for (const char* name : {"training.ckpt", "training_legacy.ckpt"}) {
    std::string bytes = get(fixture(name));
    int refused = 0;
    for (char& byte : bytes) {
      byte ^= 0x41;
      try {
        if (name == std::string("training.ckpt")) {
          parse_torch_zip(testing::as_bytes(bytes), {}, "x");
        } else {
          parse_torch_legacy(testing::as_bytes(bytes), {}, "x");
        }
      } catch (const Error&) {
        ++refused;
      }
      byte ^= 0x41;
    }
    EXPECT_GT(refused, 100);
  }
}

TEST(TorchFile, SaysThatAFileIsIncomplete) {
  const TempFolder folder;
  const std::string whole = get(fixture("training.ckpt"));
  put(folder / "x.pt", whole.substr(0, whole.size() / 2));
  expect_error<Error>([&] { open_checkpoint(folder / "x.pt"); },
                      "x.pt: the zip archive has no end record; the file is "
                      "incomplete");
  const std::string legacy = get(fixture("training_legacy.ckpt"));
  put(folder / "y.pt", legacy.substr(0, legacy.size() - 1));
  expect_error<Error>([&] { open_checkpoint(folder / "y.pt"); },
                      "it is incomplete");
}

TEST(TorchFile, ReadsTheRecipeBesideIt) {
  const TempFolder folder;
  fs::copy(fixture("plain.pt"), folder / "x.pt");
  EXPECT_FALSE(
      open_checkpoint(folder / "x.pt")->metadata().contains("soup.recipe"));
  put(folder / "x.pt.recipe.json", "{\"rule\": 1}");
  EXPECT_EQ(open_checkpoint(folder / "x.pt")->metadata().at("soup.recipe"),
            "{\"rule\": 1}");
}

TEST(TorchFile, RefusesPrograms) {
  expect_error<Error>([] { open_checkpoint(fixture("script.pt")); },
                      "script.pt: a TorchScript program");
}

TEST(Gather, CopiesInRowMajorOrder) {
  const std::string from = "abcdefgh";
  const auto gathered = [&](std::vector<int64_t> shape,
                            std::vector<int64_t> strides, size_t item) {
    int64_t count = 1;
    for (int64_t extent : shape) count *= extent;
    std::vector<std::byte> out(static_cast<size_t>(count) * item);
    gather(testing::as_bytes(from), shape, strides, item, out.data());
    return as_text(out);
  };
  EXPECT_EQ(gathered({2, 4}, {4, 1}, 1), "abcdefgh");
  EXPECT_EQ(gathered({4, 2}, {1, 4}, 1), "aebfcgdh");
  EXPECT_EQ(gathered({2, 2}, {1, 2}, 2), "abefcdgh");
  EXPECT_EQ(gathered({2, 2, 2}, {1, 2, 4}, 1), "aecgbfdh");
  EXPECT_EQ(gathered({3}, {0}, 1), "aaa");
  EXPECT_EQ(gathered({}, {}, 2), "ab");
  EXPECT_EQ(gathered({2, 0, 2}, {1, 1, 1}, 1), "");
}

}  // namespace
}  // namespace soup
