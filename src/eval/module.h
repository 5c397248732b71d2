#pragma once

#include <exception>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "soup/eval.h"

namespace soup {

/// The part of this layer that computes with libtorch, with the models below
/// it: functions of eval.h, by the same names. In the program it is a module,
/// libsoup_engine.so, so that mixing and everything else that computes nothing
/// with libtorch does without (it takes 0.3 s and 100 MB to load); tests link
/// it.
struct EngineModule {
  decltype(&soup::make_evaluators) make_evaluators;
  decltype(&soup::make_batch_norm_statistics) make_batch_norm_statistics;
  decltype(&soup::engine_info) engine_info;
  decltype(&soup::connect_store) connect_store;
  decltype(&soup::message_of) message_of;
};

namespace engine {

std::vector<std::unique_ptr<Evaluator>> make_evaluators(
    std::span<const DatasetSpec>, const Checkpoint& like,
    const EvaluatorOptions&);
std::unique_ptr<BatchNormStatistics> make_batch_norm_statistics(
    const DatasetSpec&, const Checkpoint& like, uint64_t seed,
    const EvaluatorOptions&);
EngineInfo engine_info();
std::unique_ptr<Store> connect_store(const Launch&);
std::string message_of(const std::exception&);

}  // namespace engine
}  // namespace soup

/// What the module exports. Weak: nullptr where it is not linked.
extern "C" [[gnu::weak]] const soup::EngineModule* soup_engine();
