#pragma once

#include <array>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "recipe/merge_value.h"

/// A merge recipe as mergekit's users write it, as a plain value: models
/// stacked, sliced and mixed by rules whose parameters vary over layers and
/// names.
namespace soup {

/// A model as a recipe names it.
struct ModelName {
  std::string model = {};     ///< folder, file, or id in Hugging Face's cache
  std::string revision = {};  ///< of the id; empty: main
  std::string adapter = {};   ///< LoRA adapter in the model; empty: none
  std::string adapter_revision = {};
  int line = 0;  ///< where it is named first

  /// Wherever they are named.
  bool operator==(const ModelName& other) const {
    return model == other.model && revision == other.revision &&
           adapter == other.adapter &&
           adapter_revision == other.adapter_revision;
  }
};

/// Layers [begin, end) of a model.
using LayerRange = std::array<int64_t, 2>;

struct MergeSource {
  size_t model = 0;                       ///< index in MergeConfig::models
  std::optional<LayerRange> layers = {};  ///< nullopt: all
  Parameters parameters = {};
  int line = 0;
};

/// Layers made of the same numbers of layers of every source.
struct MergeSlice {
  std::vector<MergeSource> sources;
  std::optional<size_t> base = {};  ///< instead of the recipe's base model
  Parameters parameters = {};
  int line = 0;
};

/// A part of the model that is stacked on its own: encoder, decoder, ...
struct MergeModule {
  std::string name;  ///< part of the names of its tensors; empty: the model
  std::vector<MergeSlice> slices;
  bool whole = false;  ///< written as `models`: one slice of all layers
  Parameters parameters = {};
  int line = 0;
};

/// Where the embedding of a token comes from.
struct TokenSource {
  enum class Kind { kDefault, kModel, kToken, kZero };
  Kind kind = Kind::kDefault;
  size_t model = 0;           ///< of kModel and kToken
  std::string token;          ///< of kToken
  std::optional<int64_t> id;  ///< of kToken, instead of `token`
  bool force = false;         ///< also where a model has the token
};

/// Which vocabulary the output has.
struct TokenizerRule {
  enum class Source { kUnion, kBase, kModel };
  Source source = Source::kUnion;
  size_t model = 0;  ///< of kModel
  std::vector<std::pair<std::string, TokenSource>> tokens;
  int64_t multiple = 0;  ///< rows are padded to a multiple of it; 0: not
};

struct MergeConfig {
  std::string where;  ///< the recipe's file, for messages about its lines
  int line = 0;       ///< of the document in it
  std::string text;   ///< of the file, word for word; empty: not from YAML
  std::string name;   ///< by which later documents of the file know it
  std::vector<ModelName> models;
  std::optional<size_t> base = {};
  std::vector<NamedChoice> rules;  ///< the first whose filter matches
  std::vector<MergeModule> modules;
  Parameters parameters;
  std::string dtype;      ///< f32, bf16, ...; empty: the inputs'
  std::string out_dtype;  ///< wins over dtype
  std::optional<TokenizerRule> tokenizer = {};
  std::string chat_template;  ///< auto, a known name or Jinja text
};

/// Reads one document. Strict: our JSON, in which models are given by their
/// index among `models` of them. Mistakes are added to `complaints`.
MergeConfig read_merge_config(const YamlNode& document, Complaints& complaints,
                              std::optional<size_t> strict_models = {});
/// Strict form of a config, which read_merge_config reads back.
YamlNode node_of(const MergeConfig&);

}  // namespace soup
