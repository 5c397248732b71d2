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

#include "core/store.h"
#include "soup/checkpoint.h"
#include "soup/eval.h"
#include "soup/recipe.h"

/// Choosing ingredients: checkpoints and scores in, a Recipe out.
namespace soup {

class Pulse;

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
  /// Examples not seen that the soup so far got wrong: the most that could
  /// still be gained. A rejection is certain where gains - losses + remaining
  /// is less than what was asked for. Of metrics that do not count (losses):
  /// what those could gain, as `ahead`; nullopt where nothing bounds it.
  std::optional<int64_t> remaining = {};
  /// Of metrics that do not count: by how much the examples seen are better,
  /// in 2^-24. A rejection is certain where ahead + remaining is negative.
  std::optional<int64_t> ahead = {};
  int64_t count = 0;
  std::optional<double> value = {};  ///< nullopt when cut short
  double best = 0;                   ///< score of the soup after this step
  double seconds = 0;
  /// McNemar's exact two-sided p-value of gains and losses; nullopt when cut
  /// short, where they are a part only.
  std::optional<double> p_value = {};
  bool removes = false;  ///< an ingredient tried to be done without
  std::optional<int64_t> round = {};  ///< of a search that goes in rounds
  std::optional<uint64_t> seed = {};  ///< of a search in several random orders
  std::string guard = {};  ///< data set whose score would have dropped
  /// Would be accepted, but others may come before it: it is compared again
  /// when it is its turn (SearchOptions::lazy).
  bool early = false;
  /// Of a search that tries whole sets: all of it; `path` is empty.
  std::vector<std::filesystem::path> set = {};
};

/// As an object of design/cli.md.
nlohmann::ordered_json candidate_json(const Candidate& candidate);

enum class Order { kScore, kGiven, kRandom, kFile };
std::string_view name(Order order);

/// The outcome of a search in one of several random orders.
struct OrderResult {
  uint64_t seed = 0;
  Score score;
  int64_t ingredients = 0;
};

/// How much the checkpoints of one run count, the oldest first.
enum class Decay {
  kMean,      ///< all alike: SWA, LAWA (arXiv:1803.05407, 2209.14981)
  kLinear,    ///< 1, 2, 3, ...: WMA of arXiv:2505.12082
  kEma,       ///< m <- d m + (1 - d) theta, from the oldest on
  kSchedule,  ///< as if the learning rate had decayed (arXiv:2507.17634)
};

/// An average of the checkpoints of one run.
struct Trajectory {
  Decay decay = Decay::kMean;
  size_t last = 0;      ///< checkpoints that count; 0: all
  double factor = 0.9;  ///< d of kEma
  /// Of kSchedule: what share of each update between two checkpoints counts,
  /// from 1 downwards; one fewer than checkpoints.
  std::vector<double> schedule = {};
};

/// Which tensors have mixing coefficients in common.
enum class Share { kModel, kLayer, kTensor };
std::string_view name(Share share);

/// How mixing coefficients are learned on held-out data.
struct Learning {
  Share by = Share::kLayer;
  /// Any coefficients whose sum is 1 (MEHL-Soup, arXiv:2407.03641), instead of
  /// a softmax's with a learned temperature (arXiv:2203.05482).
  bool affine = false;
  double rate = 0;  ///< of AdamW; 0: 0.05, affine: 0.01
  int64_t epochs = 5;
  int64_t folds = 5;  ///< at least 2
  int64_t batch_size = 256;
};

/// What so many epochs of learning are worth.
struct LearnedEpoch {
  int64_t epoch = 0;  ///< 0: equal coefficients
  /// Mean over the folds of the loss while learning; nullopt for epoch 0.
  std::optional<double> loss = {};
  Score score;  ///< every example by coefficients that were learned without it
};

/// What choosing on held-out data adds to the score on them, estimated by
/// searches that each leave out one fold of the examples.
struct Optimism {
  int64_t folds = 0;
  double chosen = 0;  ///< mean score on the examples that chose
  double apart = 0;   ///< score of all examples, each by the search without it
};

/// Who evaluates beside the first evaluators of this process, at the same time.
/// What is found is the same however many there are.
struct Others {
  /// What evaluates the same on other devices: for each, one for every
  /// evaluator of the first.
  std::vector<std::vector<Evaluator*>> devices = {};
  /// Where other processes, each with a Participant, look for work; null: none.
  Store* store = nullptr;
  int64_t processes = 1;  ///< all together

  bool any() const { return !devices.empty() || store != nullptr; }
};

struct SearchOptions {
  Order order = Order::kScore;
  std::vector<std::filesystem::path> visit = {};  ///< for Order::kFile
  uint64_t seed = 0;
  int64_t orders = 1;  ///< random orders, from seeds `seed`, `seed` + 1, ...
  bool accept_equal = true;  ///< `ge` of the paper; false: `gt`, released code
  int64_t min_gain = 0;
  /// Accepts only gains with a p-value of McNemar's test below; 1: any.
  double alpha = 1;
  int64_t max_ingredients = 0;  ///< 0: no limit
  /// How often what was rejected is tried again; 0: the search's default.
  int64_t sweeps = 0;
  bool full = false;  ///< score every candidate on every example
  /// Of the greedy search: ranks exactly only the checkpoints whose order can
  /// matter. Same soup; candidates that are rejected come in another order.
  bool lazy = false;
  /// Folds for an estimate of the optimism, of the greedy search; 0: none.
  int64_t optimism_folds = 0;
  /// Scores the soup without each of its ingredients, too.
  bool leave_one_out = false;
  std::map<std::string, Score> scores = {};  ///< known scores by path
  /// More held-out data, on which no step may lower the score.
  std::vector<Evaluator*> guards = {};
  /// On each device evaluators are followed by their guards. Candidates are
  /// tried ahead of their turn.
  Others others = {};
  /// Gives every mixture, not single checkpoints, its own statistics of
  /// BatchNorm before it is scored; the caller does so with the soup. Null:
  /// they are mixed like weights.
  BatchNormStatistics* batch_norm = nullptr;
  /// Folder of the journal: the same search goes on where it stopped. Empty:
  /// none is kept.
  std::filesystem::path run_dir = {};
  Trajectory trajectory = {};  ///< of the search of that name
  Learning learning = {};      ///< of the search `learned`
  int64_t budget = 0;          ///< of `radin`: soups that are scored
  double temperature = 0;      ///< of `softmax`, in units of the score
  bool fresh = false;          ///< forget what the journal holds
  Recipe recipe = {};  ///< rule, dtype and filters of the soup; no ingredients
  std::function<void(const std::filesystem::path&, const Score&)> on_score = {};
  std::function<void(const Candidate&)> on_candidate = {};
  std::function<void(const OrderResult&)> on_order = {};
  std::function<void(const LearnedEpoch&)> on_epoch = {};
  bool progress = false;
};

struct SearchResult {
  Recipe recipe;
  std::optional<Score> score;        ///< of the soup, on the held-out data
  std::optional<Score> best_single;  ///< nullopt when singles were not scored
  std::filesystem::path best_path;
  std::optional<Optimism> optimism = {};
  /// By ingredient: the soup's score without it, where it is known.
  std::vector<std::optional<Score>> without = {};
  /// Why a search kept one ingredient only, or equal coefficients; empty where
  /// it did not.
  std::string reason = {};
};

/// The weighted mean of scores on several data sets as one score, as of one
/// data set that holds the examples of all: every search, and its early exit,
/// works on it. `sets` outlive it; they are of one make_evaluators(). `shares`:
/// by set, above 0.
/// Throws UsageError where shares are too fine to compare such means exactly.
std::unique_ptr<Evaluator> make_weighted_mean(
    std::span<const std::unique_ptr<Evaluator>> sets,
    std::span<const double> shares);

/// A process that evaluates for that of rank 0. It tells in the store that it
/// lives, from its start on.
class Participant {
 public:
  /// `rank`: of this process, above 0. `store` outlives it.
  Participant(Store& store, int64_t rank);
  ~Participant();
  Participant(const Participant&) = delete;
  Participant& operator=(const Participant&) = delete;

  /// Evaluates for the search, or Scoring, `command` of the same arguments,
  /// until it has ended. Further evaluators are guards.
  /// Throws Error when rank 0 has gone before the journal in options.run_dir
  /// held the result, or was given something else.
  void take_part(std::string_view command,
                 std::span<const CheckpointPtr> checkpoints,
                 Evaluator& evaluator, const SearchOptions& options);

 private:
  std::unique_ptr<Pulse> pulse_;
};

/// Scores of checkpoints, each by all that help: every example is looked at
/// once, by whoever has time.
class Scoring {
 public:
  /// One checkpoint on one data set, by their positions.
  struct Item {
    size_t checkpoint = 0;
    size_t set = 0;
    /// Of a mixture of all checkpoints, in their order, instead of one.
    std::vector<double> weights = {};
  };

  /// `command`: names to other processes what this is. `evaluators`: one for
  /// every data set. `recipe` and `batch_norm` are of mixtures, as
  /// SearchOptions has them. All outlive it.
  Scoring(std::string_view command, std::span<const CheckpointPtr> checkpoints,
          std::span<Evaluator* const> evaluators, const Others& others,
          const Recipe& recipe = {}, BatchNormStatistics* batch_norm = nullptr);
  ~Scoring();
  Scoring(const Scoring&) = delete;
  Scoring& operator=(const Scoring&) = delete;

  /// These will be asked for next, in this order, with or without logits:
  /// whoever is free begins with them.
  void expect(std::span<const Item> items, bool logits = false);
  /// As Evaluator::evaluate() of all examples in file order; a watch does not
  /// stop it.
  Score score(const Item& item, const EvaluateOptions& options);
  /// What the checkpoint says of every example, as holds_logits() has it.
  CheckpointPtr logits(const Item& item, Progress* progress);

 private:
  struct State;
  std::unique_ptr<State> state_;
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

/// A point of the line through two models, and what it scores.
struct CurvePoint {
  double alpha = 0;
  std::vector<Score> scores;  ///< by evaluator
};

/// (1 - alpha) a + alpha b, as a recipe of two ingredients: WiSE-FT
/// (arXiv:2109.01903) where a is the initialisation. `recipe` says the rest.
Recipe between(Recipe recipe, const Checkpoint& a, const Checkpoint& b,
               double alpha);

/// Scores every point of the line in `alphas` through the two checkpoints of
/// `scoring`, on its first `sets` data sets. The weights are formed in memory,
/// the very ones that the point's recipe gives, but for statistics of BatchNorm
/// that are taken anew. `on_point` is told of each as it is known.
std::vector<CurvePoint> curve(
    Scoring& scoring, std::span<const double> alphas, size_t sets,
    Progress* progress, const std::function<void(const CurvePoint&)>& on_point);

/// Index of the point with the best score on the first evaluator; of equal
/// ones the first.
size_t best_point(std::span<const CurvePoint> points);

}  // namespace soup
