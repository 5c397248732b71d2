#include <array>

#include "core/table.h"
#include "core/text.h"
#include "model/sidecar.h"
#include "model/vit.h"
#include "model/vit_geometry.h"
#include "soup/error.h"
#include "soup/model.h"

namespace soup {
namespace {

constexpr std::array kModels = {
    ModelKind{"vit", "Vision Transformer in timm's layout", looks_like_vit,
              make_vit},
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

}  // namespace

std::span<const ModelKind> models() { return kModels; }

std::unique_ptr<Model> make_model(const std::string& name,
                                  const Checkpoint& like,
                                  const at::Device& device) {
  const ModelKind& kind =
      name == "auto" ? recognised(like) : find_row(models(), name, "model");
  const Sidecar sidecar = read_sidecar(like);
  return kind.make(like, sidecar.content, device);
}

}  // namespace soup
