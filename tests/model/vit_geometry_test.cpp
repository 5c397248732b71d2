#include "model/vit_geometry.h"

#include <gtest/gtest.h>

#include "core/json.h"
#include "model/vit_families.h"
#include "soup/error.h"
#include "support/expect_error.h"
#include "support/random_vit.h"

namespace soup {
namespace {

using testing::expect_error;
using testing::random_vit;
using testing::with_tensor;

nlohmann::ordered_json config(const std::string& text) {
  return parse_json(text, "config.json");
}

VitGeometry read(const Checkpoint& checkpoint,
                 const nlohmann::ordered_json& json = {}) {
  const Layout timms;
  Sidecar sidecar;
  sidecar.config = json;
  return read_vit_geometry(Shapes(checkpoint, timms), sidecar, {.kind = "vit"});
}

TEST(VitGeometry, IsReadFromShapes) {
  const auto vit = random_vit({.channels = 3,
                               .size = 32,
                               .patch = 8,
                               .width = 128,
                               .depth = 3,
                               .hidden = 96,
                               .classes = 7});
  ASSERT_TRUE(looks_like_vit(*vit));
  const VitGeometry g = read(*vit);
  EXPECT_EQ(g.width, 128);
  EXPECT_EQ(g.depth, 3);
  EXPECT_EQ(g.heads, 2);
  EXPECT_EQ(g.hidden, 96);
  EXPECT_EQ(g.classes, 7);
  EXPECT_EQ(g.channels, 3);
  EXPECT_EQ(g.patch, 8);
  EXPECT_EQ(g.rows, 4);
  EXPECT_EQ(g.columns, 4);
  EXPECT_EQ(g.tokens(), 17);
  EXPECT_TRUE(g.embed_prefix);
  EXPECT_FALSE(g.pool_mean);
  EXPECT_FALSE(g.layer_scale);
}

TEST(VitGeometry, ListsEveryTensor) {
  const auto vit = random_vit({.depth = 3});
  const auto tensors = vit_slots(read(*vit), Layout());
  ASSERT_EQ(tensors.size(), vit->tensors().size());
  for (const Slot& tensor : tensors) {
    const auto index = vit->find(tensor.name);
    ASSERT_TRUE(index) << tensor.name;
    EXPECT_EQ(vit->tensors()[*index].shape, tensor.shape) << tensor.name;
  }
}

TEST(VitGeometry, HeadsComeFromTheSidecar) {
  const auto vit = random_vit({.width = 96});
  for (const char* text :
       {R"({"model_args": {"num_heads": 3}})", R"({"num_heads": 3})",
        R"({"num_attention_heads": 3})"}) {
    EXPECT_EQ(read(*vit, config(text)).heads, 3);
  }
  expect_error<Error>([&] { read(*vit); },
                      "memory: shapes do not tell the number of heads");
  for (const char* text : {R"({"num_heads": 0})", R"({"num_heads": "3"})",
                           R"({"num_heads": 1e300})", R"({"num_heads": -2})"}) {
    expect_error<Error>([&] { read(*vit, config(text)); },
                        "config.json: 'num_heads' is no whole number");
  }
  expect_error<Error>([&] { read(*vit, config(R"({"num_heads": 5})")); },
                      "5 heads do not divide the width 96");
}

TEST(VitGeometry, RefusesArgumentsThatChangeTheFunction) {
  const auto vit = random_vit();
  for (const char* text : {R"({"model_args": {"act_layer": "silu"}})",
                           R"({"model_args": {"norm_layer": "rmsnorm"}})",
                           R"({"hidden_act": "silu"})"}) {
    expect_error<Error>([&] { read(*vit, config(text)); },
                        "which the model does not have");
  }
  expect_error<Error>([&] { read(*vit, config(R"({"global_pool": "map"})")); },
                      "'global_pool' \"map\" is not known");
}

TEST(VitGeometry, HostileShapesAreErrors) {
  const auto vit = random_vit();
  const auto refused = [&](const std::string& name,
                           const std::vector<int64_t>& shape,
                           const std::string& part) {
    const auto changed = with_tensor(*vit, name, shape);
    expect_error<Error>([&] { read(*changed); }, part);
  };
  refused("pos_embed", {}, "'pos_embed' is missing");
  refused("pos_embed", {1, 8, 64}, "which is no square of patches");
  refused("pos_embed", {8, 64}, "'pos_embed' is [8, 64], expected 3");
  refused("pos_embed", {1, 0, 64}, "'pos_embed' is [1, 0, 64]");
  refused("patch_embed.proj.weight", {64, 1, 4, 2}, "square patches");
  refused("patch_embed.proj.weight", {0, 1, 4, 4}, "expected 4 dimensions");
  refused("head.weight", {5}, "'head.weight' is [5]");
  refused("blocks.0.mlp.fc1.weight", {}, "missing");
}

TEST(VitGeometry, OtherNetworksAreNotTaken) {
  const auto vit = random_vit();
  EXPECT_FALSE(looks_like_vit(*with_tensor(*vit, "head.weight", {})));
}

}  // namespace
}  // namespace soup
