#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "soup/recipe.h"

/// The tokenizer of a merge: one vocabulary, and for every model the row of its
/// embedding that each token has.
namespace soup {

/// The row of a token that a model lacks.
struct TokenRow {
  enum class Kind {
    kZero,
    kRow,   ///< `row` of `model`
    kMean,  ///< of the own rows of all models that have one
    kRest,  ///< mean of the rows of all tokens: padding
  };
  Kind kind = Kind::kZero;
  size_t model = 0;
  int64_t row = 0;
  bool force = false;  ///< also for models that have the token
};

struct JointVocabulary {
  /// Per model: its own row for every row of the output, -1: none.
  std::vector<std::vector<int64_t>> own;
  std::vector<TokenRow> others;  ///< per row of the output
  int64_t tokens = 0;            ///< rows before the padding
  size_t kept = 0;               ///< the model whose tokenizer files are kept
  std::string tokenizer;  ///< text of tokenizer.json; empty: that of `kept`
  /// Tokens that `kept` lacks, as tokenizer.json describes added ones.
  std::vector<std::pair<int64_t, std::string>> added;
  bool changes_rows = false;         ///< of some model
  std::vector<std::string> notices;  ///< what was assumed

  int64_t rows() const { return static_cast<int64_t>(others.size()); }
};

/// The ingredient of a recipe with a tokenizer rule whose tokenizer is kept:
/// the one that the rule names, else the donor.
size_t tokenizer_model(const Recipe&);

/// What the tokenizer rule of a recipe comes to; nullopt without one, and where
/// no model has a tokenizer.json. A model without tokenizer.json is taken to
/// have the kept one's. Reads tokenizer.json and config.json only, of the
/// ingredients opened as `files`.
/// Throws Error naming what cannot be merged safely, and why; UsageError for
/// tokens whose stated source lacks them.
std::optional<JointVocabulary> joint_vocabulary(
    const Recipe&, std::span<const Checkpoint* const> files);

/// Shows the models of `recipe` with the rows of its joint vocabulary: what
/// other tensors hold stays as it is.
/// Throws Error where it is not clear which tensors have a row per token.
void use_joint_vocabulary(const Recipe& recipe,
                          std::vector<CheckpointPtr>& models);

/// Puts the tokenizer files that the recipe asks for in place of the donor's.
void set_tokenizer(std::map<std::string, std::string>& files, const Recipe&,
                   std::span<const Checkpoint* const> ingredients);

}  // namespace soup
