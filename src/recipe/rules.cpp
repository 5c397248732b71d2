#include <array>

#include "recipe/blend.h"
#include "recipe/kinds.h"
#include "recipe/linear.h"
#include "recipe/piece.h"
#include "recipe/rule_bodies.h"
#include "recipe/rule_options.h"
#include "recipe/thinning.h"
#include "soup/recipe.h"

namespace soup {
namespace {

using namespace options;

bool is_integer(DType dtype) {
  return info(dtype).kind == DTypeKind::kInteger && dtype != DType::kBool;
}
bool is_any(DType) { return true; }

// DELLA's probabilities lie between density - epsilon and density + epsilon.
void check_della(const Settings& settings, const std::string& where,
                 std::vector<std::string>& mistakes) {
  const double density = settings.at("density");
  const double epsilon = settings.at("epsilon");
  if (density >= 1 || density <= 0) return;
  if (density - epsilon > 0 && density + epsilon < 1) return;
  mistakes.push_back(where +
                     ": density - epsilon and density + epsilon must lie "
                     "between 0 and 1: give another epsilon");
}

template <Thin kHow>
PreparedPtr thinned(const WholeTensor& whole) {
  return thin(whole, kHow);
}

// What rules of one kind have in common.
constexpr Rule task(std::string_view name, std::string_view summary,
                    std::span<const RuleSetting> settings,
                    PreparedPtr (*prepare)(const WholeTensor&),
                    void (*make)(Piece&)) {
  return {.name = name,
          .summary = summary,
          .makes = is_float,
          .make = make,
          .settings = settings,
          .base = BaseModel::kNeeded,
          .prepare = prepare,
          .weighted = true,
          .per_op = true};
}

constexpr Rule della(std::string_view name, std::string_view summary,
                     std::span<const RuleSetting> settings,
                     void (*make)(Piece&)) {
  Rule rule = task(name, summary, settings, thinned<Thin::kByRank>, make);
  rule.memory = bits_memory;
  rule.check = check_della;
  return rule;
}

constexpr std::array kRules = {
    Rule{.name = "linear",
         .summary = "weighted mean of floats, rounded once",
         .makes = is_averaged,
         .make = make_linear,
         .settings = kLinear,
         .weighted = true,
         .per_op = true},
    Rule{.name = "slerp",
         .summary = "from the base to one other along the arc, by t",
         .makes = is_float,
         .make = make_blend,
         .settings = kSlerp,
         .base = BaseModel::kNeeded,
         .most = 1,
         .prepare = prepare_slerp},
    Rule{.name = "nuslerp",
         .summary = "arc between two by their weights; rows or columns too",
         .makes = is_float,
         .make = make_blend,
         .settings = kNuslerp,
         .base = BaseModel::kOptional,
         .least = 2,
         .most = 2,
         .prepare = prepare_nuslerp,
         .weighted = true},
    Rule{.name = "multislerp",
         .summary = "weighted mean of directions and of lengths",
         .makes = is_float,
         .make = make_blend,
         .settings = kMultislerp,
         .base = BaseModel::kOptional,
         .prepare = prepare_multislerp,
         .weighted = true},
    Rule{.name = "karcher",
         .summary = "mean of directions on the sphere, by iteration",
         .makes = is_float,
         .make = make_blend,
         .settings = kKarcher,
         .prepare = prepare_karcher},
    task("task_arithmetic", "base plus weighted task vectors", kTaskArithmetic,
         nullptr, make_task_arithmetic),
    task("ties", "largest elements of task vectors that agree in sign", kTies,
         thinned<Thin::kMagnitude>, make_consensus),
    task("dare_linear", "random elements of task vectors, rescaled", kDare,
         thinned<Thin::kRandom>, make_sum),
    task("dare_ties", "dare_linear, of those that agree in sign", kDare,
         thinned<Thin::kRandom>, make_consensus),
    task("breadcrumbs", "task vectors without outliers and small elements",
         kBreadcrumbs, thinned<Thin::kOutliers>, make_sum),
    task("breadcrumbs_ties", "breadcrumbs, of those that agree in sign",
         kBreadcrumbs, thinned<Thin::kOutliers>, make_consensus),
    della("della", "della_linear, of those that agree in sign", kDella,
          make_consensus),
    della("della_linear",
          "random elements of task vectors, likelier the larger in their row",
          kDellaLinear, make_sum),
    Rule{.name = "model_stock",
         .summary = "from the base towards the mean, by the angle between task "
                    "vectors",
         .makes = is_float,
         .make = make_blend,
         .settings = kModelStock,
         .base = BaseModel::kNeeded,
         .least = 2,
         .prepare = prepare_model_stock},
    Rule{.name = "nearswap",
         .summary = "the other model's value where it lies within t of the "
                    "base's, else a step towards it",
         .makes = is_float,
         .make = make_nearswap,
         .settings = kNearswap,
         .base = BaseModel::kNeeded,
         .most = 1},
    Rule{.name = "arcee_fusion",
         .summary = "the base with the other model's most important elements",
         .makes = is_float,
         .make = make_fusion,
         .base = BaseModel::kNeeded,
         .most = 1,
         .prepare = prepare_fusion,
         .memory = fusion_memory},
    Rule{.name = "sce",
         .summary = "elements in which the models differ most, of one sign, "
                    "weighted by their squares",
         .makes = is_float,
         .make = make_sce,
         .settings = kSce,
         .base = BaseModel::kNeeded,
         .prepare = prepare_sce},
    Rule{.name = "ram",
         .summary = "what one model changed, and the mean of what several did",
         .makes = is_float,
         .make = make_ram,
         .settings = kRam,
         .base = BaseModel::kNeeded},
    Rule{.name = "ramplus_tl",
         .summary = "ram, with more of what one model alone changed",
         .makes = is_float,
         .make = make_ramplus,
         .settings = kRamplus,
         .base = BaseModel::kNeeded,
         .prepare = prepare_ramplus},
    Rule{.name = "passthrough",
         .summary = "one model's tensor, times scale",
         .makes = is_averaged,
         .make = make_passthrough,
         .settings = kPassthrough,
         .most = 1},
    Rule{.name = "fisher",
         .summary = "mean weighted by Fisher diagonals, the second half of the "
                    "inputs",
         .makes = is_float,
         .make = make_fisher,
         .settings = kFisher,
         .least = 2,
         .has_companions = true,
         .weighted = true,
         .least_weight = 0},
    Rule{.name = "iso_c",
         .summary = "summed task matrices with all singular values alike",
         .makes = is_float,
         .make = make_update,
         .settings = kSubspaces,
         .base = BaseModel::kNeeded,
         .prepare = prepare_iso,
         .weighted = true,
         .one_thread = true,
         .memory = subspace_memory},
    Rule{
        .name = "tsv_m",
        .summary = "leading singular vectors of task matrices, made orthogonal",
        .makes = is_float,
        .make = make_update,
        .settings = kSubspaces,
        .base = BaseModel::kNeeded,
        .prepare = prepare_tsv,
        .weighted = true,
        .one_thread = true,
        .memory = subspace_memory},
    Rule{.name = "geometric_median",
         .summary = "tensor with the least total distance to all",
         .makes = is_float,
         .make = make_blend,
         .settings = kGeometricMedian,
         .prepare = prepare_geometric_median,
         .weighted = true,
         .least_weight = 0},
    Rule{.name = "trimmed_mean",
         .summary = "mean of each element without its extremes",
         .makes = is_float,
         .make = make_trimmed_mean,
         .settings = kTrimmedMean},
    Rule{.name = "lines",
         .summary = "task vectors that count alpha in the first layer to "
                    "alpha + beta in the last",
         .makes = is_float,
         .make = make_lines,
         .settings = kLines,
         .base = BaseModel::kNeeded,
         .by_depth = true,
         .weighted = true},
    Rule{.name = "equal",
         .summary = "must be equal in all ingredients",
         .makes = is_any,
         .make = make_equal,
         .copies = true},
    Rule{.name = "largest",
         .summary = "largest integer, for counters of batches",
         .makes = is_integer,
         .make = make_largest,
         .copies = true},
    Rule{.name = "first",
         .summary = "taken from the first ingredient",
         .makes = is_any,
         .make = make_first,
         .copies = true},
};

}  // namespace

std::span<const Rule> rules() { return kRules; }

}  // namespace soup
