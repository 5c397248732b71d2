#include "cli/commands.h"
#include "cli/describe.h"
#include "cli/soup_command.h"
#include "core/file.h"
#include "core/text.h"
#include "soup/recipe.h"

namespace soup {
namespace {

constexpr size_t kMaxRecipe = 64 << 20;

class Mix : public Task {
 public:
  explicit Mix(CLI::App& app) {
    app.add_option("RECIPE", recipe_,
                   "a recipe (JSON), a soup that carries one, or - for "
                   "standard input")
        ->required();
    output_.add_to(app);
    extras_.add_to(app);
    app.add_flag("--print", print_,
                 "print the effective recipe, write nothing");
  }

  int run(const Output& output) override {
    const Recipe recipe = recipe_ == "-" ? parse_recipe(read_stdin(kMaxRecipe),
                                                        "standard input", ".")
                                         : read_recipe(recipe_);
    if (print_) {
      output.text(recipe_json(recipe, ".").dump(2) + "\n");
      return 0;
    }
    extras_.check(output_);
    const auto opened = open_ingredients(recipe);
    std::vector<const Checkpoint*> ingredients;
    for (const CheckpointPtr& c : opened) ingredients.push_back(c.get());
    if (extras_.dry_run) {
      print_plan(recipe, ingredients, output);
      return 0;
    }
    const MakeResult made =
        make_soup(recipe, ingredients, output_.out,
                  output_.write_options(recipe.ingredients.front().path),
                  {.progress = true});
    extras_.write(recipe);
    report(recipe, made, output);
    return 0;
  }

 private:
  void report(const Recipe& recipe, const MakeResult& made,
              const Output& output) const {
    ordered_json list = ordered_json::array();
    for (const Ingredient& i : recipe.ingredients) {
      list.push_back({{"path", i.path.string()}, {"weight", i.weight}});
    }
    output.object({{"kind", "soup"},
                   {"search", nullptr},
                   {"output", output_.out.string()},
                   {"ingredients", list},
                   {"bytes_read", made.bytes_read},
                   {"bytes_written", made.bytes_written}});
    output.line(output_.out.string() + ": " +
                std::to_string(recipe.ingredients.size()) +
                " ingredients, read " + bytes_text(made.bytes_read) +
                ", wrote " + bytes_text(made.bytes_written));
  }

  std::string recipe_;
  OutputArguments output_;
  RecipeArguments extras_;
  bool print_ = false;
};

}  // namespace

std::unique_ptr<Task> make_mix(CLI::App& app) {
  return std::make_unique<Mix>(app);
}

}  // namespace soup
