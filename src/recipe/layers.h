#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "soup/checkpoint.h"

/// Which tensors of a model belong to which layer, told from their names and
/// config.json: no architecture has to be listed.
namespace soup {

/// Layers numbered from 0 under one prefix: `model.layers.`.
struct LayerStack {
  std::string prefix;
  int64_t count = 0;
};

/// Where a tensor lies in a model.
struct LayerPlace {
  size_t stack = 0;
  int64_t layer = 0;
  std::string rest;  ///< of the name, after the number: `.mlp.up_proj.weight`
};

/// The stacks of a checkpoint: numbered from 0 without gaps and, where
/// config.json says how many layers there are, of that many.
class Layers {
 public:
  /// Reads names only. `config`: of the model, null when there is none.
  Layers(const Checkpoint& model, const nlohmann::ordered_json& config);

  /// In order of their prefixes.
  const std::vector<LayerStack>& stacks() const { return stacks_; }
  /// nullopt for tensors outside of stacks: embeddings, norms, heads.
  std::optional<LayerPlace> locate(std::string_view name) const;
  /// Stack with this prefix, nullopt: none.
  std::optional<size_t> find(std::string_view prefix) const;
  /// The stack that slices cut: the only one whose prefix holds `module`.
  /// Throws Error when that is not clear.
  size_t main(const std::string& module) const;

 private:
  std::string where_;
  std::vector<LayerStack> stacks_;
};

/// The keys of config.json that say how many layers there are.
std::vector<std::string> layer_count_keys();
/// config.json's own settings of the language model: `text_config` where there
/// is one, else the whole.
const nlohmann::ordered_json& text_config(const nlohmann::ordered_json&);

/// True for what comes before the first layer: embeddings. What is outside of
/// layers otherwise (final norms, heads) comes after the last.
bool is_before_layers(std::string_view name);

/// `module` is empty or one of the parts of `name` between dots.
bool in_module(const std::string& module, std::string_view name);
/// "no module 'x', did you mean 'y'?", where the outermost two parts of the
/// tensors' names are what modules can be called.
std::string no_module(const std::string& module, const Checkpoint& model);

}  // namespace soup
