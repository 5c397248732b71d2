#include "cli/scores.h"

#include <sstream>

#include "core/file.h"
#include "core/json.h"
#include "soup/error.h"

namespace soup {

std::map<std::string, Score> read_scores(const std::filesystem::path& file) {
  std::map<std::string, Score> scores;
  std::istringstream lines(read_text(file, size_t{1} << 30));
  int64_t number = 0;
  for (std::string line; std::getline(lines, line);) {
    const std::string where = file.string() + ":" + std::to_string(++number);
    if (line.empty()) continue;
    const auto object = parse_json(line, where);
    if (!object.is_object()) throw UsageError(where + ": expected an object");
    if (object.contains("kind") && object["kind"] != "score") continue;
    for (const char* key : {"path", "metric", "value", "count"}) {
      if (!object.contains(key)) {
        throw UsageError(where + ": a score needs the key '" + key + "'");
      }
    }
    Score score;
    score.metric = get_as<std::string>(object, "metric", where);
    score.value = get_as<double>(object, "value", where);
    score.count = get_as<int64_t>(object, "count", where);
    if (object.contains("dataset")) {
      score.dataset = get_as<std::string>(object, "dataset", where);
    }
    if (object.contains("correct") && !object["correct"].is_null()) {
      score.correct = get_as<int64_t>(object, "correct", where);
    }
    if (object.contains("standard_error") &&
        !object["standard_error"].is_null()) {
      score.standard_error = get_as<double>(object, "standard_error", where);
    }
    scores[get_as<std::string>(object, "path", where)] = score;
  }
  return scores;
}

}  // namespace soup
