#include "recipe/layers.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "core/table.h"
#include "core/text.h"
#include "soup/error.h"

namespace soup {
namespace {

constexpr std::array kCountKeys = {
    "num_hidden_layers",  "n_layer",        "n_layers",      "num_layers",
    "num_decoder_layers", "encoder_layers", "decoder_layers"};

struct Split {
  std::string_view prefix;  // with the dot
  int64_t index = 0;
  std::string_view rest;  // with the dot, may be empty
};

// `name` at its first part that is a number.
std::optional<Split> split(std::string_view name) {
  size_t begin = 0;
  while (begin <= name.size()) {
    const size_t end = std::min(name.find('.', begin), name.size());
    int64_t index = 0;
    const auto [stop, error] =
        std::from_chars(name.data() + begin, name.data() + end, index);
    if (begin > 0 && end > begin && error == std::errc() &&
        stop == name.data() + end && index >= 0) {
      return Split{name.substr(0, begin), index, name.substr(end)};
    }
    begin = end + 1;
  }
  return std::nullopt;
}

// Every number of layers that a config names.
std::set<int64_t> configured_counts(const nlohmann::ordered_json& config) {
  std::set<int64_t> counts;
  const auto add = [&](const nlohmann::ordered_json& part) {
    for (const char* key : kCountKeys) {
      if (part.contains(key) && part[key].is_number_integer()) {
        counts.insert(part[key].get<int64_t>());
      }
    }
  };
  if (!config.is_object()) return counts;
  add(config);
  for (const auto& [key, part] : config.items()) {
    if (part.is_object()) add(part);
  }
  return counts;
}

}  // namespace

std::vector<std::string> layer_count_keys() {
  return {kCountKeys.begin(), kCountKeys.end()};
}

const nlohmann::ordered_json& text_config(const nlohmann::ordered_json& all) {
  for (const char* key : {"text_config", "llm_config"}) {
    if (all.is_object() && all.contains(key) && all[key].is_object()) {
      return all[key];
    }
  }
  return all;
}

bool is_before_layers(std::string_view name) {
  if (name.find("embed_out") != std::string_view::npos) return false;
  for (const char* part : {"embed", "wte", "wpe", "shared.weight", "cls_token",
                           "class_token", "conv1", "mask_token", "ln_pre"}) {
    if (name.find(part) != std::string_view::npos) return true;
  }
  return false;
}

bool in_module(const std::string& module, std::string_view name) {
  if (module.empty()) return true;
  return ("." + std::string(name) + ".").find("." + module + ".") !=
         std::string::npos;
}

std::string no_module(const std::string& module, const Checkpoint& model) {
  std::set<std::string_view> names;
  for (const TensorInfo& tensor : model.tensors()) {
    std::string_view rest = tensor.name;
    for (int depth = 0; depth < 2; ++depth) {
      const size_t dot = rest.find('.');
      if (dot == std::string_view::npos) break;
      const std::string_view name = rest.substr(0, dot);
      if (name.find_first_not_of("0123456789") == name.npos) break;
      names.insert(name);
      rest.remove_prefix(dot + 1);
    }
  }
  const std::vector<std::string_view> known(names.begin(), names.end());
  return "no module '" + printable(module) + "'" +
         printable(suggestion(module, known));
}

Layers::Layers(const Checkpoint& model, const nlohmann::ordered_json& config)
    : where_(model.path().string()) {
  std::map<std::string, std::set<int64_t>> found;
  for (const TensorInfo& tensor : model.tensors()) {
    if (const auto parts = split(tensor.name)) {
      found[std::string(parts->prefix)].insert(parts->index);
    }
  }
  for (const auto& [prefix, indices] : found) {
    // Gaps: places in a Sequential rather than layers.
    if (*indices.begin() != 0 ||
        *indices.rbegin() != static_cast<int64_t>(indices.size()) - 1) {
      continue;
    }
    stacks_.push_back({prefix, static_cast<int64_t>(indices.size())});
  }
  const std::set<int64_t> counts = configured_counts(config);
  std::vector<LayerStack> counted;
  for (const LayerStack& stack : stacks_) {
    if (counts.contains(stack.count)) counted.push_back(stack);
  }
  if (!counted.empty()) {
    stacks_ = std::move(counted);
  } else if (stacks_.size() > 1) {
    std::erase_if(stacks_, [](const LayerStack& s) { return s.count == 1; });
  }
}

std::optional<LayerPlace> Layers::locate(std::string_view name) const {
  const auto parts = split(name);
  if (!parts) return std::nullopt;
  const std::optional<size_t> stack = find(parts->prefix);
  if (!stack) return std::nullopt;
  return LayerPlace{*stack, parts->index, std::string(parts->rest)};
}

std::optional<size_t> Layers::find(std::string_view prefix) const {
  const auto found =
      std::lower_bound(stacks_.begin(), stacks_.end(), prefix,
                       [](const LayerStack& stack, std::string_view p) {
                         return stack.prefix < p;
                       });
  if (found == stacks_.end() || found->prefix != prefix) return std::nullopt;
  return static_cast<size_t>(found - stacks_.begin());
}

size_t Layers::main(const std::string& module) const {
  std::vector<size_t> all;
  std::vector<std::string> names;
  for (size_t i = 0; i < stacks_.size(); ++i) {
    if (!in_module(module, stacks_[i].prefix)) continue;
    all.push_back(i);
    names.push_back(printable(stacks_[i].prefix) + " (" +
                    std::to_string(stacks_[i].count) + ")");
  }
  if (all.size() == 1) return all.front();
  const std::string inside =
      module.empty() ? "" : " in module '" + printable(module) + "'";
  if (all.empty()) {
    throw Error(where_ + ": no layers are numbered in its tensors' names" +
                inside + ", so it cannot be sliced; use 'models'");
  }
  throw Error(where_ + ": several stacks of layers" + inside + ", " +
              join(names, ", ") + "; name one in 'modules'");
}

}  // namespace soup
