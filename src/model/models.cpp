#include <array>

#include "core/table.h"
#include "core/text.h"
#include "model/convnext.h"
#include "model/model_file.h"
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
              join(names, ", ") +
              "); --model FILE of scripts/export_model.py or --eval-cmd "
              "score any");
}

/// How names of timm, torchvision and open_clip begin, and what they are here.
struct Family {
  std::string_view start;
  std::string_view model;  ///< with or without "-hf"
};

constexpr std::array kFamilies = {
    Family{"vit_", "vit"},          Family{"deit", "vit"},
    Family{"ViT-", "clip"},         Family{"resnet", "resnet"},
    Family{"resnext", "resnet"},    Family{"wide_resnet", "resnet"},
    Family{"convnext", "convnext"},
};

/// That of an architecture's name; null for the name of a row, and others.
const Family* family_of(const std::string& name) {
  for (const ModelKind& kind : models()) {
    if (kind.name == name) return nullptr;
  }
  for (const Family& family : kFamilies) {
    if (name.starts_with(family.start)) return &family;
  }
  return nullptr;
}

const ModelKind& recognised_as(const Family& family, const std::string& name,
                               const Checkpoint& like) {
  const ModelKind& kind = recognised(like);
  if (!kind.name.starts_with(family.model)) {
    throw Error(like.path().string() + ": its tensors are those of the model " +
                std::string(kind.name) + ", which '" + printable(name) +
                "' is not");
  }
  return kind;
}

}  // namespace

std::span<const ModelKind> models() { return kModels; }

std::unique_ptr<Model> make_model(const std::string& name,
                                  const Checkpoint& like,
                                  const at::Device& device,
                                  const std::filesystem::path& head) {
  if (auto made = make_model_of_file(name, like, device)) return made;
  const Family* family = family_of(name);
  const ModelKind& kind = family != nullptr ? recognised_as(*family, name, like)
                          : name == "auto"  ? recognised(like)
                                            : find_row(models(), name, "model");
  Sidecar sidecar = read_sidecar(like);
  if (family != nullptr) sidecar.architecture = name;
  sidecar.head = head;
  return kind.make(like, sidecar, device);
}

}  // namespace soup
