#pragma once

#include <map>
#include <string>

#include "soup/recipe.h"

/// The tokenizers of a merge. Vocabularies that differ are not merged: that is
/// refused before anything is read.
namespace soup {

/// Throws Error, saying which tokens differ, unless all ingredients of a recipe
/// with a tokenizer rule number the same tokens in the same way. An ingredient
/// without tokenizer.json is taken to have the others'.
void check_vocabularies(const Recipe&);

/// Puts the tokenizer files that the recipe asks for in place of the donor's.
void set_tokenizer(std::map<std::string, std::string>& files, const Recipe&);

}  // namespace soup
