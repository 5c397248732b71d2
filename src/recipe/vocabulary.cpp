#include "recipe/vocabulary.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/text.h"
#include "recipe/layers.h"
#include "recipe/merge_config.h"
#include "recipe/model_folder.h"
#include "recipe/tokenizer.h"
#include "soup/error.h"

namespace soup {
namespace {

// Rows of a model's embedding as its config says, -1: it does not.
int64_t configured_rows(const Ingredient& ingredient, const Checkpoint& file) {
  const nlohmann::ordered_json all = model_config(ingredient, file);
  const nlohmann::ordered_json& config = text_config(all);
  if (!config.is_object()) return -1;
  const auto rows = config.find("vocab_size");
  return rows != config.end() && rows->is_number_integer()
             ? rows->get<int64_t>()
             : -1;
}

// More rows than tokens than this are no padding.
constexpr int64_t kMostPadding = 1 << 20;

struct Model {
  std::string name = {};
  std::optional<Tokenizer> tokenizer = {};
  int64_t rows = -1;
  bool stripped = false;  ///< of tokens without a row
};

class Joiner {
 public:
  Joiner(const Recipe& recipe, std::vector<Model> models)
      : recipe_(recipe),
        rule_(*recipe.merge->tokenizer),
        models_(std::move(models)) {
    joint_.kept = tokenizer_model(recipe);
  }

  JointVocabulary join() {
    assume_missing();
    Tokenizer out = *kept().tokenizer;
    if (rule_.source == TokenizerRule::Source::kUnion) {
      for (size_t k = 0; k < models_.size(); ++k) {
        if (k != joint_.kept) out.join(*models_[k].tokenizer);
      }
    }
    for (const auto& [token, source] : rule_.tokens) out.add(token);
    joint_.tokens = out.size();
    if (joint_.tokens == 0) throw Error(kept().name + ": has no token");
    set_own(out);
    set_others(out);
    pad();
    compare(out);
    return std::move(joint_);
  }

 private:
  const Model& kept() const { return models_[joint_.kept]; }

  // Models without a file have the kept one's vocabulary: their heights agree.
  void assume_missing() {
    if (!kept().tokenizer) {
      throw Error(kept().name +
                  ": has no tokenizer.json, whose vocabulary the output would "
                  "have; name another tokenizer_source, or convert its "
                  "tokenizer with transformers");
    }
    for (Model& model : models_) {
      if (model.tokenizer) {
        model.stripped = model.rows >= 0 && model.tokenizer->strip(model.rows);
        continue;
      }
      if (model.rows != kept().rows) {
        throw Error(
            model.name +
            ": has no tokenizer.json, and another number of rows than " +
            kept().name + ": which row is which token is not known");
      }
      joint_.notices.push_back(model.name +
                               ": has no tokenizer.json, taken to have the "
                               "vocabulary of " +
                               kept().name);
      model.tokenizer = kept().tokenizer;
    }
  }

  void set_own(const Tokenizer& out) {
    for (const Model& model : models_) {
      std::vector<int64_t>& rows =
          joint_.own.emplace_back(static_cast<size_t>(joint_.tokens), -1);
      const TokenIds& ids = model.tokenizer->ids();
      for (const auto& [token, id] : out.ids()) {
        const auto found = ids.find(token);
        if (found != ids.end()) rows[static_cast<size_t>(id)] = found->second;
      }
    }
  }

  // The only owner's row, else the base model's, else the mean over the owners.
  TokenRow default_row(size_t id) const {
    std::vector<size_t> owners;
    for (size_t k = 0; k < models_.size(); ++k) {
      if (joint_.own[k][id] >= 0) owners.push_back(k);
    }
    if (owners.empty()) return {};
    if (recipe_.base && joint_.own[*recipe_.base][id] >= 0) {
      owners = {*recipe_.base};
    }
    return {.kind = owners.size() == 1 ? TokenRow::Kind::kRow
                                       : TokenRow::Kind::kMean,
            .model = owners.front(),
            .row = joint_.own[owners.front()][id]};
  }

  TokenRow stated_row(const std::string& token, const TokenSource& source,
                      size_t id) const {
    TokenRow row = default_row(id);
    const Model& model = models_[source.model];
    const auto own_row = [&](const std::string& wanted) {
      const auto found = model.tokenizer->ids().find(wanted);
      if (found != model.tokenizer->ids().end()) return found->second;
      throw UsageError("tokenizer: tokens: '" + printable(token) +
                       "': its source " + model.name + " has no token '" +
                       printable(wanted) + "'");
    };
    switch (source.kind) {
      case TokenSource::Kind::kDefault:
        break;
      case TokenSource::Kind::kZero:
        row = {};
        break;
      case TokenSource::Kind::kModel:
        row = {TokenRow::Kind::kRow, source.model, own_row(token)};
        break;
      case TokenSource::Kind::kToken:
        row = {TokenRow::Kind::kRow, source.model,
               source.id ? *source.id : own_row(source.token)};
        break;
    }
    row.force = source.force;
    return row;
  }

  void set_others(const Tokenizer& out) {
    for (size_t id = 0; id < joint_.own.front().size(); ++id) {
      joint_.others.push_back(default_row(id));
    }
    for (const auto& [token, source] : rule_.tokens) {
      const auto id = static_cast<size_t>(out.ids().at(token));
      joint_.others[id] = stated_row(token, source, id);
    }
  }

  // Rows of no token: those that the recipe asks for, else those that the kept
  // model has, each from the models of its height and vocabulary.
  void pad() {
    int64_t rows = std::max(joint_.tokens, kept().rows);
    if (rows - joint_.tokens > kMostPadding) {
      throw Error(kept().name + ": config.json gives it " +
                  std::to_string(rows) + " tokens, tokenizer.json " +
                  std::to_string(joint_.tokens));
    }
    if (rule_.multiple > 0) {
      rows = (joint_.tokens + rule_.multiple - 1) / rule_.multiple *
             rule_.multiple;
    }
    for (int64_t row = joint_.tokens; row < rows; ++row) {
      const bool rest = rule_.multiple > 0;
      joint_.others.push_back(
          {rest ? TokenRow::Kind::kRest : TokenRow::Kind::kRow, joint_.kept,
           row});
      for (size_t k = 0; k < models_.size(); ++k) {
        const bool same =
            !rest && models_[k].rows == kept().rows &&
            models_[k].tokenizer->ids() == kept().tokenizer->ids();
        joint_.own[k].push_back(same ? row : -1);
      }
    }
  }

  void compare(const Tokenizer& out) {
    if (out.ids() != kept().tokenizer->ids() || kept().stripped) {
      joint_.tokenizer = out.text();
    }
    for (const auto& [id, entry] : out.added()) {
      const auto token = entry["content"].get<std::string>();
      if (!kept().tokenizer->ids().contains(token)) {
        joint_.added.emplace_back(id, entry.dump());
      }
    }
    for (size_t k = 0; k < models_.size(); ++k) {
      bool same = models_[k].rows < 0 || models_[k].rows == joint_.rows();
      for (size_t id = 0; same && id < joint_.own[k].size(); ++id) {
        same = joint_.own[k][id] == static_cast<int64_t>(id) &&
               !joint_.others[id].force;
      }
      joint_.changes_rows = joint_.changes_rows || !same;
    }
  }

  const Recipe& recipe_;
  const TokenizerRule& rule_;
  std::vector<Model> models_;
  JointVocabulary joint_;
};

}  // namespace

size_t tokenizer_model(const Recipe& recipe) {
  const TokenizerRule& rule = *recipe.merge->tokenizer;
  return rule.source == TokenizerRule::Source::kModel ? rule.model
                                                      : donor(recipe);
}

std::optional<JointVocabulary> joint_vocabulary(
    const Recipe& recipe, std::span<const Checkpoint* const> files) {
  if (recipe.merge == nullptr || !recipe.merge->tokenizer) return std::nullopt;
  std::vector<Model> models;
  bool any = false;
  for (size_t k = 0; k < files.size(); ++k) {
    const Ingredient& ingredient = recipe.ingredients[k];
    Model model = {.name = title(ingredient),
                   .rows = configured_rows(ingredient, *files[k])};
    const std::string text = companion(ingredient, *files[k], "tokenizer.json");
    if (!text.empty()) {
      model.tokenizer.emplace(text, model.name + ": tokenizer.json");
      any = true;
    }
    models.push_back(std::move(model));
  }
  if (!any) return std::nullopt;
  return Joiner(recipe, std::move(models)).join();
}

}  // namespace soup
