#include <numeric>

#include "search/hands.h"
#include "search/identity.h"
#include "soup/search.h"

namespace soup {

/// Each uses those above.
struct Scoring::State {
  State(std::string_view command, std::span<const CheckpointPtr> checkpoints,
        std::span<Evaluator* const> evaluators, const Others& others,
        const Recipe& recipe, BatchNormStatistics* batch_norm)
      : options{.guards = {evaluators.begin() + 1, evaluators.end()},
                .others = others,
                .batch_norm = batch_norm,
                .recipe = recipe,
                .progress = true},
        all(checkpoints.size()),
        panel{*evaluators.front(), options.guards},
        identity(others.store == nullptr
                     ? nlohmann::ordered_json()
                     : identity_of(command, checkpoints, panel, options)),
        hands(panel, checkpoints, options, identity) {
    std::iota(all.begin(), all.end(), size_t{0});
  }

  Whole whole(const Item& item) const {
    const bool mixes = !item.weights.empty();
    return {.mixture = mixes ? all : Mixture{item.checkpoint},
            .set = item.set,
            .weights = item.weights};
  }

  SearchOptions options;
  Mixture all;
  Panel panel;
  nlohmann::ordered_json identity;
  Hands hands;
};

Scoring::Scoring(std::string_view command,
                 std::span<const CheckpointPtr> checkpoints,
                 std::span<Evaluator* const> evaluators, const Others& others,
                 const Recipe& recipe, BatchNormStatistics* batch_norm)
    : state_(std::make_unique<State>(command, checkpoints, evaluators, others,
                                     recipe, batch_norm)) {}

Scoring::~Scoring() = default;

void Scoring::expect(std::span<const Item> items, bool logits) {
  std::vector<Whole> wholes;
  for (const Item& item : items) {
    wholes.push_back(state_->whole(item));
    wholes.back().logits = logits;
  }
  state_->hands.look_ahead(wholes);
}

Score Scoring::score(const Item& item, const EvaluateOptions& options) {
  return state_->hands.evaluate(state_->whole(item), options);
}

CheckpointPtr Scoring::logits(const Item& item, Progress* progress) {
  return state_->hands.logits({item.checkpoint}, item.set, progress);
}

}  // namespace soup
