#include <Eigen/Core>
#include <Eigen/SVD>
#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "recipe/rule_bodies.h"
#include "recipe/runs.h"

/// Rules on the singular vectors of task matrices. Tensors of other than two
/// dimensions have the mean of their task vectors added.
namespace soup {
namespace {

using Matrix =
    Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using Svd = Eigen::BDCSVD<Matrix>;

constexpr unsigned kThin = Eigen::ComputeThinU | Eigen::ComputeThinV;

// What is added to the base.
struct Update : Prepared {
  Matrix values;
  double scale = 1;
};

bool is_matrix(const TensorInfo& tensor) {
  return tensor.shape.size() == 2 && tensor.shape[0] > 0 && tensor.shape[1] > 0;
}

// The weighted task vector of one donor.
Matrix task_matrix(const WholeTensor& whole, size_t donor) {
  const PlannedTensor& tensor = whole.tensor();
  const int64_t columns = is_matrix(tensor.out) ? tensor.out.shape[1] : 1;
  Matrix made(columns > 0 ? whole.count() / columns : 0, columns);
  const double weight = tensor.sources[donor].weight;
  whole.run([&](WholeTensor::Worker& worker) {
    std::array<double, kRun> base;
    while (const auto span = worker.next()) {
      double* values = made.data() + span->begin;
      whole.read(donor, *span, values);
      whole.read(*tensor.base, *span, base.data());
      for (size_t i = 0; i < span->n; ++i) {
        values[i] = weight * (values[i] - base[i]);
      }
    }
  });
  return made;
}

Matrix sum_of(const WholeTensor& whole) {
  Matrix sum;
  for (size_t k : donors(whole.tensor())) {
    const Matrix task = task_matrix(whole, k);
    if (sum.size() == 0) {
      sum = task;
    } else {
      sum += task;
    }
  }
  return sum;
}

std::unique_ptr<Update> mean_of(const WholeTensor& whole) {
  auto update = std::make_unique<Update>();
  update->values = sum_of(whole);
  update->values /= static_cast<double>(donors(whole.tensor()).size());
  return update;
}

// The leading singular vectors of every task side by side.
struct Leading {
  Matrix left;
  Matrix right;
  Eigen::VectorXd lengths;
};

Leading leading_vectors(const WholeTensor& whole) {
  const std::vector<size_t> models = donors(whole.tensor());
  const std::vector<int64_t>& shape = whole.tensor().out.shape;
  const auto count = static_cast<int64_t>(models.size());
  const int64_t each = std::min(shape[0], shape[1]) / count;
  Leading all = {Matrix(shape[0], each * count), Matrix(shape[1], each * count),
                 Eigen::VectorXd(each * count)};
  for (int64_t i = 0; i < count; ++i) {
    const Svd svd(task_matrix(whole, models[static_cast<size_t>(i)]), kThin);
    all.left.middleCols(i * each, each) = svd.matrixU().leftCols(each);
    all.right.middleCols(i * each, each) = svd.matrixV().leftCols(each);
    all.lengths.segment(i * each, each) = svd.singularValues().head(each);
  }
  return all;
}

// The orthogonal matrix nearest to one.
Matrix orthogonal(const Matrix& matrix) {
  const Svd svd(matrix, kThin);
  return svd.matrixU() * svd.matrixV().transpose();
}

}  // namespace

// Isotropic merging in the common space, arXiv:2502.04959: all singular values
// of the summed task matrix become their mean.
PreparedPtr prepare_iso(const WholeTensor& whole) {
  const double alpha = setting(whole.tensor().settings, "alpha");
  auto update = is_matrix(whole.tensor().out) ? std::make_unique<Update>()
                                              : mean_of(whole);
  update->scale = alpha;
  if (!is_matrix(whole.tensor().out)) return update;
  update->values = sum_of(whole);
  if (!update->values.allFinite()) return update;  // make() says where
  const Svd svd(update->values, kThin);
  update->scale *= svd.singularValues().mean();
  update->values = svd.matrixU() * svd.matrixV().transpose();
  return update;
}

// TSV-Merge, arXiv:2412.00081: every task keeps its share of leading singular
// vectors; those of all tasks are made orthogonal to each other.
PreparedPtr prepare_tsv(const WholeTensor& whole) {
  const TensorInfo& out = whole.tensor().out;
  const auto count = static_cast<int64_t>(donors(whole.tensor()).size());
  const double alpha = setting(whole.tensor().settings, "alpha");
  // With fewer rows or columns than tasks none has a vector of its own.
  if (!is_matrix(out) || std::min(out.shape[0], out.shape[1]) < count) {
    auto mean = mean_of(whole);
    mean->scale = alpha;
    return mean;
  }
  auto update = std::make_unique<Update>();
  update->scale = alpha;
  update->values = sum_of(whole);
  if (!update->values.allFinite()) return update;  // make() says where
  const Leading leading = leading_vectors(whole);
  update->values = orthogonal(leading.left) * leading.lengths.asDiagonal() *
                   orthogonal(leading.right).transpose();
  return update;
}

void make_update(Piece& piece) {
  const auto& update = prepared<Update>(piece);
  std::array<double, kRun> values;
  make_runs(piece, [&](const Run& run, double* out) {
    for (size_t k : donors(piece.tensor)) run.read(k, values.data());
    run.read(*piece.tensor.base, values.data());
    const double* change = update.values.data() + run.element();
    for (size_t i = 0; i < run.n; ++i) {
      out[i] = values[i] + update.scale * change[i];
    }
  });
}

int64_t subspace_memory(const PlannedTensor& tensor) {
  constexpr int64_t kMatrices = 8;  // sum, task, vectors and work space
  return tensor.out.numel() * kMatrices * static_cast<int64_t>(sizeof(double));
}

}  // namespace soup
