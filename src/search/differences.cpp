#include <algorithm>
#include <set>

#include "core/text.h"
#include "search/identity.h"

namespace soup {
namespace {

using nlohmann::ordered_json;
namespace fs = std::filesystem;

constexpr size_t kShown = 4;  // differences in one message

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

}  // namespace soup
