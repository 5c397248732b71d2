#include "recipe/yaml.h"

#include <gtest/gtest.h>

#include "soup/error.h"
#include "support/expect_error.h"

namespace soup {
namespace {

using testing::expect_error;

TEST(Yaml, KeepsLinesAndQuotes) {
  const auto documents = parse_yaml("a: 1\nb: ['2', {c: ~}]\n---\nd: x\n", "y");
  ASSERT_EQ(documents.size(), 2U);
  EXPECT_FALSE(documents[0].find("a")->quoted);
  const YamlNode& list = *documents[0].find("b");
  EXPECT_EQ(list.line, 2);
  EXPECT_TRUE(list.items[0].quoted);
  EXPECT_TRUE(list.items[1].find("c")->is_null());
}

TEST(Yaml, RefusesBombsDepthAndKeysGivenTwice) {
  std::string bomb = "a: &a [x, x, x, x, x, x, x, x, x, x]\n";
  for (char c = 'b'; c < 'j'; ++c) {
    const std::string before = "*" + std::string(1, char(c - 1)) + ", ";
    bomb += std::string(1, c) + ": &" + std::string(1, c) + " [";
    for (int i = 0; i < 10; ++i) bomb += before;
    bomb += "x]\n";
  }
  expect_error<Error>([&] { parse_yaml(bomb, "y"); }, "more than 200000");
  expect_error<Error>(
      [] { parse_yaml(std::string(100, '[') + std::string(100, ']'), "y"); },
      "nested too deeply");
  expect_error<Error>([] { parse_yaml("a: 1\na: 2\n", "y"); },
                      "y:2: 'a' is given twice");
  expect_error<Error>([] { parse_yaml("a:\n  b: 1\n  b:\n    c: 2\n", "y"); },
                      "y:3: 'b' is given twice");
  expect_error<Error>([] { parse_yaml("a: [1\n", "y"); }, "y:");
}

// Every anchor holds a copy of what it names.
TEST(Yaml, RefusesAnchorsWithinAnchors) {
  std::string text;
  for (int i = 0; i < 40; ++i) text += "&a" + std::to_string(i) + " [";
  for (int i = 0; i < 10'000; ++i) text += "x,";
  text += std::string(40, ']');
  expect_error<Error>([&] { parse_yaml(text, "y"); }, "more than 200000");
}

TEST(Yaml, MergesTheEntriesOfOtherMaps) {
  const YamlNode root = parse_yaml(
                            "- &a {x: 1, y: 2}\n"
                            "- &b {y: 3, z: 4}\n"
                            "- {<<: [*a, *b], z: 5}\n"
                            "- {y: 6, <<: *a}\n",
                            "y")
                            .at(0);
  const auto text = [&](size_t item, const char* key) {
    return root.items[item].find(key)->text;
  };
  EXPECT_EQ(text(2, "x") + text(2, "y") + text(2, "z"), "125");
  EXPECT_EQ(text(3, "x") + text(3, "y"), "16");
  EXPECT_EQ(root.items[2].find("<<"), nullptr);
  expect_error<Error>([] { parse_yaml("a: 1\n<<: [b]\n", "y"); },
                      "y:2: '<<' takes a mapping");
}

TEST(Yaml, KeysOfADocumentThatOnlyCarryAnchorsMayBeEqual) {
  const YamlNode root =
      parse_yaml("tag: &a 1\ntag: &b 2\nboth: [*a, *b]\n", "y").at(0);
  EXPECT_EQ(root.find("both")->items[1].text, "2");
  expect_error<Error>([] { parse_yaml("a:\n  tag: &a 1\n  tag: &b 2\n", "y"); },
                      "y:3: 'tag' is given twice");
}

TEST(Yaml, SaysWhatIsWrongWithTheText) {
  expect_error<Error>([] { parse_yaml("a:\n\t- b\n", "y"); },
                      "y:2: illegal block entry; indent it with spaces");
  expect_error<Error>([] { parse_yaml("a: \xff\n", "y"); }, "y: is not UTF-8");
  expect_error<Error>([] { parse_yaml(std::string("\xff\xfe\x61\0", 4), "y"); },
                      "not UTF-8");
}

}  // namespace
}  // namespace soup
