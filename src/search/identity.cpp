#include "search/identity.h"

#include <algorithm>
#include <set>

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

constexpr size_t kShown = 4;  // differences in one message

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

std::set<std::string> hashes_of(const ordered_json& ingredients) {
  std::set<std::string> hashes;
  for (const ordered_json& one : ingredients) {
    hashes.insert(one.at("hash").get<std::string>());
  }
  return hashes;
}

std::vector<std::string> paths_beyond(const ordered_json& ingredients,
                                      const std::set<std::string>& known) {
  std::vector<std::string> paths;
  for (const ordered_json& one : ingredients) {
    if (!known.contains(one.at("hash").get<std::string>())) {
      paths.push_back(one.at("path").get<std::string>());
    }
  }
  return paths;
}

bool same_order(const ordered_json& then, const ordered_json& now) {
  return std::ranges::equal(then, now,
                            [](const ordered_json& a, const ordered_json& b) {
                              return a.at("hash") == b.at("hash");
                            });
}

// The same checkpoints in another order, which is that of their names: those
// whose files have other names or, where none has, lie in other folders.
void compare_names(const ordered_json& then, const ordered_json& now,
                   std::vector<std::string>& found) {
  std::vector<std::string> renamed;
  std::vector<std::string> moved;
  for (const ordered_json& one : then) {
    const auto same = [&](const ordered_json& two) {
      return two.at("hash") == one.at("hash");
    };
    const auto other = std::ranges::find_if(now, same);
    const fs::path before = one.at("path").get<std::string>();
    const fs::path after = other->at("path").get<std::string>();
    const std::string change =
        before.string() + " is called " + after.string() + " now";
    if (before != after) moved.push_back(change);
    if (before.filename() != after.filename()) renamed.push_back(change);
  }
  const std::vector<std::string>& changes = renamed.empty() ? moved : renamed;
  found.emplace_back("the checkpoints come in another order");
  found.insert(found.end(), changes.begin(), changes.end());
}

void compare_ingredients(const ordered_json& then, const ordered_json& now,
                         std::vector<std::string>& found) {
  const std::vector<std::string> gone = paths_beyond(then, hashes_of(now));
  const std::vector<std::string> fresh = paths_beyond(now, hashes_of(then));
  for (const std::string& path : fresh) {
    const bool changed = std::count(gone.begin(), gone.end(), path) > 0;
    found.push_back(path + (changed ? " has changed" : " is new"));
  }
  for (const std::string& path : gone) {
    if (std::count(fresh.begin(), fresh.end(), path) == 0) {
      found.push_back(path + " is missing");
    }
  }
  if (!found.empty() || then.size() != now.size()) {
    if (found.empty()) found.emplace_back("another number of checkpoints");
    return;
  }
  if (!same_order(then, now)) compare_names(then, now, found);
}

std::string text(const ordered_json& value) {
  return value.is_string() ? value.get<std::string>() : value.dump();
}

// Hashes and whole recipes say nothing to people.
bool is_telling(const std::string& value) {
  return !value.empty() && value.size() < 32 && value.front() != '{';
}

// `absent`: what is said of an empty value.
std::string change_text(std::string before, std::string after,
                        const std::string& absent) {
  if (before.empty()) before = absent;
  if (after.empty()) after = absent;
  if (!is_telling(before) || !is_telling(after)) return " has changed";
  return " was " + before + ", is " + after;
}

void compare_values(const ordered_json& then, const ordered_json& now,
                    const std::string& prefix, const std::string& absent,
                    std::vector<std::string>& found) {
  std::set<std::string> keys;
  for (const auto& [key, value] : then.items()) keys.insert(key);
  for (const auto& [key, value] : now.items()) keys.insert(key);
  for (const std::string& key : keys) {
    const std::string before = then.contains(key) ? text(then[key]) : "";
    const std::string after = now.contains(key) ? text(now[key]) : "";
    if (before == after) continue;
    found.push_back(prefix + key + change_text(before, after, absent));
  }
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

std::vector<std::string> differences(const ordered_json& then,
                                     const ordered_json& now) {
  std::vector<std::string> found;
  for (const char* key : {"format", "version", "search"}) {
    if (then.at(key) == now.at(key)) continue;
    found.push_back(printable(std::string("the ") + key + " was " +
                              text(then[key]) + ", is " + text(now[key])));
    // Another format may say all else in another way.
    if (std::string_view(key) == "format") return found;
  }
  std::vector<std::string> ingredients;
  compare_ingredients(then.at("ingredients"), now.at("ingredients"),
                      ingredients);
  if (ingredients.size() > kShown) {
    const size_t more = ingredients.size() - kShown;
    ingredients.resize(kShown);
    ingredients.push_back("and " + std::to_string(more) + " more");
  }
  found.insert(found.end(), ingredients.begin(), ingredients.end());
  compare_values(then.at("data"), now.at("data"), "the ", "", found);
  compare_values(then.at("options"), now.at("options"), "--", "not given",
                 found);
  for (std::string& difference : found) difference = printable(difference);
  return found;
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
