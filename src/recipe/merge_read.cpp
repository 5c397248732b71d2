#include "recipe/merge_read.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "core/text.h"
#include "recipe/merge_config.h"
#include "recipe/model_refs.h"
#include "soup/error.h"

namespace soup {
namespace fs = std::filesystem;
namespace {

void set_merge(Recipe& recipe, MergeConfig config) {
  recipe.rule = config.rules.back().value;
  if (!config.out_dtype.empty()) {
    recipe.dtype = config.out_dtype;
  } else if (!config.dtype.empty()) {
    recipe.dtype = config.dtype;
  }
  recipe.work_dtype = config.dtype.empty() ? "keep" : config.dtype;
  config.dtype.clear();
  config.out_dtype.clear();
  config.name.clear();
  config.models.clear();
  recipe.base = config.base;
  recipe.merge = std::make_shared<const MergeConfig>(std::move(config));
}

/// The documents of a file, made into recipes in the order of their need.
class Documents {
 public:
  Documents(std::vector<MergeConfig> configs, std::string where,
            fs::path folder)
      : configs_(std::move(configs)),
        where_(std::move(where)),
        folder_(std::move(folder)),
        made_(configs_.size()) {
    std::set<std::string> names;
    for (const MergeConfig& config : configs_) {
      if (config.name.empty() || names.insert(config.name).second) continue;
      throw UsageError(where_ + ": two documents are called '" +
                       printable(config.name) + "'");
    }
  }

  Recipe make() {
    const size_t last = final_document();
    const Recipe recipe = *make(last);
    for (size_t i = 0; i < configs_.size(); ++i) {
      if (made_[i] != nullptr) continue;
      mistakes_.push_back(where_ + ": document " + std::to_string(i + 1) +
                          (configs_[i].name.empty()
                               ? ""
                               : " ('" + printable(configs_[i].name) + "')") +
                          " feeds no other");
    }
    if (!mistakes_.empty()) throw Error(join(mistakes_, "\n  "));
    return recipe;
  }

 private:
  // The one without a name, else the last.
  size_t final_document() const {
    size_t found = configs_.size() - 1;
    size_t nameless = 0;
    for (size_t i = 0; i < configs_.size(); ++i) {
      if (!configs_[i].name.empty()) continue;
      found = i;
      ++nameless;
    }
    if (nameless > 1) {
      throw UsageError(where_ + ": " + std::to_string(nameless) +
                       " documents have no 'name'; all but the last need one");
    }
    return found;
  }

  std::shared_ptr<const Recipe> make(size_t i) {
    if (made_[i] != nullptr) return made_[i];
    if (!open_.insert(i).second) {
      throw UsageError(where_ + ": document '" + printable(configs_[i].name) +
                       "' feeds itself");
    }
    Recipe recipe;
    for (const ModelName& model : configs_[i].models) {
      recipe.ingredients.push_back(ingredient(model));
    }
    set_merge(recipe, configs_[i]);
    made_[i] = std::make_shared<const Recipe>(std::move(recipe));
    return made_[i];
  }

  Ingredient ingredient(const ModelName& model) {
    Ingredient made;
    const auto stage = std::find_if(
        configs_.begin(), configs_.end(), [&](const MergeConfig& config) {
          return !config.name.empty() && config.name == model.model;
        });
    try {
      if (stage != configs_.end() && model.revision.empty()) {
        made.made = make(static_cast<size_t>(stage - configs_.begin()));
      } else {
        made.path = find_model(model.model, model.revision, folder_);
      }
      if (!model.adapter.empty()) {
        made.adapters.push_back(
            {find_model(model.adapter, model.adapter_revision, folder_)});
      }
    } catch (const UsageError&) {
      throw;
    } catch (const Error& e) {
      const std::string line = where_ + ": " + e.what();
      if (std::find(mistakes_.begin(), mistakes_.end(), line) ==
          mistakes_.end()) {
        mistakes_.push_back(line);
      }
    }
    return made;
  }

  std::vector<MergeConfig> configs_;
  std::string where_;
  fs::path folder_;
  std::vector<std::shared_ptr<const Recipe>> made_;
  std::set<size_t> open_;
  std::vector<std::string> mistakes_;
};

}  // namespace

bool looks_like_merge(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos || text[first] == '{') return false;
  return text.find("merge_method") != std::string_view::npos ||
         text.find("models") != std::string_view::npos ||
         text.find("slices") != std::string_view::npos;
}

Recipe parse_merge(std::string_view text, const std::string& where,
                   const fs::path& folder) {
  std::vector<YamlNode> documents = parse_yaml(text, where);
  std::erase_if(documents, [](const YamlNode& node) { return node.is_null(); });
  if (documents.empty()) throw UsageError(where + ": holds no recipe");
  Complaints complaints(where);
  std::vector<MergeConfig> configs;
  for (const YamlNode& document : documents) {
    configs.push_back(read_merge_config(document, complaints));
  }
  complaints.check();
  return Documents(std::move(configs), where, folder).make();
}

void read_merge(const nlohmann::ordered_json& merge, const std::string& where,
                Recipe& recipe) {
  Complaints complaints(where);
  MergeConfig config = read_merge_config(node_of_json(merge), complaints,
                                         recipe.ingredients.size());
  complaints.check();
  // The strict form says what the recipe's `dtype` and `out_dtype` came to.
  std::string dtype = recipe.dtype;
  std::string work_dtype = recipe.work_dtype;
  set_merge(recipe, std::move(config));
  recipe.dtype = std::move(dtype);
  if (!work_dtype.empty()) recipe.work_dtype = std::move(work_dtype);
}

void check_recipe_paths(const Recipe& recipe,
                        std::span<const fs::path> folders) {
  std::vector<std::string> mistakes;
  for (const Ingredient& ingredient : recipe.ingredients) {
    if (ingredient.made != nullptr) {
      check_recipe_paths(*ingredient.made, folders);
    }
    std::vector<fs::path> paths = {ingredient.path};
    for (const AdapterShare& adapter : ingredient.adapters) {
      paths.push_back(adapter.path);
    }
    for (const fs::path& path : paths) {
      if (path.empty()) continue;
      try {
        check_allowed(path, folders);
      } catch (const Error& e) {
        mistakes.emplace_back(e.what());
      }
    }
  }
  if (!mistakes.empty()) throw Error(join(mistakes, "\n  "));
}

nlohmann::ordered_json merge_json(const MergeConfig& config) {
  return json_of_node(node_of(config));
}

}  // namespace soup
