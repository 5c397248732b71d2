#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "soup/checkpoint.h"
#include "soup/eval.h"
#include "soup/recipe.h"

/// Choosing ingredients: checkpoints and scores in, a Recipe out.
namespace soup {

/// One step of a greedy search.
struct Candidate {
  int64_t step = 0;
  std::filesystem::path path = {};
  bool accepted = false;
  /// Examples the soup so far got wrong and the candidate right, and the other
  /// way round, among those seen; nullopt where examples are not visible.
  std::optional<int64_t> gains = {};
  std::optional<int64_t> losses = {};
  int64_t seen = 0;
  int64_t count = 0;
  std::optional<double> value = {};  ///< nullopt when cut short
  double best = 0;                   ///< score of the soup after this step
  double seconds = 0;
};

/// As an object of design/cli.md.
nlohmann::ordered_json candidate_json(const Candidate& candidate);

enum class Order { kScore, kGiven, kRandom };
std::string_view name(Order order);

struct SearchOptions {
  Order order = Order::kScore;
  uint64_t seed = 0;
  bool accept_equal = true;  ///< `ge` of the paper; false: `gt`, released code
  int64_t min_gain = 0;
  int64_t max_ingredients = 0;  ///< 0: no limit
  int64_t sweeps = 1;
  bool full = false;  ///< score every candidate on every example
  std::map<std::string, Score> scores = {};  ///< known scores by path
  /// Folder of the journal: the same search goes on where it stopped. Empty:
  /// none is kept.
  std::filesystem::path run_dir = {};
  bool fresh = false;  ///< forget what the journal holds
  Recipe recipe = {};  ///< rule, dtype and filters of the soup; no ingredients
  std::function<void(const std::filesystem::path&, const Score&)> on_score = {};
  std::function<void(const Candidate&)> on_candidate = {};
  bool progress = false;
};

struct SearchResult {
  Recipe recipe;
  std::optional<Score> score;        ///< of the soup, on the held-out data
  std::optional<Score> best_single;  ///< nullopt when singles were not scored
  std::filesystem::path best_path;
};

/// A row of the table of searches.
struct Search {
  std::string_view name;
  std::string_view summary;
  bool needs_evaluator = false;
  /// `evaluator` may be null unless needs_evaluator.
  SearchResult (*run)(std::span<const CheckpointPtr> checkpoints,
                      Evaluator* evaluator, const SearchOptions&);
};

std::span<const Search> searches();
const Search& find_search(const std::string& name);

}  // namespace soup
