#include "checkpoint/safetensors_header.h"

#include <gtest/gtest.h>

#include "checkpoint/bytes.h"
#include "soup/error.h"
#include "support/expect_error.h"

namespace soup {
namespace {

using testing::as_bytes;
using testing::expect_error;
using testing::little;
using testing::safetensors;

SafetensorsHeader parse(const std::string& file) {
  return parse_safetensors(as_bytes(file), "x.safetensors");
}

void refused(const std::string& file, const std::string& part) {
  expect_error<Error>([&] { parse(file); }, part);
  expect_error<Error>([&] { parse(file); }, "x.safetensors: ");
}

// One F32 tensor of `shape` at `offsets`.
std::string tensor(const std::string& name, const std::string& shape,
                   const std::string& offsets) {
  return "\"" + name + R"(":{"dtype":"F32","shape":)" + shape +
         R"(,"data_offsets":)" + offsets + "}";
}

TEST(SafetensorsHeader, ReadsTensorsInOrderOfTheirValues) {
  const SafetensorsHeader header = parse(safetensors(
      "{" + tensor("late", "[2]", "[4,12]") + "," +
          tensor("early", "[]", "[0,4]") + R"(,"__metadata__":{"k":"v"}})",
      12));
  ASSERT_EQ(header.tensors.size(), 2U);
  EXPECT_EQ(header.tensors[0].name, "early");
  EXPECT_TRUE(header.tensors[0].shape.empty());
  EXPECT_EQ(header.tensors[1].name, "late");
  EXPECT_EQ(header.tensors[1].shape, std::vector<int64_t>{2});
  EXPECT_EQ(header.offsets[1] - header.offsets[0], 4);
  EXPECT_EQ(header.metadata.at("k"), "v");
}

TEST(SafetensorsHeader, AcceptsWhatTheReferenceAccepts) {
  EXPECT_EQ(parse(safetensors("{}", 0)).tensors.size(), 0U);
  EXPECT_EQ(parse(safetensors("{}  \n ", 0)).tensors.size(), 0U);
  EXPECT_EQ(parse(safetensors(R"({"__metadata__":null})", 0)).metadata.size(),
            0U);
  EXPECT_EQ(parse(safetensors("{" + tensor("z", "[0,9]", "[0,0]") + "}", 0))
                .tensors[0]
                .bytes(),
            0);
  const std::string unknown =
      R"({"a":{"more":[{"b":[1.5,null]},true],"dtype":"U8","shape":[1],)"
      R"("also":-1,"data_offsets":[0,1]}})";
  EXPECT_EQ(parse(safetensors(unknown, 1)).tensors[0].dtype, DType::kU8);
}

TEST(SafetensorsHeader, RefusesABrokenLength) {
  refused("", "too few");
  refused("1234567", "too few");
  refused(little(100'000'001, 8) + "{}", "at most 100000000");
  refused(little(~0ULL, 8) + "{}", "at most 100000000");
  refused(little(3, 8) + "{}", "it is incomplete");
}

TEST(SafetensorsHeader, RefusesBrokenJson) {
  refused(safetensors("", 0), "start with '{'");
  refused(safetensors(" {}", 0), "start with '{'");
  refused(safetensors("[]", 0), "start with '{'");
  refused(safetensors("{", 0), "no valid JSON");
  refused(safetensors("{} x", 0), "no valid JSON");
  refused(safetensors(std::string("{}\0\0", 4), 0), "NUL byte at byte 10");
  refused(safetensors("{\"\xff\":{}}", 0), "no valid JSON");
  refused(safetensors(R"({"\ud800":{}})", 0), "no valid JSON");
  refused(safetensors("{\"a\":{\"x\":" + std::string(100, '['), 0),
          "nested too deep");
}

TEST(SafetensorsHeader, RefusesWrongTypes) {
  refused(safetensors(R"({"a":1})", 0), "unexpected place");
  refused(safetensors(R"({"a":[]})", 0), "unexpected place");
  refused(safetensors(R"({"a":null})", 0), "unexpected place");
  refused(safetensors(R"({"a":{"dtype":1}})", 0), "unexpected place");
  refused(safetensors(R"({"a":{"shape":[[1]]}})", 0), "unexpected place");
  refused(safetensors(R"({"a":{"shape":[-1]}})", 0), "negative");
  refused(safetensors(R"({"a":{"shape":[1.0]}})", 0), "fraction");
  refused(safetensors(R"({"a":{"shape":["1"]}})", 0), "unexpected place");
  refused(safetensors(R"({"a":{"shape":[18446744073709551615]}})", 0),
          "too large");
  refused(safetensors(R"({"a":{"dtype":"F33"}})", 0), "unknown dtype 'F33'");
  refused(safetensors(R"({"a":{"dtype":"C128"}})", 0), "unknown dtype");
  refused(safetensors(R"({"a":{"data_offsets":[1]}})", 0), "two numbers");
  refused(safetensors(R"({"a":{"data_offsets":[1,2,3]}})", 0), "two numbers");
  refused(safetensors(R"({"a":{"dtype":"U8","shape":[1]}})", 1),
          "'a': needs the fields");
  refused(safetensors(R"({"__metadata__":{"a":1}})", 0), "unexpected place");
  refused(safetensors(R"({"__metadata__":[]})", 0), "unexpected place");
}

TEST(SafetensorsHeader, RefusesTooManyDimensions) {
  std::string shape = "[1";
  for (int i = 0; i < 64; ++i) shape += ",1";
  refused(safetensors("{" + tensor("a", shape + "]", "[0,4]") + "}", 4),
          "more than 64 dimensions");
}

TEST(SafetensorsHeader, RefusesKeysGivenTwice) {
  refused(safetensors("{" + tensor("a", "[1]", "[0,4]") + "," +
                          tensor("a", "[1]", "[4,8]") + "}",
                      8),
          "has 'a' twice");
  refused(safetensors(R"({"a":{"dtype":"U8","dtype":"U8"}})", 0),
          "'dtype' twice");
  refused(safetensors(R"({"a":{"shape":[],"shape":[]}})", 0), "'shape' twice");
  refused(
      safetensors(R"({"a":{"data_offsets":[0,0],"data_offsets":[0,0]}})", 0),
      "'data_offsets' twice");
  refused(safetensors(R"({"__metadata__":{"k":"1","k":"2"}})", 0), "'k' twice");
  refused(safetensors(R"({"__metadata__":{},"__metadata__":{}})", 0),
          "'__metadata__' twice");
}

TEST(SafetensorsHeader, RefusesMisplacedValues) {
  refused(safetensors("{" + tensor("a", "[1]", "[1,5]") + "}", 5),
          "'a' lies at [1, 5]");
  refused(safetensors("{" + tensor("a", "[1]", "[0,4]") + "," +
                          tensor("b", "[1]", "[5,9]") + "}",
                      9),
          "'b' lies at [5, 9] of the values, expected at 4");
  refused(safetensors("{" + tensor("a", "[1]", "[0,4]") + "," +
                          tensor("b", "[1]", "[2,6]") + "}",
                      6),
          "holes and overlaps");
  refused(safetensors("{" + tensor("a", "[0]", "[0,4]") + "}", 4),
          "[0] F32 takes 0 bytes");
  refused(safetensors("{" + tensor("a", "[2]", "[0,4]") + "}", 4),
          "takes 8 bytes");
  refused(safetensors(
              "{" + tensor("a", "[4294967296,4294967296]", "[0,4]") + "}", 4),
          "impossible shape");
  refused(safetensors(R"({"a":{"dtype":"F4","shape":[3],)"
                      R"("data_offsets":[0,1]}})",
                      1),
          "impossible shape");
}

TEST(SafetensorsHeader, RefusesAnEndBeforeTheBegin) {
  // Sorted first because its begin is 0.
  refused(safetensors("{" + tensor("a", "[0]", "[0,0]") + "," +
                          tensor("b", "[1]", "[4,0]") + "}",
                      4),
          "'b' lies at [4, 0]");
}

TEST(SafetensorsHeader, RefusesMissingAndSurplusBytes) {
  const std::string json = "{" + tensor("a", "[2]", "[0,8]") + "}";
  refused(safetensors(json, 7),
          "describes 8 bytes of data, the file has 7; it is incomplete");
  refused(safetensors(json, 9), "describes 8 bytes of data, the file has 9");
}

TEST(SafetensorsHeader, EscapesNamesInMessages) {
  refused(safetensors(R"({"\u001b[31m":{}})", 0), "'\\x1b[31m'");
}

TEST(SafetensorsHeader, AliasesInTheMetadataAreTiedTensors) {
  const SafetensorsHeader header = parse(safetensors(
      "{" + tensor("b", "[1]", "[0,4]") +
          R"(,"__metadata__":{"a":"b","c":"none","b":"b","format":"b"}})",
      4));
  ASSERT_EQ(header.tensors.size(), 2U);
  EXPECT_EQ(header.tensors[1].name, "a");
  EXPECT_EQ(header.tensors[1].tied_to, 0);
  EXPECT_EQ(header.offsets[1], header.offsets[0]);
  EXPECT_EQ(header.metadata.size(), 3U);
}

TEST(SafetensorsHeader, SortsByFallingDtypeThenName) {
  const std::vector<TensorInfo> tensors = {
      {.name = "b", .dtype = DType::kU8},
      {.name = "c", .dtype = DType::kI64},
      {.name = "a", .dtype = DType::kU8},
      {.name = "d", .dtype = DType::kU8, .tied_to = 0}};
  EXPECT_EQ(safetensors_order(tensors), (std::vector<size_t>{1, 2, 0}));
}

TEST(SafetensorsHeader, WritesWhatItReads) {
  const std::vector<TensorInfo> tensors = {
      {.name = "a", .dtype = DType::kF32, .shape = {2}},
      {.name = "t", .dtype = DType::kF32, .shape = {2}, .tied_to = 0}};
  const std::string header = format_safetensors_header(
      tensors, safetensors_order(tensors), {{"k", "v"}});
  EXPECT_EQ(header.substr(8),
            R"({"__metadata__":{"k":"v","t":"a"},)"
            R"("a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}} )");
  EXPECT_EQ(header.size() % 8, 0U);
  const SafetensorsHeader again = parse(header + std::string(8, 'v'));
  EXPECT_EQ(again.tensors[1].tied_to, 0);
}

TEST(SafetensorsHeader, RefusesToWriteNamesThatAreNotUtf8) {
  const std::vector<TensorInfo> tensors = {{.name = "\xff"}};
  expect_error<Error>(
      [&] {
        format_safetensors_header(tensors, safetensors_order(tensors), {});
      },
      "not UTF-8");
}

}  // namespace
}  // namespace soup
