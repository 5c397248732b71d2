#include "search/identity.h"

#include <algorithm>
#include <set>

#include "core/file.h"
#include "core/hash.h"
#include "core/log.h"
#include "core/text.h"
#include "search/in_memory.h"

namespace soup {
namespace {

using nlohmann::ordered_json;
namespace fs = std::filesystem;

constexpr size_t kShown = 4;  // differences in one message

std::string text_hash(const std::string& text) {
  return hex(xxh3_128(std::as_bytes(std::span(text))));
}

ordered_json options_json(const SearchOptions& options) {
  ordered_json scores = ordered_json::object();
  for (const auto& [path, score] : options.scores) {
    scores[path] = {score.metric, score.value, score.count};
  }
  std::string visit;
  for (const fs::path& path : options.visit) visit += path.string() + "\n";
  return {{"order", name(options.order)},
          {"order-file", visit.empty() ? "" : text_hash(visit)},
          {"seed", options.seed},
          {"orders", options.orders},
          {"accept", options.accept_equal ? "ge" : "gt"},
          {"min-gain", options.min_gain},
          {"alpha", options.alpha},
          {"max-ingredients", options.max_ingredients},
          {"sweeps", options.sweeps},
          {"full", options.full},
          {"lazy", options.lazy},
          {"budget", options.budget},
          {"temperature", options.temperature},
          {"optimism", options.optimism_folds},
          {"leave-one-out", options.leave_one_out},
          {"scores", scores.empty() ? "" : text_hash(scores.dump())},
          {"recipe", recipe_json(options.recipe, ".").dump()}};
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
  for (size_t i = 0; i < then.size(); ++i) {
    if (then[i].at("hash") != now[i].at("hash")) {
      found.emplace_back("the checkpoints come in another order");
      return;
    }
  }
}

std::string text(const ordered_json& value) {
  return value.is_string() ? value.get<std::string>() : value.dump();
}

// Hashes and whole recipes say nothing to people.
bool is_telling(const std::string& value) {
  return !value.empty() && value.size() < 32 && value.front() != '{';
}

void compare_values(const ordered_json& then, const ordered_json& now,
                    const std::string& prefix,
                    std::vector<std::string>& found) {
  std::set<std::string> keys;
  for (const auto& [key, value] : then.items()) keys.insert(key);
  for (const auto& [key, value] : now.items()) keys.insert(key);
  for (const std::string& key : keys) {
    const std::string before = then.contains(key) ? text(then[key]) : "";
    const std::string after = now.contains(key) ? text(now[key]) : "";
    if (before == after) continue;
    const bool telling = is_telling(before) && is_telling(after);
    found.push_back(
        prefix + key +
        (telling ? " was " + before + ", is " + after : " has changed"));
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
          {"format", 2},
          {"version", SOUP_VERSION},
          {"search", search},
          {"options", options_json(options)},
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
    if (then.at(key) != now.at(key)) {
      found.push_back(std::string("the ") + key + " was " + text(then[key]) +
                      ", is " + text(now[key]));
    }
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
  compare_values(then.at("data"), now.at("data"), "the ", found);
  compare_values(then.at("options"), now.at("options"), "--", found);
  for (std::string& difference : found) difference = printable(difference);
  return found;
}

void begin_journal(Journal& journal, const fs::path& run_dir,
                   const ordered_json& now) {
  const auto then = journal.replay();
  if (!then) {
    journal.append(now);
    return;
  }
  const auto found =
      checked_record(journal.where(), [&] { return differences(*then, now); });
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
