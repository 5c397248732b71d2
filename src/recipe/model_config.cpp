#include "recipe/model_config.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/json.h"
#include "core/text.h"
#include "recipe/merge_config.h"
#include "recipe/merge_models.h"
#include "recipe/merge_read.h"
#include "recipe/model_folder.h"
#include "recipe/vocabulary.h"
#include "soup/error.h"

namespace soup {
namespace {

using nlohmann::ordered_json;

/// What the output's tensors say that config.json must repeat.
class ConfigOfPlan {
 public:
  ConfigOfPlan(const Recipe& recipe,
               std::span<const Checkpoint* const> ingredients, const Plan& plan)
      : recipe_(recipe), plan_(plan), from_(donor(recipe)) {
    for (size_t k = 0; k < ingredients.size(); ++k) {
      models_.emplace_back(recipe.ingredients[k], *ingredients[k]);
    }
    config_ = models_[from_].config();
  }

  std::string text() {
    if (!config_.is_object()) return {};
    for (const MergeModule& module : recipe_.merge->modules) {
      if (!module.whole) set_layers(module.name);
    }
    set_dtype();
    set_vocabulary();
    if (recipe_.merge->tokenizer) set_special_tokens();
    return config_.dump(2) + "\n";
  }

 private:
  ordered_json& text_part() {
    return const_cast<ordered_json&>(text_config(config_));
  }

  // Input layers of the output's layers, as (model, layer).
  std::vector<std::pair<size_t, int64_t>> layers_of(const std::string& prefix) {
    std::map<int64_t, std::pair<size_t, int64_t>> found;
    for (const PlannedTensor& tensor : plan_.tensors) {
      if (!tensor.out.name.starts_with(prefix) || tensor.sources.empty()) {
        continue;
      }
      const int64_t layer = std::atoll(tensor.out.name.c_str() + prefix.size());
      const Source& source = tensor.sources.front();
      const MergeModel& model = models_[source.ingredient];
      const auto place =
          model.layers().locate(model.file().tensors()[source.tensor].name);
      if (place) found.try_emplace(layer, source.ingredient, place->layer);
    }
    std::vector<std::pair<size_t, int64_t>> layers;
    for (const auto& [layer, place] : found) layers.push_back(place);
    return layers;
  }

  void set_layers(const std::string& module) {
    const Layers& layers = models_[from_].layers();
    const LayerStack& stack = layers.stacks()[layers.main(module)];
    const auto places = layers_of(stack.prefix);
    ordered_json& text = text_part();
    for (ordered_json* part : {&text, &config_}) {
      for (const std::string& key : layer_count_keys()) {
        const bool decoders = key.find("decoder") != std::string::npos;
        const bool wanted =
            module.empty() ||
            decoders == (module.find("decoder") != std::string::npos);
        if (wanted && part->contains(key) && (*part)[key] == stack.count) {
          (*part)[key] = places.size();
        }
      }
    }
    set_lists(text, static_cast<size_t>(stack.count), places);
  }

  // Lists with an entry per layer, such as layer_types.
  void set_lists(ordered_json& text, size_t count,
                 const std::vector<std::pair<size_t, int64_t>>& places) {
    for (auto& [key, value] : text.items()) {
      if (!value.is_array() || value.size() != count ||
          key.find("layer") == std::string::npos) {
        continue;
      }
      ordered_json list = ordered_json::array();
      for (const auto& [model, layer] : places) {
        const ordered_json& other = text_config(models_[model].config());
        const auto at = static_cast<size_t>(layer);
        const bool has = other.is_object() && other.contains(key) &&
                         other[key].is_array() && at < other[key].size();
        list.push_back(has ? other[key][at] : value[at % count]);
      }
      value = std::move(list);
    }
  }

  // Of most of the floats.
  void set_dtype() {
    std::map<DType, int64_t> bytes;
    for (const PlannedTensor& tensor : plan_.tensors) {
      if (is_float(tensor.out.dtype)) {
        bytes[tensor.out.dtype] += tensor.out.bytes();
      }
    }
    const auto most = std::max_element(
        bytes.begin(), bytes.end(),
        [](const auto& a, const auto& b) { return a.second < b.second; });
    if (most == bytes.end()) return;
    ordered_json& text = text_part();
    for (ordered_json* part : {&text, &config_}) {
      for (const char* key : {"torch_dtype", "dtype"}) {
        if (part->contains(key)) (*part)[key] = info(most->first).torch;
      }
    }
    if (!config_.contains("torch_dtype") && !config_.contains("dtype")) {
      config_["torch_dtype"] = info(most->first).torch;
    }
  }

  void set_vocabulary() {
    const auto embedding = models_[from_].embedding();
    if (!embedding) return;
    const std::string& name = models_[from_].file().tensors()[*embedding].name;
    ordered_json& text = text_part();
    bool head = false;
    for (const PlannedTensor& tensor : plan_.tensors) {
      head = head || MergeModel::is_head(tensor.out.name);
      if (tensor.out.name != name) continue;
      for (ordered_json* part : {&text, &config_}) {
        if (part->contains("vocab_size")) {
          (*part)["vocab_size"] = tensor.out.shape[0];
        }
      }
    }
    // A head of its own would not be read by who believes in the tie.
    for (ordered_json* part : {&text, &config_}) {
      if (part->contains("tie_word_embeddings") && head) {
        (*part)["tie_word_embeddings"] = false;
      }
    }
  }

  // Their ids in the vocabulary that is kept.
  void set_special_tokens() {
    const ordered_json& all = models_[tokenizer_model(recipe_)].config();
    const ordered_json& kept = text_config(all);
    ordered_json& text = text_part();
    for (const char* key : {"bos_token_id", "eos_token_id", "pad_token_id"}) {
      if (!text.contains(key) || !kept.is_object() || !kept.contains(key)) {
        continue;
      }
      text[key] = kept[key];
    }
  }

  const Recipe& recipe_;
  const Plan& plan_;
  size_t from_;
  std::vector<MergeModel> models_;
  ordered_json config_;
};

}  // namespace

std::string merged_config(const Recipe& recipe,
                          std::span<const Checkpoint* const> ingredients,
                          const Plan& plan) {
  return ConfigOfPlan(recipe, ingredients, plan).text();
}

std::string merge_recipe_text(const Recipe& recipe) {
  return merge_json(*recipe.merge).dump(2);
}

}  // namespace soup
