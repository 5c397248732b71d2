#include "recipe/merge_models.h"

#include <algorithm>
#include <array>

#include "core/text.h"
#include "recipe/model_folder.h"

namespace soup {
namespace {

// Names of token embeddings, by which one is known without a config.
constexpr std::array kEmbeddings = {"embed_tokens.weight",    "wte.weight",
                                    "word_embeddings.weight", "embed_in.weight",
                                    "tok_embeddings.weight",  "shared.weight",
                                    "token_embedding.weight"};

constexpr std::array kHeadParts = {"predictions.decoder.weight",
                                   "predictions.decoder.bias",
                                   "predictions.bias", "lm_head.bias"};

std::optional<int64_t> vocabulary(const nlohmann::ordered_json& config) {
  const nlohmann::ordered_json& text = text_config(config);
  if (!text.is_object() || !text.contains("vocab_size") ||
      !text["vocab_size"].is_number_integer()) {
    return std::nullopt;
  }
  return text["vocab_size"].get<int64_t>();
}

// By name; else the matrix before the layers with a row for every token.
std::optional<size_t> find_embedding(const Checkpoint& file,
                                     const nlohmann::ordered_json& config) {
  const std::span<const TensorInfo> tensors = file.tensors();
  for (const char* name : kEmbeddings) {
    for (size_t i = 0; i < tensors.size(); ++i) {
      if (tensors[i].shape.size() == 2 && tensors[i].name.ends_with(name)) {
        return i;
      }
    }
  }
  const std::optional<int64_t> rows = vocabulary(config);
  for (size_t i = 0; rows && i < tensors.size(); ++i) {
    if (tensors[i].shape.size() == 2 && tensors[i].shape[0] == *rows &&
        is_before_layers(tensors[i].name)) {
      return i;
    }
  }
  return std::nullopt;
}

}  // namespace

MergeModel::MergeModel(const Ingredient& ingredient, const Checkpoint& file)
    : file_(&file),
      name_(printable(file.path().string())),
      config_(model_config(ingredient, file)),
      layers_(file, config_),
      rests_(layers_.stacks().size()),
      embedding_(find_embedding(file, config_)) {
  for (const TensorInfo& tensor : file.tensors()) {
    if (const auto place = layers_.locate(tensor.name)) {
      rests_[place->stack][place->layer].push_back(place->rest);
    }
  }
}

const std::vector<std::string>& MergeModel::layer(size_t stack,
                                                  int64_t layer) const {
  return rests_.at(stack).at(layer);
}

bool MergeModel::is_head(std::string_view name) {
  return name.ends_with("lm_head.weight") ||
         name.ends_with("embed_out.weight") || name == "output.weight";
}

bool MergeModel::has_row_per_token(std::string_view name) {
  const auto is_end = [&](const char* end) { return name.ends_with(end); };
  return is_head(name) ||
         std::any_of(kEmbeddings.begin(), kEmbeddings.end(), is_end) ||
         std::any_of(kHeadParts.begin(), kHeadParts.end(), is_end);
}

std::optional<size_t> MergeModel::find(const TensorInfo& like) const {
  if (const auto found = file_->find(like.name)) return found;
  if (!is_head(like.name) || !embedding_) return std::nullopt;
  // Transformers ties unless the config says otherwise.
  const nlohmann::ordered_json& text = text_config(config_);
  for (const nlohmann::ordered_json* part : {&config_, &text}) {
    if (part->is_object() && part->contains("tie_word_embeddings") &&
        part->at("tie_word_embeddings") == false) {
      return std::nullopt;
    }
  }
  return embedding_;
}

}  // namespace soup
