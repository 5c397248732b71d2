#include "checkpoint/refusals.h"

#include <gtest/gtest.h>

#include "checkpoint/pickle_bytes.h"
#include "soup/error.h"
#include "support/expect_error.h"
#include "support/temp_folder.h"

namespace soup {
namespace {

namespace fs = std::filesystem;
using testing::expect_error;
using testing::put;
using testing::TempFolder;

// Opens a file of this name and content.
void refused(const std::string& name, const std::string& bytes,
             const std::string& part) {
  const TempFolder folder;
  put(folder / name, bytes);
  expect_error<Error>([&] { open_checkpoint(folder / name); },
                      name + ": " + part);
}

// A folder of such a file is an error, too, or it is passed over.
bool stops_a_folder(const std::string& name, const std::string& bytes) {
  const TempFolder folder;
  put(folder / name, bytes);
  put(folder / "good.safetensors", testing::safetensors("{}", 0));
  try {
    return collect_checkpoints(std::vector{folder.path()}).size() != 1;
  } catch (const Error&) {
    return true;
  }
}

std::string tar() {
  std::string bytes(1024, '\0');
  bytes.replace(0, 8, "sys_info");
  bytes.replace(257, 5, "ustar");
  return bytes;
}

TEST(Refusals, NameTheWayOut) {
  refused("x.pt", "version https://git-lfs.github.com/spec/v1\noid sha256:1\n",
          "a Git LFS pointer, not the file itself; fetch it with git lfs pull");
  refused("x.gguf", "GGUF\3\0\0\0", "a GGUF file");
  refused("x.pth.tar", tar(), "a tar checkpoint from before torch 0.4");
  refused("x.h5", "\x89HDF\r\n\x1a\n", "an HDF5 (Keras) file");
  refused("x.npz", testing::zip({{"arr_0.npy", ""}}).bytes, "a NumPy archive");
  refused("x.pkl", "\x80\x04K\1.", "a pickle, but not one of torch");
  refused("x.pt", "", "is empty");
  refused("x.safetensors", "<html>", "named like a checkpoint, but");
  refused("x.txt", "text", "not a checkpoint of any known format");
  refused("x.bin", testing::pickled::archive("K\1"), "holds no tensors");
}

TEST(Refusals, StopAFolderOnlyForWhatLooksLikeACheckpoint) {
  EXPECT_TRUE(stops_a_folder("x.gguf", "GGUF\3"));
  EXPECT_TRUE(stops_a_folder("x.pth.tar", tar()));
  EXPECT_TRUE(stops_a_folder("x.pt", ""));
  EXPECT_TRUE(stops_a_folder("x.ckpt", "<html>"));
  EXPECT_FALSE(stops_a_folder("x.pkl", "\x80\x04K\1."));
  EXPECT_FALSE(stops_a_folder("x.npz", testing::zip({{"a.npy", ""}}).bytes));
  EXPECT_FALSE(stops_a_folder("x.bin", "anything"));
  EXPECT_FALSE(stops_a_folder("args.bin", testing::pickled::archive("K\1")));
  EXPECT_FALSE(stops_a_folder("x.zip", testing::zip({{"a", ""}}).bytes));
}

TEST(Refusals, DistributedCheckpoints) {
  const TempFolder folder;
  fs::create_directory(folder / "run7");
  put(folder / "run7" / ".metadata", "x");
  put(folder / "run7" / "__0_0.distcp", "x");
  const std::string part =
      "run7: a distributed checkpoint (.metadata); convert it first: python "
      "-m torch.distributed.checkpoint.format_utils dcp_to_torch ";
  expect_error<Error>([&] { open_checkpoint(folder / "run7"); }, part);
  expect_error<Error>([&] { collect_checkpoints(std::vector{folder.path()}); },
                      part);
}

TEST(Refusals, DeepSpeedCheckpoints) {
  for (const char* name : {"zero_to_fp32.py", "mp_rank_00_model_states.pt",
                           "bf16_zero_pp_rank_0_mp_rank_00_optim_states.pt"}) {
    const TempFolder folder;
    put(folder / name, "x");
    expect_error<Error>([&] { open_checkpoint(folder.path()); },
                        "a DeepSpeed ZeRO checkpoint; convert it first: "
                        "python zero_to_fp32.py . out --safe_serialization");
  }
}

TEST(Refusals, WeightsThatCannotBeAveraged) {
  const TempFolder folder;
  const auto collect = [&](const std::string& name, bool any) {
    const MemoryCheckpoint memory("m", {{.name = name, .shape = {1}}});
    save_checkpoint(memory, folder / "x.safetensors", {}, {.force = true});
    return collect_checkpoints(std::vector{folder.path()}, {.any = any}).size();
  };
  for (const auto& [name, part] :
       {std::pair{"base_model.model.q.lora_A.weight", "a LoRA adapter"},
        std::pair{"q.weight.quant_state.bitsandbytes__nf4", "bitsandbytes"},
        std::pair{"q.SCB", "bitsandbytes"}, std::pair{"q.qweight", "GPTQ"}}) {
    EXPECT_EQ(collect(name, true), 1U);
    expect_error<Error>([&] { collect(name, false); }, part);
    expect_error<Error>([&] { collect(name, false); }, name);
  }
}

}  // namespace
}  // namespace soup
