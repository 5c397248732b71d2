#include "data/tensors.h"

#include <gtest/gtest.h>

#include "core/json.h"
#include "data/fixtures.h"
#include "data/spec.h"
#include "soup/error.h"
#include "support/expect_error.h"
#include "support/temp_folder.h"

namespace soup {
namespace {

using testing::expect_error;
using testing::npy;
using testing::write_bytes;

/// Three examples of two tokens: ids, masks and labels.
class Tensors : public ::testing::Test {
 protected:
  DatasetSpec spec(const std::string& json) const {
    return parse_spec(parse_json(json, "spec.json"), folder_ / "spec.json",
                      folder_.path());
  }

  DatasetSpec arrays(const std::string& rest = "") const {
    write("ids.npy", npy<int32_t>("<i4", {1, 2, 3, 4, 5, 6}, "(3, 2)"));
    write("mask.npy", npy<uint8_t>("|b1", {1, 1, 1, 0, 1, 1}, "(3, 2)"));
    write("labels.npy", npy<int64_t>("<i8", {2, 0, 1}));
    return spec(R"({"loader": "tensors", "labels": "labels.npy", "inputs":
                    {"input_ids": "ids.npy", "attention_mask": "mask.npy"})" +
                rest + "}");
  }

  void write(const char* name, const std::string& bytes) const {
    write_bytes(folder_ / name, bytes);
  }

  /// A safetensors file of `ids` and `labels`, as transformers' users save it.
  void write_safetensors() const {
    MemoryCheckpoint made(
        "x", {{.name = "input_ids", .dtype = DType::kI64, .shape = {2, 2}},
              {.name = "labels", .dtype = DType::kU8, .shape = {2}}});
    made.mutable_bytes(0)[8] = std::byte{9};
    made.mutable_bytes(1)[1] = std::byte{1};
    save_checkpoint(made, folder_ / "all.safetensors", {}, {.force = true});
  }

  testing::TempFolder folder_;
};

TEST_F(Tensors, ReadsArraysAsTheyAre) {
  const Examples all = read_tensors(arrays());
  EXPECT_EQ(all.count, 3);
  EXPECT_EQ(all.labels, (std::vector<int32_t>{2, 0, 1}));
  ASSERT_EQ(all.inputs.size(), 2U);
  const ReadyInput& mask = all.inputs[0];
  EXPECT_EQ(mask.info.name, "attention_mask");
  EXPECT_EQ(mask.info.dtype, DType::kBool);
  const ReadyInput& ids = all.inputs[1];
  EXPECT_EQ(ids.info.name, "input_ids");
  EXPECT_EQ(ids.info.dtype, DType::kI32);
  EXPECT_EQ(ids.info.shape, (std::vector<int64_t>{3, 2}));
  EXPECT_EQ(ids.values.size(), 24U);
  EXPECT_EQ(ids.values[20], std::byte{6});
}

TEST_F(Tensors, RangeCutsInputsAndLabels) {
  const Examples part = read_tensors(arrays(R"(, "range": [1, 3])"));
  EXPECT_EQ(part.labels, (std::vector<int32_t>{0, 1}));
  EXPECT_EQ(part.inputs[1].info.shape, (std::vector<int64_t>{2, 2}));
  EXPECT_EQ(part.inputs[1].values.front(), std::byte{3});
  EXPECT_NE(part.content, read_tensors(arrays()).content);
}

TEST_F(Tensors, AFileOfTensorsHoldsAll) {
  write_safetensors();
  const Examples all = read_tensors(
      spec(R"({"loader": "tensors", "inputs": "all.safetensors"})"));
  ASSERT_EQ(all.inputs.size(), 1U);
  EXPECT_EQ(all.inputs[0].info.name, "input_ids");
  EXPECT_EQ(all.inputs[0].values[8], std::byte{9});
  EXPECT_EQ(all.labels, (std::vector<int32_t>{0, 1}));
}

TEST_F(Tensors, SingleTensorsOfAFileByName) {
  write_safetensors();
  const Examples all =
      read_tensors(spec(R"({"loader": "tensors", "labels": "all.safetensors",
                            "inputs": {"input_ids": "all.safetensors"}})"));
  EXPECT_EQ(all.inputs.size(), 1U);
  expect_error<Error>(
      [&] {
        read_tensors(spec(R"({"loader": "tensors", "labels": "all.safetensors",
                              "inputs": {"ids": "all.safetensors"}})"));
      },
      "has no tensor 'ids', only input_ids, labels");
}

TEST_F(Tensors, AnArchiveOfArraysHoldsAll) {
  const std::string file = SOUP_TEST_DATA "/arrays/deflated.npz";
  const Examples all = read_tensors(
      spec(R"({"loader": "tensors", "inputs": ")" + file + R"("})"));
  ASSERT_EQ(all.inputs.size(), 2U);
  EXPECT_EQ(all.inputs[1].info.name, "wide");
  EXPECT_EQ(all.inputs[1].info.dtype, DType::kI32);
  EXPECT_EQ(all.inputs[1].values[5], std::byte{1});
  EXPECT_EQ(all.labels, (std::vector<int32_t>{2, 0, 1}));
  const std::string quoted = "\"" + file + "\"";
  const Examples one =
      read_tensors(spec(R"({"loader": "tensors", "labels": )" + quoted +
                        R"(, "inputs": {"wide": )" + quoted + "}}"));
  EXPECT_EQ(one.inputs.size(), 1U);
  EXPECT_EQ(one.inputs[0].values, all.inputs[1].values);
}

TEST_F(Tensors, RefusesWhatDoesNotFitTogether) {
  const DatasetSpec all = arrays();
  write("mask.npy", npy<uint8_t>("|b1", {1, 1, 1, 0}, "(2, 2)"));
  expect_error<Error>([&] { read_tensors(all); },
                      "'attention_mask' is [2, 2], but there are 3 labels");
  arrays();
  write("labels.npy", npy<float>("<f4", {2, 0, 1}));
  expect_error<Error>([&] { read_tensors(all); },
                      "labels are F32 [3], expected whole numbers");
  write("labels.npy", npy<int64_t>("<i8", {2, -1, 1}));
  expect_error<Error>([&] { read_tensors(all); }, "label 1 is out of range");
  write("labels.npy", npy<uint64_t>("<u8", {2, uint64_t{1} << 63, 1}));
  expect_error<Error>([&] { read_tensors(all); }, "label 1 is out of range");
}

TEST_F(Tensors, SpecsSayWhatIsMissing) {
  expect_error<UsageError>([&] { spec(R"({"loader": "tensors"})"); },
                           "the key 'inputs' is missing");
  expect_error<UsageError>(
      [&] { spec(R"({"loader": "tensors", "inputs": {"x": "x.npy"}})"); },
      "the key 'labels' is missing");
  for (const char* file : {"x.npy", "x.npz/ids"}) {
    expect_error<UsageError>(
        [&] {
          spec(R"({"loader": "tensors", "inputs": ")" + std::string(file) +
               R"("})");
        },
        "an array is one input");
  }
  expect_error<UsageError>(
      [&] {
        spec(R"({"loader": "tensors", "inputs": "x.safetensors",
                 "preprocess": {"size": 8}})");
      },
      "ready inputs have no 'preprocess'");
  const DatasetSpec absent =
      spec(R"({"loader": "tensors", "inputs": "x.safetensors"})");
  expect_error<Error>([&] { read_tensors(absent); }, "no such file");
}

TEST_F(Tensors, SameExamplesAreThoseOfTheSameFiles) {
  const DatasetSpec all = arrays();
  EXPECT_TRUE(same_examples(all, arrays()));
  DatasetSpec other = all;
  other.inputs["input_ids"] = folder_ / "others.npy";
  EXPECT_FALSE(same_examples(all, other));
}

}  // namespace
}  // namespace soup
