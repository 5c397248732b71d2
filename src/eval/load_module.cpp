#include <dlfcn.h>

#include <atomic>

#include "eval/module.h"
#include "soup/error.h"

namespace soup {
namespace {

constexpr const char* kModule = "libsoup_engine.so";

std::atomic<bool> is_loaded = false;

// Found by the program's run path: beside it, or where it was installed.
const EngineModule& load() {
  if (soup_engine != nullptr) return *soup_engine();
  void* const module = dlopen(kModule, RTLD_NOW | RTLD_LOCAL);
  if (module == nullptr) {
    throw Error(std::string("scoring needs ") + kModule +
                " and libtorch: " + dlerror());
  }
  auto* const get =
      reinterpret_cast<decltype(&soup_engine)>(dlsym(module, "soup_engine"));
  if (get == nullptr) {
    throw Error(std::string(kModule) + ": is not this program's");
  }
  return *get();
}

const EngineModule& loaded() {
  static const EngineModule& module = load();
  is_loaded = true;
  return module;
}

}  // namespace

std::vector<std::unique_ptr<Evaluator>> make_evaluators(
    std::span<const DatasetSpec> datasets, const Checkpoint& like,
    const EvaluatorOptions& options) {
  return loaded().make_evaluators(datasets, like, options);
}

std::unique_ptr<BatchNormStatistics> make_batch_norm_statistics(
    const DatasetSpec& dataset, const Checkpoint& like, uint64_t seed,
    const EvaluatorOptions& options) {
  return loaded().make_batch_norm_statistics(dataset, like, seed, options);
}

EngineInfo engine_info() { return loaded().engine_info(); }

std::unique_ptr<Store> connect_store(const Launch& launch) {
  if (launch.address.empty()) {
    throw UsageError(
        "started as one of " + std::to_string(launch.size) + " processes by " +
        launch.launcher +
        ", but MASTER_ADDR, the host of rank 0, is not set; set it, or unset " +
        launch.variable + " to run alone");
  }
  return loaded().connect_store(launch);
}

std::string message_of(const std::exception& e) {
  return is_loaded ? loaded().message_of(e) : e.what();
}

}  // namespace soup
