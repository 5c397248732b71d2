#include "checkpoint/refusals.h"

#include <algorithm>
#include <array>
#include <string>

#include "checkpoint/formats.h"
#include "core/text.h"
#include "soup/error.h"

namespace soup {
namespace fs = std::filesystem;
namespace {

std::string_view text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

bool is_gguf(std::span<const std::byte> file) {
  return text_of(file).starts_with("GGUF");
}

bool is_lfs_pointer(std::span<const std::byte> file) {
  return file.size() < 1024 &&
         text_of(file).starts_with("version https://git-lfs.github.com/spec/");
}

// Torch before 0.4 wrote a tar with these members.
bool is_tar(std::span<const std::byte> file) {
  if (file.size() < 512) return false;
  const std::string_view name = text_of(file).substr(0, 100);
  for (std::string_view member :
       {"sys_info", "pickle", "tensors", "storages"}) {
    if (name.substr(0, name.find('\0')) == member &&
        text_of(file).substr(257, 5) == "ustar") {
      return true;
    }
  }
  return false;
}

bool is_hdf5(std::span<const std::byte> file) {
  return text_of(file).starts_with("\x89HDF\r\n\x1a\n");
}

bool is_npz(std::span<const std::byte> file) {
  return text_of(file).starts_with("PK\3\4") &&
         text_of(file).substr(0, 512).find(".npy") != std::string_view::npos;
}

bool is_pickle(std::span<const std::byte> file) {
  return file.size() > 2 && file[0] == std::byte{0x80} &&
         file[1] >= std::byte{2} && file[1] <= std::byte{5} &&
         file.back() == std::byte{'.'};
}

constexpr std::array kRefusals = {
    Refusal{is_lfs_pointer,
            "a Git LFS pointer, not the file itself; fetch it with git lfs "
            "pull",
            true},
    Refusal{is_gguf,
            "a GGUF file, quantised blocks under other names; average the "
            "checkpoints that it was made from",
            true},
    Refusal{is_tar,
            "a tar checkpoint from before torch 0.4; load and save it once "
            "with torch",
            true},
    Refusal{is_hdf5, "an HDF5 (Keras) file; convert it to safetensors first"},
    Refusal{is_npz, "a NumPy archive; convert it to safetensors first"},
    Refusal{is_pickle,
            "a pickle, but not one of torch; load it and save its tensors "
            "with torch.save"},
};

// A name that promises weights: what is not recognised is broken.
constexpr std::array<std::string_view, 4> kSuffixes = {".safetensors", ".pt",
                                                       ".pth", ".ckpt"};
constexpr Refusal kEmpty{nullptr, "is empty", true};
constexpr Refusal kMisnamed{
    nullptr, "named like a checkpoint, but no known format", true};

bool has_file(const fs::path& folder, std::string_view prefix,
              std::string_view suffix) {
  std::error_code error;
  for (const fs::directory_entry& entry :
       fs::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with(prefix) && name.ends_with(suffix)) return true;
  }
  return false;
}

bool is_distributed(const fs::path& folder) {
  return is_file(folder / ".metadata") && has_file(folder, "__", ".distcp");
}

bool is_deepspeed(const fs::path& folder) {
  return is_file(folder / "zero_to_fp32.py") ||
         has_file(folder, "mp_rank_", "_model_states.pt") ||
         has_file(folder, "", "_optim_states.pt");
}

// Ends of tensor names that give a kind of weights away.
struct Mark {
  std::string_view end;
  std::string_view what;
};
constexpr std::array kMarks = {
    Mark{".lora_A.weight", "adapter"},
    Mark{".lora_A.default.weight", "adapter"},
    Mark{".lora_embedding_A", "adapter"},
    Mark{".quant_state.bitsandbytes__nf4", "quantised (bitsandbytes)"},
    Mark{".quant_state.bitsandbytes__fp4", "quantised (bitsandbytes)"},
    Mark{".absmax", "quantised (bitsandbytes)"},
    Mark{".quant_map", "quantised (bitsandbytes)"},
    Mark{".SCB", "quantised (bitsandbytes)"},
    Mark{".qweight", "quantised (GPTQ or AWQ)"},
    Mark{".weight_packed", "quantised (compressed-tensors)"},
};

}  // namespace

const Refusal* find_refusal(std::span<const std::byte> file,
                            const fs::path& path) {
  for (const Refusal& refusal : kRefusals) {
    if (refusal.recognise(file)) return &refusal;
  }
  const std::string name = path.filename().string();
  const bool promises = std::any_of(
      kSuffixes.begin(), kSuffixes.end(),
      [&](std::string_view suffix) { return name.ends_with(suffix); });
  if (!promises) return nullptr;
  return file.empty() ? &kEmpty : &kMisnamed;
}

bool is_refused_folder(const fs::path& folder) {
  return is_distributed(folder) || is_deepspeed(folder);
}

void check_folder(const fs::path& folder) {
  const std::string name = printable(folder.string());
  if (is_distributed(folder)) {
    throw Error(name +
                ": a distributed checkpoint (.metadata); convert it "
                "first: python -m torch.distributed.checkpoint.format_utils "
                "dcp_to_torch " +
                name + " " + name + ".pt");
  }
  if (is_deepspeed(folder)) {
    throw Error(name +
                ": a DeepSpeed ZeRO checkpoint; convert it first: "
                "python zero_to_fp32.py . out --safe_serialization");
  }
}

void check_averageable(const Checkpoint& checkpoint) {
  for (const TensorInfo& tensor : checkpoint.tensors()) {
    for (const Mark& mark : kMarks) {
      if (!tensor.name.ends_with(mark.end)) continue;
      const std::string subject =
          printable(checkpoint.path().string()) + ": " + quote(tensor.name);
      if (mark.what == "adapter") {
        throw Error(subject +
                    " is a factor of a LoRA adapter, and the average "
                    "of factors is not the average of adapters; average the "
                    "folders of adapters with soup uniform, or merge each into "
                    "its base first: soup convert ADAPTER --base MODEL");
      }
      throw Error(subject + " is part of " + std::string(mark.what) +
                  " weights, which cannot be averaged; average the "
                  "checkpoints that they were made from");
    }
  }
}

}  // namespace soup
