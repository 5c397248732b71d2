#include "cli/options.h"

#include <cctype>
#include <charconv>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>

#include "core/file.h"
#include "core/json.h"
#include "core/text.h"
#include "soup/error.h"

namespace soup {
namespace {

namespace fs = std::filesystem;

// What another command says in a pipe: of a soup its ingredients.
void add_ingredients(const std::string& line, std::vector<fs::path>& paths) {
  const auto object = parse_json(line, "-");
  if (object.value("kind", "") != "soup") return;
  std::optional<double> weight;
  for (const auto& one : object.at("ingredients")) {
    if (one.value("base", false)) continue;
    const auto own = get_as<double>(one, "weight", "-");
    if (weight.value_or(own) != own) {
      throw UsageError(
          "-: the ingredients of that soup do not count alike, which a list of "
          "checkpoints cannot say; use the soup itself");
    }
    weight = own;
    paths.emplace_back(get_as<std::string>(one, "path", "-"));
  }
}

std::vector<fs::path> paths_of_stdin() {
  std::vector<fs::path> paths;
  for (std::string line; std::getline(std::cin, line);) {
    if (line.starts_with('{')) {
      try {
        add_ingredients(line, paths);
      } catch (const nlohmann::json::exception&) {
        throw UsageError("-: is no result of soup: " +
                         printable(line.substr(0, 80)));
      }
    } else if (!line.empty()) {
      paths.emplace_back(line);
    }
  }
  if (paths.empty()) {
    throw UsageError("-: standard input names no checkpoint");
  }
  return paths;
}

// CLI11's own messages spell the largest double out.
CLI::Validator number_check(const std::string& name, const std::string& wanted,
                            bool (*fits)(double)) {
  const auto check = [=](const std::string& text) {
    double value = 0;
    const bool is_number = CLI::detail::lexical_cast(text, value);
    return is_number && fits(value) ? std::string()
                                    : "must be " + wanted + ", not " + text;
  };
  return CLI::Validator(check, name);
}

}  // namespace

CLI::Validator positive_number() {
  return number_check("POSITIVE", "above 0",
                      [](double value) { return value > 0; });
}

CLI::Validator not_negative() {
  return number_check("NONNEGATIVE", "0 or more",
                      [](double value) { return value >= 0; });
}

void add_open_options(CLI::App& app, OpenOptions& options) {
  app.add_option("--key", options.key,
                 "take this dictionary from files that hold several");
  app.add_flag("--ema", options.ema,
               "take the moving average from files that hold one");
}

void add_prefix_option(CLI::App& app, OpenOptions& options) {
  app.add_flag("--keep-prefixes", options.keep_prefixes,
               "leave what DDP, torch.compile and the like put into names: "
               "module., _orig_mod.");
}

void add_dtype_option(CLI::App& app, std::string& dtype) {
  app.add_option("--dtype", dtype,
                 "of the output's floats: keep (the widest of the "
                 "ingredients), f64, f32, bf16, f16, f8_e4m3, f8_e5m2")
      ->capture_default_str();
}

void CheckpointArguments::add_to(CLI::App& app) {
  app.add_option("CKPT", paths,
                 "checkpoint files or folders of them; - reads paths from "
                 "standard input, or what soup greedy prints: its ingredients; "
                 "none: the current folder");
  app.add_option("--ignore", options.ignore,
                 "pass over files whose name matches this glob (repeatable)")
      ->allow_extra_args(false);
  app.add_flag("--keep-duplicates", options.keep_duplicates,
               "count the same weights as often as they are given");
  add_open_options(app, options.open);
}

std::vector<CheckpointPtr> CheckpointArguments::collect() const {
  std::vector<fs::path> expanded;
  for (const std::string& path : paths) {
    if (path == "-") {
      for (fs::path& one : paths_of_stdin()) expanded.push_back(std::move(one));
    } else {
      expanded.emplace_back(path);
    }
  }
  return collect_checkpoints(expanded, options);
}

void MixArguments::add_to(CLI::App& app) {
  add_dtype_option(app, recipe.dtype);
  app.add_option("--include", recipe.include,
                 "mix only tensors whose name this regex (RE2's syntax) finds; "
                 "the others are copied from the first checkpoint");
  app.add_option("--exclude", recipe.exclude,
                 "do not mix tensors whose name this regex finds");
  app.add_option("--ints", ints,
                 "where integer tensors differ: equal (an error) or first")
      ->check(CLI::IsMember({"equal", "first"}))
      ->capture_default_str();
  app.add_flag("--allow-nonfinite", recipe.allow_nonfinite,
               "mix tensors that hold NaN or infinity");
}

Recipe MixArguments::make(const OpenOptions& open) const {
  Recipe made = recipe;
  made.ints = ints == "first" ? IntPolicy::kFirst : IntPolicy::kEqual;
  made.open = open;
  return made;
}

void OutputArguments::add_to(CLI::App& app) {
  app.add_option("-o,--output", out,
                 "OUT.safetensors, .pt, .pth, .bin, or a folder: OUT/")
      ->capture_default_str();
  app.add_flag("--force", force, "replace an existing output");
  app.add_option("--shard-size", shard_size, "largest file of an output folder")
      ->capture_default_str();
}

WriteOptions OutputArguments::write_options(const fs::path& first) const {
  WriteOptions options = {.force = force, .shard_size = parse_size(shard_size)};
  if (!first.empty()) {
    options.companions = fs::is_directory(first) ? first : folder_of(first);
  }
  return options;
}

void OutputArguments::check() const { check_output(out, write_options()); }

void RecipeArguments::add_to(CLI::App& app) {
  app.add_option("--recipe-out", recipe_out,
                 "write the recipe to this file too");
  app.add_flag("--dry-run", dry_run,
               "check everything, print the plan, write nothing");
}

void RecipeArguments::check(const OutputArguments& output) const {
  if (dry_run) return;
  output.check();
  if (recipe_out.empty()) return;
  if (recipe_out == output.out) {
    throw UsageError("--recipe-out: is the same file as --output");
  }
  check_writable(recipe_out, true);
}

void RecipeArguments::write(const Recipe& recipe) const {
  if (recipe_out.empty()) return;
  write_text(recipe_out,
             recipe_json(recipe, folder_of(recipe_out)).dump(2) + "\n", true);
}

int64_t parse_size(const std::string& text) {
  static const std::map<std::string, int64_t> units = {{"", 1},
                                                       {"B", 1},
                                                       {"KB", 1000},
                                                       {"MB", 1000'000},
                                                       {"GB", 1000'000'000},
                                                       {"KIB", 1 << 10},
                                                       {"MIB", 1 << 20},
                                                       {"GIB", 1 << 30}};
  double number = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), number);
  std::string unit(end, text.data() + text.size());
  for (char& c : unit) {
    c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  }
  const auto found = units.find(unit);
  if (error != std::errc() || found == units.end() || !(number > 0) ||
      number * static_cast<double>(found->second) > 1e18) {
    throw UsageError("'" + text + "' is no size; write it like 5GB or 512MiB");
  }
  return static_cast<int64_t>(number * static_cast<double>(found->second));
}

}  // namespace soup
