#pragma once

#include <optional>
#include <vector>

#include "soup/recipe.h"

/// Mixtral's experts, which transformers stores one by one
/// (`block_sparse_moe.experts.N.w1|w2|w3.weight`,
/// `block_sparse_moe.gate.weight`) and mergekit 0.1.5 together
/// (`mlp.experts.gate_up_proj` [experts, 2 inner, width] with w1 above w3,
/// `mlp.experts.down_proj` [experts, width, inner], `mlp.gate.weight`).
namespace soup {

/// How `model` stores them; nullopt: it has none.
std::optional<ExpertLayout> expert_layout(const Checkpoint& model);

/// Shows models in the layout that `recipe` wants. Where it keeps layouts and
/// those of its models differ: in that of the first model, with a notice.
void use_expert_layout(const Recipe& recipe,
                       std::vector<CheckpointPtr>& models);

}  // namespace soup
