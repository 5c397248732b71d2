#include "cli/scores.h"

#include <cmath>
#include <limits>
#include <sstream>

#include "core/file.h"
#include "core/json.h"
#include "core/text.h"
#include "soup/error.h"

namespace soup {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

bool has(const ordered_json& object, const char* key) {
  return object.contains(key) && !object[key].is_null();
}

KnownScore read_score(const ordered_json& object, const std::string& where) {
  for (const char* key : {"path", "metric", "value", "count"}) {
    if (!object.contains(key)) {
      throw UsageError(where + ": a score needs the key '" + key + "'");
    }
  }
  Score score;
  score.metric = get_as<std::string>(object, "metric", where);
  // JSON has no NaN: soup eval prints null.
  score.value = has(object, "value") ? get_as<double>(object, "value", where)
                                     : std::numeric_limits<double>::quiet_NaN();
  score.count = get_as<int64_t>(object, "count", where);
  if (has(object, "dataset")) {
    score.dataset = get_as<std::string>(object, "dataset", where);
  }
  if (has(object, "correct")) {
    score.correct = get_as<int64_t>(object, "correct", where);
  }
  if (has(object, "standard_error")) {
    score.standard_error = get_as<double>(object, "standard_error", where);
  }
  return {get_as<std::string>(object, "path", where), score};
}

// The same file by whatever way.
fs::path place_of(const fs::path& path) {
  std::error_code unknown;
  const fs::path place = fs::weakly_canonical(path, unknown);
  return unknown ? path : fs::absolute(place);
}

bool is_same(const Score& a, const Score& b) {
  const bool both_none = std::isnan(a.value) && std::isnan(b.value);
  return a.count == b.count && (a.value == b.value || both_none);
}

// The number of examples that a share of them stands for.
std::optional<int64_t> counted(const Score& score, const Evaluator& evaluator) {
  const bool counts = evaluator.counts() && !evaluator.weighted();
  if (score.correct || !counts || std::isnan(score.value)) return score.correct;
  return std::llround(score.value * static_cast<double>(score.count));
}

}  // namespace

std::vector<KnownScore> read_scores(const fs::path& file) {
  std::vector<KnownScore> scores;
  std::istringstream lines(read_text(file, size_t{1} << 30));
  int64_t number = 0;
  for (std::string line; std::getline(lines, line);) {
    const std::string where = file.string() + ":" + std::to_string(++number);
    if (line.empty()) continue;
    if (line.front() != '{') {
      throw UsageError(where +
                       ": is no JSON object; scores are read as soup eval "
                       "--json prints them");
    }
    const auto object = parse_json(line, where);
    if (object.contains("kind") && object["kind"] != "score") continue;
    scores.push_back(read_score(object, where));
  }
  return scores;
}

std::map<std::string, Score> known_scores(
    const fs::path& file, std::span<const CheckpointPtr> checkpoints,
    const Evaluator& evaluator, const std::string& metric) {
  const std::string of = metric + " on " + evaluator.dataset();
  std::map<fs::path, std::string> paths;
  for (const CheckpointPtr& one : checkpoints) {
    paths.emplace(place_of(one->path()), one->path().string());
  }
  std::map<std::string, Score> known;
  for (auto& [path, score] : read_scores(file)) {
    const auto checkpoint = paths.find(place_of(path));
    const bool other =
        score.metric != metric ||
        (!score.dataset.empty() && score.dataset != evaluator.dataset());
    if (checkpoint == paths.end() || other) continue;
    score.correct = counted(score, evaluator);
    score.higher_is_better = evaluator.higher_is_better();
    const auto [found, fresh] = known.emplace(checkpoint->second, score);
    if (fresh || is_same(found->second, score)) continue;
    throw UsageError(file.string() + ": has two different scores of " +
                     printable(path.string()) + " by " + of);
  }
  if (known.empty()) {
    throw UsageError(file.string() + ": has no score of these checkpoints by " +
                     of);
  }
  return known;
}

}  // namespace soup
