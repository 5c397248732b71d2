#include "checkpoint/prefixes.h"

#include <gtest/gtest.h>

#include "checkpoint/bytes.h"
#include "soup/error.h"
#include "support/expect_error.h"
#include "support/temp_folder.h"

namespace soup {
namespace {

using testing::expect_error;
using testing::TempFolder;

using Names = std::vector<std::string>;

std::vector<TensorInfo> tensors(const Names& names) {
  std::vector<TensorInfo> out;
  for (const std::string& name : names) {
    out.push_back({.name = name, .dtype = DType::kU8, .shape = {1}});
  }
  return out;
}

Names stripped(const Names& names) { return strip_prefixes(tensors(names)); }

TEST(Prefixes, AreRemovedWhereverTheyStand) {
  EXPECT_EQ(stripped({"_orig_mod.a", "b._orig_mod.c"}), (Names{"a", "b.c"}));
  EXPECT_EQ(stripped({"_fsdp_wrapped_module.a._checkpoint_wrapped_module.b"}),
            Names{"a.b"});
  EXPECT_EQ(stripped({"_forward_module._orig_mod.a"}), Names{"a"});
  EXPECT_EQ(stripped({"x_orig_mod.a", "_orig_mod"}),
            (Names{"x_orig_mod.a", "_orig_mod"}));
}

TEST(Prefixes, ModuleIsRemovedFromAllNamesOrNone) {
  EXPECT_EQ(stripped({"module.a", "module.b"}), (Names{"a", "b"}));
  EXPECT_EQ(stripped({"module.a", "head.b"}), (Names{"module.a", "head.b"}));
  EXPECT_EQ(stripped({"module.module.a"}), Names{"a"});
  EXPECT_EQ(stripped({"a.module.b"}), Names{"a.module.b"});
  EXPECT_EQ(stripped({"module."}), Names{"module."});
  EXPECT_EQ(stripped({}), Names{});
}

TEST(Prefixes, NestInEitherOrder) {
  EXPECT_EQ(stripped({"module._orig_mod.a"}), Names{"a"});
  EXPECT_EQ(stripped({"_orig_mod.module.a"}), Names{"a"});
}

TEST(Prefixes, TheCounterOfAnAverageGoesWithItsWrapper) {
  EXPECT_EQ(stripped({"n_averaged", "module.a"}), (Names{"", "a"}));
  EXPECT_EQ(stripped({"n_averaged", "a"}), (Names{"n_averaged", "a"}));
  EXPECT_EQ(stripped({"n_averaged"}), Names{"n_averaged"});
}

CheckpointPtr memory(std::vector<TensorInfo> infos) {
  auto made = std::make_unique<MemoryCheckpoint>("m", std::move(infos));
  for (size_t i = 0; i < made->tensors().size(); ++i) {
    made->mutable_bytes(i)[0] = std::byte('0' + i);
  }
  return made;
}

TEST(Prefixes, ReadsUnderTheNewNames) {
  std::vector<TensorInfo> infos =
      tensors({"n_averaged", "module.a", "module.b"});
  infos[2].tied_to = 1;
  const CheckpointPtr renamed = without_prefixes(memory(infos));
  ASSERT_EQ(renamed->tensors().size(), 2U);
  EXPECT_EQ(renamed->tensors()[1].name, "b");
  EXPECT_EQ(renamed->tensors()[1].tied_to, 0);
  EXPECT_EQ(testing::values_of(*renamed, "a"), "2");  // written last, as b
  EXPECT_EQ(renamed->format(), "memory");
}

TEST(Prefixes, LeaveOtherCheckpointsAlone) {
  CheckpointPtr plain = memory(tensors({"a", "b"}));
  const Checkpoint* before = plain.get();
  EXPECT_EQ(without_prefixes(std::move(plain)).get(), before);
}

TEST(Prefixes, RefuseNamesThatBecomeEqual) {
  expect_error<Error>(
      [] {
        without_prefixes(memory(tensors({"a.b", "a._orig_mod.b"})));
      },
      "m: 'a.b' and 'a._orig_mod.b' are both 'a.b'");
}

TEST(Prefixes, AreRemovedWhenAFileIsOpened) {
  const TempFolder folder;
  save_checkpoint(*memory(tensors({"module.a"})), folder / "x.safetensors");
  EXPECT_EQ(open_checkpoint(folder / "x.safetensors")->find("a"), 0U);
  EXPECT_EQ(open_checkpoint(folder / "x.safetensors", {.keep_prefixes = true})
                ->find("module.a"),
            0U);
}

}  // namespace
}  // namespace soup
