#include "model/layout.h"

#include <gtest/gtest.h>

#include "soup/error.h"
#include "support/expect_error.h"

namespace soup {
namespace {

using testing::expect_error;
using Names = std::vector<std::string>;
using Shape = std::vector<int64_t>;

const Layout& layout() {
  static const Layout made({
      {"blocks.#.qkv", {"layer.#.q", "layer.#.k", "layer.#.v"}},
      {"token", {"embeddings.token"}, 2},
      {"proj.weight", {"proj"}, 0, true},
  });
  return made;
}

TEST(Layout, NumbersAndSuffixesAreKept) {
  const Slot slot = layout().slot("blocks.12.qkv.weight", {6, 4});
  EXPECT_EQ(slot.sources, (Names{"layer.12.q.weight", "layer.12.k.weight",
                                 "layer.12.v.weight"}));
  EXPECT_EQ(slot.source_shape, (Shape{2, 4}));
  EXPECT_EQ(slot.shape, (Shape{6, 4}));
}

TEST(Layout, WhatNoRuleNamesKeepsItsName) {
  for (const char* name : {"blocks.1.qkvs", "blocks.x.qkv", "norm", "tokens"}) {
    EXPECT_EQ(layout().slot(name, {3}).sources, Names{name});
    EXPECT_EQ(layout().slot(name, {3}).source_shape, Shape{3});
  }
}

TEST(Layout, LeadingExtentsAndTransposition) {
  EXPECT_EQ(layout().slot("token", {1, 1, 8}).source_shape, Shape{8});
  const Slot proj = layout().slot("proj.weight", {2, 3});
  EXPECT_TRUE(proj.transposed);
  EXPECT_EQ(proj.source_shape, (Shape{3, 2}));
}

TEST(Shapes, AreTheEngines) {
  const MemoryCheckpoint file("x.pt",
                              {{.name = "layer.0.q", .shape = {2, 4}},
                               {.name = "layer.0.k", .shape = {2, 4}},
                               {.name = "layer.0.v", .shape = {2, 4}},
                               {.name = "embeddings.token", .shape = {8}},
                               {.name = "proj", .shape = {3, 2}},
                               {.name = "layer.1.q", .shape = {2, 4}},
                               {.name = "layer.1.k", .shape = {2}},
                               {.name = "layer.1.v", .shape = {0, 4}}});
  const Shapes shapes(file, layout());
  EXPECT_EQ(shapes.get("blocks.0.qkv", 2), (Shape{6, 4}));
  EXPECT_EQ(shapes.get("token", 3), (Shape{1, 1, 8}));
  EXPECT_EQ(shapes.get("proj.weight", 2), (Shape{2, 3}));
  EXPECT_TRUE(shapes.has("blocks.0.qkv"));
  EXPECT_FALSE(shapes.has("blocks.2.qkv"));
  expect_error<Error>([&] { shapes.get("blocks.1.qkv", 2); },
                      "x.pt: 'layer.1.k' is [2], expected 2 dimensions");
  expect_error<Error>([&] { shapes.get("blocks.2.qkv", 2); },
                      "x.pt: 'layer.2.q' is missing");
}

TEST(PrefixBefore, EndsAtADot) {
  const MemoryCheckpoint file("x.pt", {{.name = "xconv.weight", .shape = {1}},
                                       {.name = "a.b.conv.weight"}});
  EXPECT_EQ(prefix_before(file, "conv.weight"), "a.b.");
  EXPECT_EQ(prefix_before(file, "a.b.conv.weight"), "");
  EXPECT_EQ(prefix_before(file, "c.weight"), std::nullopt);
}

}  // namespace
}  // namespace soup
