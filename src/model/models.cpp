#include <algorithm>
#include <array>

#include "core/table.h"
#include "core/text.h"
#include "model/convnext.h"
#include "model/resnet.h"
#include "model/sidecar.h"
#include "model/vit_families.h"
#include "soup/error.h"
#include "soup/model.h"

namespace soup {
namespace {

constexpr std::array kModels = {
    ModelKind{"vit", "Vision Transformer, DeiT in timm's layout",
              looks_like_vit, make_vit},
    ModelKind{"vit-hf", "Vision Transformer, DeiT in Hugging Face's layout",
              looks_like_hf_vit, make_hf_vit},
    ModelKind{"clip",
              "CLIP's image tower with a linear head, open_clip's layout",
              looks_like_clip, make_clip},
    ModelKind{"clip-hf",
              "CLIP's image tower with a linear head, Hugging Face's layout",
              looks_like_hf_clip, make_hf_clip},
    ModelKind{"resnet",
              "ResNet, wide ResNet, ResNeXt in torchvision's or timm's layout",
              looks_like_resnet, make_resnet},
    ModelKind{"convnext", "ConvNeXt in timm's layout", looks_like_convnext,
              make_convnext},
};

const ModelKind& recognised(const Checkpoint& checkpoint) {
  std::vector<std::string> names;
  for (const ModelKind& kind : models()) {
    if (kind.recognise(checkpoint)) return kind;
    names.emplace_back(kind.name);
  }
  throw Error(checkpoint.path().string() +
              ": its tensors are those of no model that can be scored here (" +
              join(names, ", ") + "); --eval-cmd scores any");
}

// Names of timm, torchvision and open_clip: of no row, but near to one.
bool is_architecture(const std::string& name) {
  constexpr std::array<std::string_view, 7> families = {
      "vit_", "deit", "ViT-", "resnet", "resnext", "wide_resnet", "convnext"};
  if (std::any_of(kModels.begin(), kModels.end(),
                  [&](const ModelKind& kind) { return kind.name == name; })) {
    return false;
  }
  return std::any_of(
      families.begin(), families.end(),
      [&](std::string_view start) { return name.starts_with(start); });
}

}  // namespace

std::span<const ModelKind> models() { return kModels; }

std::unique_ptr<Model> make_model(const std::string& name,
                                  const Checkpoint& like,
                                  const at::Device& device,
                                  const std::filesystem::path& head) {
  const bool architecture = is_architecture(name);
  const ModelKind& kind = name == "auto" || architecture
                              ? recognised(like)
                              : find_row(models(), name, "model");
  Sidecar sidecar = read_sidecar(like);
  if (architecture) sidecar.architecture = name;
  sidecar.head = head;
  return kind.make(like, sidecar, device);
}

}  // namespace soup
