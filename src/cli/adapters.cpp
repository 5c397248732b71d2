#include "cli/adapters.h"

#include <chrono>

#include "cli/describe.h"
#include "core/text.h"
#include "soup/error.h"

namespace soup {
namespace fs = std::filesystem;

fs::path companion_folder(const Ingredient& ingredient) {
  return ingredient.path.empty() && !ingredient.adapters.empty()
             ? ingredient.adapters.front().path
             : ingredient.path;
}

ordered_json adapters_json(const Ingredient& ingredient) {
  ordered_json list = ordered_json::array();
  for (const AdapterShare& adapter : ingredient.adapters) {
    list.push_back(
        {{"path", adapter.path.string()}, {"weight", adapter.weight}});
  }
  return list;
}

int average_adapters(const Recipe& recipe, const SoupArguments& arguments,
                     const Output& output) {
  using Clock = std::chrono::steady_clock;
  const Clock::time_point begin = Clock::now();
  const EvalArguments& eval = arguments.eval;
  if (!eval.val.empty() || !eval.test.empty() ||
      !eval.by_command.command.empty()) {
    throw UsageError(
        "adapters are not scored while they are averaged; write the model "
        "with --base, then soup eval");
  }
  const std::vector<CheckpointPtr> opened = open_ingredients(recipe);
  const std::vector<const Checkpoint*> ingredients = {opened.front().get()};
  if (arguments.recipe.dry_run) {
    print_plan(recipe, ingredients, output);
    return 0;
  }
  const Ingredient& mean = recipe.ingredients.front();
  const fs::path& out = arguments.output.out;
  const MakeResult made =
      make_soup(recipe, ingredients, out,
                arguments.output.write_options(companion_folder(mean)),
                {.progress = true});
  arguments.recipe.write(recipe);
  const double seconds =
      std::chrono::duration<double>(Clock::now() - begin).count();
  output.object({{"kind", "soup"},
                 {"search", "uniform"},
                 {"output", out.string()},
                 {"ingredients", adapters_json(mean)},
                 {"base", mean.path.empty() ? ordered_json(nullptr)
                                            : ordered_json(mean.path.string())},
                 {"seconds", seconds},
                 {"bytes_read", made.bytes_read},
                 {"bytes_written", made.bytes_written}});
  output.line(out.string() + ": " +
              (mean.path.empty()
                   ? std::string("average of ")
                   : mean.path.string() + " with the average of ") +
              std::to_string(mean.adapters.size()) + " adapters, wrote " +
              bytes_text(made.bytes_written));
  return 0;
}

}  // namespace soup
