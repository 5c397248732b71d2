#include <optional>

#include "cli/adapters.h"
#include "cli/commands.h"
#include "cli/describe.h"
#include "cli/explain.h"
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
                   "a recipe (JSON, or mergekit's YAML), a soup that carries "
                   "one, or - for standard input")
        ->required();
    output_.add_to(app);
    extras_.add_to(app);
    app.add_flag("--print", print_,
                 "print the effective recipe as JSON, write nothing");
    app.add_option("--explain", explain_,
                   "print the sources and numbers of one output tensor, write "
                   "nothing");
    app.add_option("--allow-path", allowed_,
                   "a folder whose models the recipe may read, beside its own "
                   "folder and the Hugging Face cache (repeatable)")
        ->allow_extra_args(false);
    app.add_option("--numerics", numerics_,
                   "default: float64, rounded once; mergekit: rounded after "
                   "every operation as mergekit 0.1.5 does, for linear and "
                   "rules on task vectors (default: the recipe's)");
    app.add_option("--experts", experts_,
                   "how a Mixtral's experts are stored: as the first model's "
                   "(keep), one by one (separate) or together (fused)");
    app.add_option("--seed", seed_,
                   "of rules that draw (default: the recipe's, "
                   "else 0)");
  }

  int run(const Output& output) override {
    Recipe recipe = read();
    set_options(recipe);
    if (!experts_.empty()) recipe.experts = find_expert_layout(experts_);
    check_paths(recipe);
    gather_adapters(recipe);
    if (print_) {
      output.text(recipe_json(recipe, ".").dump(2) + "\n");
      return 0;
    }
    if (explain_.empty()) extras_.check(output_);
    const auto opened = open_ingredients(recipe);
    std::vector<const Checkpoint*> ingredients;
    for (const CheckpointPtr& c : opened) ingredients.push_back(c.get());
    if (!explain_.empty()) {
      explain_tensor(make_plan(recipe, ingredients), ingredients, explain_,
                     output);
      return 0;
    }
    if (extras_.dry_run) {
      print_plan(recipe, ingredients, output);
      return 0;
    }
    const WriteOptions options =
        output_.write_options(companion_folder(recipe.ingredients.front()));
    const MakeResult made = make_soup(recipe, ingredients, output_.out, options,
                                      {.progress = true});
    extras_.write(recipe);
    report(recipe, made, output);
    return 0;
  }

 private:
  // Of the recipe and of the stages that feed it.
  void set_options(Recipe& recipe) const {
    if (seed_) recipe.seed = *seed_;
    if (!numerics_.empty()) recipe.numerics = find_numerics(numerics_);
    for (Ingredient& ingredient : recipe.ingredients) {
      if (ingredient.made == nullptr) continue;
      Recipe stage = *ingredient.made;
      set_options(stage);
      ingredient.made = std::make_shared<const Recipe>(std::move(stage));
    }
  }

  Recipe read() const {
    return recipe_ == "-"
               ? parse_recipe(read_stdin(kMaxRecipe), "standard input", ".")
               : read_recipe(recipe_);
  }

  // A recipe may come from anywhere.
  void check_paths(const Recipe& recipe) const {
    std::vector<std::filesystem::path> folders(allowed_.begin(),
                                               allowed_.end());
    folders.push_back(folder());
    check_recipe_paths(recipe, folders);
  }

  // What the recipe's paths are relative to; of a soup that is a folder the one
  // that it lies in.
  std::filesystem::path folder() const {
    if (recipe_ == "-") return ".";
    std::filesystem::path path = recipe_;
    path = path.lexically_normal();
    return folder_of(path.has_filename() ? path : path.parent_path());
  }

  void report(const Recipe& recipe, const MakeResult& made,
              const Output& output) const {
    ordered_json list = ordered_json::array();
    for (const Ingredient& i : recipe.ingredients) {
      ordered_json entry = {{"path", i.path.string()}, {"weight", i.weight}};
      if (recipe.merge != nullptr) entry.erase("weight");
      if (i.path.empty()) entry.erase("path");
      if (i.made != nullptr) entry["recipe"] = i.made->rule;  // of a stage
      if (!i.adapters.empty()) entry["adapters"] = adapters_json(i);
      list.push_back(std::move(entry));
    }
    output.object({{"kind", "soup"},
                   {"search", nullptr},
                   {"output", output_.out.string()},
                   {"ingredients", list},
                   {"bytes_read", made.bytes_read},
                   {"bytes_written", made.bytes_written}});
    output.line(output_.out.string() + ": " + std::to_string(list.size()) +
                (list.size() == 1 ? " ingredient" : " ingredients") +
                ", read " + bytes_text(made.bytes_read) + ", wrote " +
                bytes_text(made.bytes_written));
  }

  std::string recipe_;
  std::string explain_;
  std::vector<std::string> allowed_;
  std::string numerics_;
  std::string experts_;
  std::optional<uint64_t> seed_;
  OutputArguments output_;
  RecipeArguments extras_;
  bool print_ = false;
};

}  // namespace

std::unique_ptr<Task> make_mix(CLI::App& app) {
  return std::make_unique<Mix>(app);
}

}  // namespace soup
