#include "eval/module.h"

#include <ATen/core/Tensor.h>

#include "soup/model.h"

namespace soup::engine {

EngineInfo engine_info() {
  const TorchInfo torch = torch_info();
  EngineInfo info = {.libtorch = torch.version, .gpus = torch.gpus};
  for (const ModelKind& kind : models()) {
    info.models.push_back({.name = kind.name, .summary = kind.summary});
  }
  return info;
}

std::string message_of(const std::exception& e) { return torch_message(e); }

}  // namespace soup::engine

const soup::EngineModule* soup_engine() {
  static constexpr soup::EngineModule module = {
      .make_evaluators = soup::engine::make_evaluators,
      .make_batch_norm_statistics = soup::engine::make_batch_norm_statistics,
      .engine_info = soup::engine::engine_info,
      .connect_store = soup::engine::connect_store,
      .message_of = soup::engine::message_of,
  };
  return &module;
}
