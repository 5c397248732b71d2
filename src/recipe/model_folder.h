#pragma once

#include <map>
#include <nlohmann/json_fwd.hpp>
#include <span>
#include <string>

#include "soup/recipe.h"

/// The files around the weights of a model folder.
namespace soup {

/// Text of a file beside the weights of an ingredient, which is opened as
/// `file`; empty: there is none. Of a stage: what its folder would hold.
std::string companion(const Ingredient&, const Checkpoint& file,
                      const std::string& name);

/// config.json of an ingredient, null when there is none.
/// Throws Error when it is broken.
nlohmann::ordered_json model_config(const Ingredient&, const Checkpoint& file);

/// The ingredient whose configuration a merge keeps: the base model, else the
/// first one that its first slice names.
size_t donor(const Recipe&);

/// Files of the folder of a merge by name: what its donor has, with
/// configuration, tokenizer and chat template as the recipe says, model card.
std::map<std::string, std::string> model_files(
    const Recipe&, std::span<const Checkpoint* const> ingredients, const Plan&);

/// Has model_files written with a folder; files that are named already stay.
void add_model_files(WriteOptions&, const Recipe&,
                     std::span<const Checkpoint* const> ingredients,
                     const Plan&);

/// Name of an ingredient in texts for people: an id of the hub or the name of
/// its folder.
std::string title(const Ingredient&);

}  // namespace soup
