#include "checkpoint/shard_index.h"

#include <gtest/gtest.h>

#include "soup/error.h"
#include "support/expect_error.h"

namespace soup {
namespace {

using testing::expect_error;

ShardIndex parse(const std::string& json) {
  return parse_shard_index(json, "i.json");
}

void refused(const std::string& json, const std::string& part) {
  expect_error<Error>([&] { parse(json); }, part);
  expect_error<Error>([&] { parse(json); }, "i.json: ");
}

TEST(ShardIndex, ReadsTensorsAndFiles) {
  const ShardIndex index = parse(
      R"({"metadata":{"total_size":12,"made":"by hand","more":{"x":"y"}},)"
      R"("other":[{"weight_map":3}],)"
      R"("weight_map":{"b":"two.safetensors","a":"one.safetensors"}})");
  ASSERT_EQ(index.files.size(), 2U);
  EXPECT_EQ(index.files[0].first, "b");
  EXPECT_EQ(index.files[0].second, "two.safetensors");
  EXPECT_EQ(index.metadata,
            (std::map<std::string, std::string>{{"made", "by hand"}}));
}

TEST(ShardIndex, RefusesPaths) {
  for (const char* name : {"", ".", "..", "a/b", "/etc/passwd", "../x",
                           "a\\\\b", "a\\u0000b", ".hidden"}) {
    refused(std::string(R"({"weight_map":{"w":")") + name + "\"}}",
            "expected the name of a file beside the index");
  }
}

TEST(ShardIndex, RefusesBrokenJson) {
  refused("", "no valid JSON");
  refused("{", "no valid JSON");
  refused(R"({"weight_map":{}} x)", "no valid JSON");
  refused(std::string("{\"weight_map\":{}}\0", 18), "NUL byte");
  refused("{\"a\":" + std::string(100, '['), "nested too deep");
  refused("{}", "has no 'weight_map'");
  refused("[]", "has no 'weight_map'");
  refused(R"({"weight_map":["a"]})", "has no 'weight_map'");
  refused(R"({"weight_map":null})", "has no 'weight_map'");
}

TEST(ShardIndex, RefusesWrongTypesAndKeysGivenTwice) {
  refused(R"({"weight_map":{"w":1}})", "'w' leads to no file name");
  refused(R"({"weight_map":{"w":null}})", "'w' leads to no file name");
  refused(R"({"weight_map":{"w":["a"]}})", "'w' leads to no file name");
  refused(R"({"weight_map":{"w":{"a":"b"}}})", "'w' leads to no file name");
  refused(R"({"weight_map":{"w":"a","w":"b"}})", "has 'w' twice");
  refused(R"({"weight_map":{},"weight_map":{}})", "'weight_map' twice");
  refused(R"({"metadata":{"k":"1","k":"2"}})", "has 'k' twice");
}

}  // namespace
}  // namespace soup
