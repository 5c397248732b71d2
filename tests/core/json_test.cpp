#include "core/json.h"

#include <gtest/gtest.h>

#include <array>

#include "support/expect_error.h"

namespace soup {
namespace {

using testing::expect_error;

TEST(ParseJson, KeepsTheOrderOfKeys) {
  const auto json = parse_json(R"({"b":1,"a":2})", "x");
  EXPECT_EQ(json.dump(), R"({"b":1,"a":2})");
}

TEST(ParseJson, RefusesAKeyGivenTwice) {
  expect_error<Error>([] { parse_json(R"({"a":{"b":1,"b":2}})", "r.json"); },
                      "r.json: JSON has the key 'b' twice");
  // The same key in two objects is no repetition.
  EXPECT_NO_THROW(parse_json(R"([{"a":1},{"a":2}])", "x"));
}

TEST(ParseJson, RefusesDeepNesting) {
  const std::string arrays = std::string(100000, '[');
  expect_error<Error>([&] { parse_json(arrays, "r.json"); }, "nested too deep");
  std::string objects;
  for (int i = 0; i < 1000; ++i) objects += R"({"a":)";
  expect_error<Error>([&] { parse_json(objects, "r.json"); },
                      "nested too deep");
}

TEST(ParseJson, NamesTheFileAndThePlace) {
  expect_error<Error>([] { parse_json("{\"a\": tru}", "r.json"); }, "r.json: ");
  expect_error<Error>([] { parse_json("", "r.json"); }, "r.json: ");
}

TEST(CheckKeys, SuggestsTheNearestKey) {
  constexpr std::array<std::string_view, 2> kKeys = {"rule", "ingredients"};
  expect_error<UsageError>(
      [&] { check_keys(parse_json(R"({"rules":1})", "r"), kKeys, "r"); },
      "r: unknown key 'rules', did you mean 'rule'?");
  expect_error<UsageError>(
      [&] { check_keys(parse_json("[]", "r"), kKeys, "r"); },
      "expected a JSON object, found array");
}

TEST(GetAs, RefusesSilentConversions) {
  const auto json = parse_json(R"({"i":1.5,"d":true,"s":3,"v":[1,"x"]})", "r");
  expect_error<UsageError>([&] { get_as<int64_t>(json, "i", "r"); },
                           "'i' has the wrong type or value: 1.5");
  expect_error<UsageError>([&] { get_as<double>(json, "d", "r"); }, "'d'");
  expect_error<UsageError>([&] { get_as<std::string>(json, "s", "r"); }, "'s'");
  expect_error<UsageError>([&] { get_as<std::vector<double>>(json, "v", "r"); },
                           "'v'");
}

}  // namespace
}  // namespace soup
