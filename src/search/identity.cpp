#include "search/identity.h"

#include "core/file.h"
#include "core/hash.h"
#include "core/log.h"
#include "core/text.h"
#include "search/in_memory.h"
#include "soup/error.h"

namespace soup {
namespace {

using nlohmann::ordered_json;
namespace fs = std::filesystem;

std::string text_hash(const std::string& text) {
  return hex(xxh3_128(std::as_bytes(std::span(text))));
}

// How often candidates are gone through, which is 0 where nobody said it.
ordered_json sweeps_of(std::string_view search, const SearchOptions& options) {
  if (options.sweeps > 0) return options.sweeps;
  if (search == "pruned") return "until nothing changes";
  return 1;
}

// Empty where it was not given.
template <typename T>
ordered_json given(T value) {
  return value > 0 ? ordered_json(value) : ordered_json("");
}

// What the command line says of the recipe, by its options, and all else.
ordered_json recipe_options(Recipe recipe) {
  const Recipe defaults;
  ordered_json json = {
      {"dtype", recipe.dtype},
      {"include", recipe.include},
      {"exclude", recipe.exclude},
      {"ints", recipe.ints == IntPolicy::kFirst ? "first" : "equal"},
      {"allow-nonfinite", recipe.allow_nonfinite},
      {"key", recipe.open.key},
      {"ema", recipe.open.ema},
      {"keep-prefixes", recipe.open.keep_prefixes}};
  recipe.dtype = defaults.dtype;
  recipe.include = recipe.exclude = "";
  recipe.ints = defaults.ints;
  recipe.allow_nonfinite = defaults.allow_nonfinite;
  recipe.open = defaults.open;
  json["recipe"] = recipe_json(recipe, ".").dump();
  return json;
}

ordered_json options_json(std::string_view search,
                          const SearchOptions& options) {
  ordered_json scores = ordered_json::object();
  for (const auto& [path, score] : options.scores) {
    scores[path] = {score.metric, score.value, score.count};
  }
  std::string visit;
  for (const fs::path& path : options.visit) visit += path.string() + "\n";
  ordered_json json = {
      {"order", name(options.order)},
      {"order-file", visit.empty() ? "" : text_hash(visit)},
      {"seed", options.seed},
      {"orders", options.orders},
      {"accept", options.accept_equal ? "ge" : "gt"},
      {"min-gain", options.min_gain},
      {"alpha", options.alpha},
      {"max-ingredients", given(options.max_ingredients)},
      {"sweeps", sweeps_of(search, options)},
      {"full", options.full},
      {"lazy", options.lazy},
      {"budget", given(options.budget)},
      {"from-losses", given(options.temperature)},
      {"optimism", given(options.optimism_folds)},
      {"leave-one-out", options.leave_one_out},
      {"scores", scores.empty() ? "" : text_hash(scores.dump())}};
  json.update(recipe_options(options.recipe));
  return json;
}

// What models say beside their weights (heads, normalisation).
std::string sidecar_hash(const Checkpoint& checkpoint) {
  const fs::path& path = checkpoint.path();
  const fs::path config =
      (fs::is_directory(path) ? path : folder_of(path)) / "config.json";
  if (!fs::is_regular_file(config)) return "";
  return text_hash(read_text(config, size_t{64} << 20));
}

}  // namespace

std::string content_hash(const Checkpoint& checkpoint, Recipe recipe) {
  recipe.ingredients = {{.path = checkpoint.path()}};
  const Checkpoint* const one = &checkpoint;
  NoSink sink;
  return mix(make_plan(recipe, {&one, 1}), {&one, 1}, sink, {.hash = true})
      .hashes.front();
}

ordered_json circumstances_of(std::string_view search,
                              std::span<const CheckpointPtr> checkpoints,
                              const Panel& panel,
                              const SearchOptions& options) {
  ordered_json data = panel.primary.identity();
  for (const Evaluator* guard : panel.guards) {
    for (const auto& [key, value] : guard->identity()) {
      data[guard->dataset() + "'s " + key] = value;
    }
  }
  if (options.batch_norm != nullptr) {
    for (const auto& [key, value] : options.batch_norm->identity()) {
      data["--bn-data's " + key] = value;
    }
  }
  data["config.json"] = sidecar_hash(*checkpoints.front());
  return {{"kind", "run"},
          {"format", 3},
          {"version", SOUP_VERSION},
          {"search", search},
          {"options", options_json(search, options)},
          {"data", data}};
}

ordered_json identity_of(std::string_view search,
                         std::span<const CheckpointPtr> checkpoints,
                         const Panel& panel, const SearchOptions& options) {
  ordered_json identity = circumstances_of(search, checkpoints, panel, options);
  ordered_json& ingredients = identity["ingredients"] = ordered_json::array();
  Progress progress("hashing", std::ssize(checkpoints), Unit::kItems,
                    options.progress);
  for (const CheckpointPtr& checkpoint : checkpoints) {
    ingredients.push_back(
        {{"path", checkpoint->path().string()},
         {"hash", content_hash(*checkpoint, options.recipe)}});
    progress.add(1);
  }
  return identity;
}

void fail_record(const std::string& where,
                 const nlohmann::json::exception& cause) {
  std::string what = cause.what();
  what.erase(0, what.find("] ") + 2);  // "[json.exception.type_error.302] "
  throw Error(where + ": is no record of this step: " + printable(what) +
              "; --fresh starts anew");
}

void begin_journal(Journal& journal, const fs::path& run_dir,
                   const ordered_json& now) {
  const auto then = journal.replay();
  if (!then) {
    journal.append(now);
    return;
  }
  const std::string where = journal.where();
  if (then->value("kind", ordered_json()) != "run") {
    throw Error(where +
                ": does not say what the run is of, as the first record of "
                "every journal does; --fresh starts anew");
  }
  const auto found =
      checked_record(where, [&] { return differences(*then, now); });
  if (!found.empty()) {
    throw Error(run_dir.string() +
                ": was begun with other inputs: " + join(found, ", ") +
                "; --fresh starts anew, --run-dir keeps both");
  }
  if (journal.left() > 0) {
    log::info(run_dir.string() + ": goes on after " +
              std::to_string(journal.left()) + " records");
  }
}

}  // namespace soup
