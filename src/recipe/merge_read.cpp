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

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

// A document is read once for every path from the last one to it.
constexpr size_t kMaxStages = 1000;
constexpr size_t kMaxStagesDeep = 16;  // what JSON's nesting leaves room for

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
  Documents(std::vector<MergeConfig> configs, fs::path folder,
            Complaints& complaints)
      : configs_(std::move(configs)),
        folder_(std::move(folder)),
        complaints_(complaints),
        stages_(configs_.size()) {}

  Recipe make() {
    check_names();
    for (size_t i = 0; i < configs_.size(); ++i) find_ingredients(i);
    complaints_.check();
    const Recipe recipe = *make(final_document());
    for (size_t i = 0; i < configs_.size(); ++i) {
      if (stages_[i].made != nullptr) continue;
      complaints_.add(configs_[i].line, "this document feeds no other");
    }
    complaints_.check();
    return recipe;
  }

 private:
  struct Stage {
    std::vector<Ingredient> ingredients;
    std::shared_ptr<const Recipe> made;
    size_t uses = 1;  ///< of stages, this one included
  };

  void check_names() {
    std::set<std::string> names;
    size_t nameless = 0;
    for (const MergeConfig& config : configs_) {
      if (config.name.empty()) {
        if (++nameless == 1) continue;
        complaints_.add(config.line,
                        "a second document without 'name'; all but the last "
                        "need one");
      } else if (!names.insert(config.name).second) {
        complaints_.add(config.line, "two documents are called '" +
                                         printable(config.name) + "'");
      }
    }
  }

  // The one without a name, else the last.
  size_t final_document() const {
    for (size_t i = 0; i < configs_.size(); ++i) {
      if (configs_[i].name.empty()) return i;
    }
    return configs_.size() - 1;
  }

  // The document that a recipe names as a model.
  std::optional<size_t> stage(const ModelName& model) const {
    for (size_t i = 0; i < configs_.size(); ++i) {
      if (!configs_[i].name.empty() && configs_[i].name == model.model &&
          model.revision.empty()) {
        return i;
      }
    }
    return std::nullopt;
  }

  void find_ingredients(size_t i) {
    for (const ModelName& model : configs_[i].models) {
      Ingredient& found = stages_[i].ingredients.emplace_back();
      try {
        if (!stage(model)) {
          found.path = find_model(model.model, model.revision, folder_);
        }
        if (!model.adapter.empty()) {
          found.adapters.push_back(
              {find_model(model.adapter, model.adapter_revision, folder_)});
        }
      } catch (const Error& e) {
        complaints_.add_missing(model.line, e.what());
      }
    }
  }

  std::shared_ptr<const Recipe> make(size_t i) {
    Stage& current = stages_[i];
    if (current.made != nullptr) return current.made;
    const MergeConfig& config = configs_[i];
    if (!open_.insert(i).second) fail(config, "feeds itself");
    if (open_.size() > kMaxStagesDeep) {
      fail(config, "feeds others that feed others, more than " +
                       std::to_string(kMaxStagesDeep) + " deep");
    }
    Recipe recipe;
    recipe.ingredients = current.ingredients;
    for (size_t k = 0; k < config.models.size(); ++k) {
      const std::optional<size_t> from = stage(config.models[k]);
      if (!from) continue;
      recipe.ingredients[k].made = make(*from);
      current.uses += stages_[*from].uses;
    }
    if (current.uses > kMaxStages) {
      fail(config, "is made of more than " + std::to_string(kMaxStages) +
                       " others, counted as often as they are used");
    }
    open_.erase(i);
    set_merge(recipe, config);
    current.made = std::make_shared<const Recipe>(std::move(recipe));
    return current.made;
  }

  [[noreturn]] static void fail(const MergeConfig& config,
                                const std::string& what) {
    throw UsageError(config.where + ":" + std::to_string(config.line) +
                     ": the document '" + printable(config.name) + "' " + what);
  }

  std::vector<MergeConfig> configs_;
  fs::path folder_;
  Complaints& complaints_;
  std::vector<Stage> stages_;
  std::set<size_t> open_;  // in the making
};

// Of its ingredients and of the stages among them.
void gather_paths(const Recipe& recipe, std::set<fs::path>& paths) {
  for (const Ingredient& ingredient : recipe.ingredients) {
    if (ingredient.made != nullptr) gather_paths(*ingredient.made, paths);
    if (!ingredient.path.empty()) paths.insert(ingredient.path);
    for (const AdapterShare& adapter : ingredient.adapters) {
      paths.insert(adapter.path);
    }
  }
}

}  // namespace

bool looks_like_merge(std::string_view text) {
  if (text.starts_with(kByteOrderMark)) {
    text.remove_prefix(kByteOrderMark.size());
  }
  const size_t first = text.find_first_not_of(" \t\r\n");
  const auto has = [&](const char* key) {
    return text.find(key) != std::string_view::npos;
  };
  const bool braces = first != std::string_view::npos && text[first] == '{';
  return !braces || (has("merge_method") && !has("ingredients"));
}

Recipe parse_merge(std::string_view text, const std::string& where,
                   const fs::path& folder) {
  std::vector<YamlNode> documents = parse_yaml(text, where);
  std::erase_if(documents, [](const YamlNode& node) { return node.is_null(); });
  if (documents.empty()) throw UsageError(where + ": holds no recipe");
  Complaints complaints(where);
  std::vector<MergeConfig> configs;
  for (const YamlNode& document : documents) {
    MergeConfig& config =
        configs.emplace_back(read_merge_config(document, complaints));
    config.where = where;
    config.line = document.line;
  }
  Recipe recipe = Documents(std::move(configs), folder, complaints).make();
  auto config = std::make_shared<MergeConfig>(*recipe.merge);
  config->text = text;
  recipe.merge = std::move(config);
  return recipe;
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
  std::set<fs::path> paths;
  gather_paths(recipe, paths);
  check_allowed(paths, folders);
}

nlohmann::ordered_json merge_json(const MergeConfig& config) {
  return json_of_node(node_of(config));
}

}  // namespace soup
