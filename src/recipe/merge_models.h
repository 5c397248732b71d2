#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "recipe/layers.h"
#include "soup/recipe.h"

namespace soup {

/// An ingredient of a merge and what is known of its structure.
class MergeModel {
 public:
  MergeModel(const Ingredient&, const Checkpoint&);

  const Checkpoint& file() const { return *file_; }
  const nlohmann::ordered_json& config() const { return config_; }
  const Layers& layers() const { return layers_; }
  /// How messages name it.
  const std::string& name() const { return name_; }

  /// Ends of the names of layer `layer` of a stack, in order.
  const std::vector<std::string>& layer(size_t stack, int64_t layer) const;
  /// The token embedding, [vocabulary, width]; nullopt when there is none.
  std::optional<size_t> embedding() const { return embedding_; }
  /// Tensor `name`, or what stands for it: the embedding for a head that is
  /// tied to it and so is not stored.
  std::optional<size_t> find(const TensorInfo& like) const;
  /// True for the names of embeddings, heads and their biases, which have a
  /// row for every token.
  static bool has_row_per_token(std::string_view name);
  /// True for the head that find() may answer with the embedding.
  static bool is_head(std::string_view name);

 private:
  const Checkpoint* file_;
  std::string name_;
  nlohmann::ordered_json config_;
  Layers layers_;
  std::vector<std::map<int64_t, std::vector<std::string>>> rests_;
  std::optional<size_t> embedding_;
};

}  // namespace soup
