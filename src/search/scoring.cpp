#include "search/hands.h"
#include "search/identity.h"
#include "soup/search.h"

namespace soup {

/// Each uses those above.
struct Scoring::State {
  State(std::string_view command, std::span<const CheckpointPtr> checkpoints,
        std::span<Evaluator* const> evaluators, const Others& others)
      : options{.guards = {evaluators.begin() + 1, evaluators.end()},
                .others = others,
                .progress = true},
        panel{*evaluators.front(), options.guards},
        identity(others.store == nullptr
                     ? nlohmann::ordered_json()
                     : identity_of(command, checkpoints, panel, options)),
        hands(panel, checkpoints, options, identity) {}

  SearchOptions options;
  Panel panel;
  nlohmann::ordered_json identity;
  Hands hands;
};

Scoring::Scoring(std::string_view command,
                 std::span<const CheckpointPtr> checkpoints,
                 std::span<Evaluator* const> evaluators, const Others& others)
    : state_(
          std::make_unique<State>(command, checkpoints, evaluators, others)) {}

Scoring::~Scoring() = default;

void Scoring::expect(std::span<const Item> items, bool logits) {
  std::vector<Whole> wholes;
  for (const Item& item : items) {
    wholes.push_back({{item.checkpoint}, item.set, logits});
  }
  state_->hands.look_ahead(wholes);
}

Score Scoring::score(const Item& item, const EvaluateOptions& options) {
  return state_->hands.evaluate({item.checkpoint}, item.set, options);
}

CheckpointPtr Scoring::logits(const Item& item, Progress* progress) {
  return state_->hands.logits({item.checkpoint}, item.set, progress);
}

}  // namespace soup
