#pragma once

#include <memory>

#include "recipe/piece.h"
#include "recipe/whole.h"

/// Bodies of the rows of rules(), by the file they are in.
namespace soup {

using PreparedPtr = std::unique_ptr<const Prepared>;

// linear_per_operation.cpp
void make_linear_per_operation(Piece&);

// spheres.cpp: along the surface of a sphere rather than straight through it.
PreparedPtr prepare_slerp(const WholeTensor&);
PreparedPtr prepare_nuslerp(const WholeTensor&);
PreparedPtr prepare_multislerp(const WholeTensor&);
PreparedPtr prepare_karcher(const WholeTensor&);

// model_stock.cpp
PreparedPtr prepare_model_stock(const WholeTensor&);

// medians.cpp: means that outliers do not move.
PreparedPtr prepare_geometric_median(const WholeTensor&);
void make_trimmed_mean(Piece&);

// elementwise.cpp
void make_nearswap(Piece&);
void make_passthrough(Piece&);
void make_fisher(Piece&);

// sce.cpp
PreparedPtr prepare_sce(const WholeTensor&);
void make_sce(Piece&);

// ram.cpp
void make_ram(Piece&);
PreparedPtr prepare_ramplus(const WholeTensor&);
void make_ramplus(Piece&);

// fusion.cpp
PreparedPtr prepare_fusion(const WholeTensor&);
void make_fusion(Piece&);
int64_t fusion_memory(const PlannedTensor&);

// subspaces.cpp
PreparedPtr prepare_iso(const WholeTensor&);
PreparedPtr prepare_tsv(const WholeTensor&);
void make_update(Piece&);
int64_t subspace_memory(const PlannedTensor&);

// task_vectors.cpp: what models differ from their base, added to it. The
// thinned ones take what thin() prepared.
void make_task_arithmetic(Piece&);
void make_lines(Piece&);
void make_sum(Piece&);
void make_consensus(Piece&);

// task_vectors_per_operation.cpp: as mergekit rounds them.
void make_sum_per_operation(Piece&);
void make_consensus_per_operation(Piece&);

}  // namespace soup
