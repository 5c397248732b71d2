#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "recipe/merge_config.h"

namespace soup {

/// Reads what a recipe says about models by name.
class NameReader {
 public:
  /// New models are added to `models`. Strict: models are given by an index
  /// below `strict`.
  NameReader(std::vector<ModelName>& models, Complaints& complaints,
             std::optional<size_t> strict)
      : models_(models), complaints_(complaints), strict_(strict) {}

  bool strict() const { return strict_.has_value(); }

  /// Complains about keys that are not among `keys`.
  void check_keys(const YamlNode& map, std::span<const std::string_view> keys,
                  const std::string& place);
  /// Text under `key`, empty when it is not there.
  std::string text(const YamlNode& map, const char* key);
  /// Index of the model under `key`, nullopt when it is not there or wrong.
  std::optional<size_t> model(const YamlNode& map, const char* key);
  std::optional<size_t> model(const YamlNode& reference);

 private:
  std::optional<ModelName> parse(const YamlNode& reference);
  std::optional<size_t> index(const YamlNode& reference);

  std::vector<ModelName>& models_;
  Complaints& complaints_;
  std::optional<size_t> strict_;
};

/// `parameters` of a part of a recipe.
Parameters read_parameters(const YamlNode& node, NameReader& names,
                           Complaints& complaints);
/// `models`, `slices` or `modules` of a recipe: exactly one must be there.
std::vector<MergeModule> read_modules(const YamlNode& document,
                                      NameReader& names,
                                      Complaints& complaints);
/// `tokenizer_source` or `tokenizer` of a recipe.
std::optional<TokenizerRule> read_tokenizer_rule(const YamlNode& document,
                                                 NameReader& names,
                                                 Complaints& complaints);
YamlNode node_of(const TokenizerRule&);

}  // namespace soup
