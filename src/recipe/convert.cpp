#include <array>

#include "core/log.h"
#include "recipe/sinks.h"
#include "soup/recipe.h"

namespace soup {

MakeResult convert_checkpoint(const Checkpoint& checkpoint,
                              const std::filesystem::path& out,
                              const std::string& dtype,
                              const WriteOptions& write_options,
                              const MixOptions& mix_options) {
  // A soup of one: what is averaged with nothing keeps its values.
  Recipe recipe;
  recipe.ingredients.push_back({.path = checkpoint.path()});
  recipe.dtype = dtype;
  recipe.allow_nonfinite = true;
  const std::array<const Checkpoint*, 1> ingredients = {&checkpoint};
  const Plan plan = make_plan(recipe, ingredients);
  std::map<std::string, std::string> metadata = checkpoint.metadata();
  metadata["format"] = "pt";
  if (dtype != "keep" && metadata.erase("soup.recipe") > 0) {
    log::info("the recipe of the soup is left out: it would make other values");
  }
  const auto writer = create_output(plan, out, metadata, write_options);
  WriterSink sink(*writer);
  const MixResult mixed = mix(plan, ingredients, sink, mix_options);
  const int64_t written = writer->commit(metadata);
  return {.bytes_read = mixed.bytes_read, .bytes_written = written};
}

}  // namespace soup
