#include "recipe/thinning.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "recipe/kernels.h"
#include "recipe/ranks.h"
#include "recipe/runs.h"

namespace soup {
namespace {

constexpr double kLeast = 1e-7;  // length below which nothing is rescaled

// Task vectors of the donors, span by span.
class Differences {
 public:
  explicit Differences(const WholeTensor& whole)
      : whole_(whole),
        donors_(donors(whole.tensor())),
        rounding_(whole.tensor()) {}

  void read(const Span& span, size_t donor, double* out) {
    whole_.read(donors_[donor], span, out);
    rounding_(out, span.n);
    if (base_at_ != span.begin) {
      whole_.read(*whole_.tensor().base, span, base_.data());
      rounding_(base_.data(), span.n);
      base_at_ = span.begin;
    }
    kernels().task.subtract(base_.data(), span.n, out);
    rounding_(out, span.n);
  }

 private:
  const WholeTensor& whole_;
  std::vector<size_t> donors_;
  Rounding rounding_;
  std::array<double, kRun> base_{};
  int64_t base_at_ = -1;
};

int64_t share_of(int64_t count, double density) {
  return static_cast<int64_t>(density * static_cast<double>(count));
}

// How many of the largest elements a donor keeps, and drops.
struct Band {
  int64_t keep = 0;
  int64_t drop = 0;
};

Band band_of(const Source& source, int64_t count, Thin how) {
  const double density = setting(source.settings, "density");
  if (how == Thin::kMagnitude) {
    return {std::max<int64_t>(share_of(count, density), 1), 0};
  }
  const int64_t wanted = share_of(count, density);
  const int64_t top = share_of(count, setting(source.settings, "gamma"));
  // Fewer outliers are dropped where else too little would be left.
  const int64_t drop = std::min(top, count - wanted);
  return {wanted + drop, drop};
}

void find_bands(const WholeTensor& whole, Thin how, Thinned& thinned) {
  const PlannedTensor& tensor = whole.tensor();
  const std::vector<size_t> sources = donors(tensor);
  const Sieve sieve(tensor);
  std::vector<Wanted> wanted;
  std::vector<Cut*> cuts;
  for (size_t i = 0; i < sources.size(); ++i) {
    Thinning& thinning = thinned.donors[i];
    if (thinning.kind != Thinning::Kind::kBand) continue;
    const Band band = band_of(tensor.sources[sources[i]], whole.count(), how);
    wanted.push_back({i, band.keep});
    cuts.push_back(&thinning.keep);
    wanted.push_back({i, band.drop});
    cuts.push_back(&thinning.drop);
  }
  const Magnitudes magnitudes = {
      .reader =
          [&] {
            return [&, differences = Differences(whole)](
                       const Span& span, size_t s, double* out) mutable {
              differences.read(span, s, out);
              sieve.magnitudes(out, span.n);
            };
          },
      .are_floats = sieve.float_magnitudes()};
  const std::vector<Cut> found = select(whole, magnitudes, wanted);
  for (size_t i = 0; i < cuts.size(); ++i) *cuts[i] = found[i];
}

void draw_by_rank(const WholeTensor& whole, Thinned& thinned) {
  const PlannedTensor& tensor = whole.tensor();
  const std::vector<size_t> sources = donors(tensor);
  const int64_t width = ranked_width(tensor.out);
  const Draws draws(tensor.seed, tensor.out.name);
  for (Thinning& thinning : thinned.donors) {
    if (thinning.kind != Thinning::Kind::kBits) continue;
    thinning.bits.resize(static_cast<size_t>(whole.count() + 63) / 64);
  }
  whole.rows(width, [&] {
    return [&, ranks = Ranks(), differences = Differences(whole),
            row = std::vector<double>(static_cast<size_t>(width)),
            drawn = std::vector<uint32_t>(static_cast<size_t>(width))](
               int64_t begin) mutable {
      for (size_t i = 0; i < sources.size(); ++i) {
        Thinning& thinning = thinned.donors[i];
        if (thinning.kind != Thinning::Kind::kBits) continue;
        for (size_t at = 0; at < row.size(); at += kRun) {
          const size_t n = std::min(kRun, row.size() - at);
          differences.read({0, begin + static_cast<int64_t>(at), n}, i,
                           &row[at]);
        }
        const Source& source = tensor.sources[sources[i]];
        draws.get(source.ingredient, begin, row.size(), drawn.data());
        const double density = setting(source.settings, "density");
        const double epsilon = setting(source.settings, "epsilon");
        ranks.keep(row, drawn, density - epsilon, density + epsilon, begin,
                   thinning.bits);
      }
    };
  });
}

// So that what stays of a task vector is as long as all of it, in the sum of
// magnitudes.
void rescale(const WholeTensor& whole, Thinned& thinned) {
  const PlannedTensor& tensor = whole.tensor();
  const std::vector<size_t> sources = donors(tensor);
  const Sieve sieve(tensor);
  const Rounding rounding(tensor);
  const std::vector<double> sums = whole.sums(2 * sources.size(), [&] {
    return [&, differences = Differences(whole)](const Span& span,
                                                 double* sum) mutable {
      std::array<double, kRun> values;
      std::array<double, kRun> shares;
      for (size_t i = 0; i < sources.size(); ++i) {
        const Thinning& thinning = thinned.donors[i];
        if (thinning.kind == Thinning::Kind::kAll) continue;
        differences.read(span, i, values.data());
        sieve.shares(thinning, sources[i], span.begin, span.n, values.data(),
                     shares.data());
        double all = sum[2 * i];
        double kept = sum[2 * i + 1];
        for (size_t j = 0; j < span.n; ++j) {
          const double magnitude = std::fabs(values[j]);
          all += magnitude;
          kept += magnitude * shares[j];
        }
        sum[2 * i] = all;
        sum[2 * i + 1] = kept;
      }
    };
  });
  for (size_t i = 0; i < sources.size(); ++i) {
    const double all = rounding(sums[2 * i]);
    const double kept = rounding(sums[2 * i + 1]);
    if (all < kLeast || kept < kLeast) continue;
    thinned.donors[i].scale = rounding(all / kept);
  }
}

}  // namespace

std::unique_ptr<const Prepared> thin(const WholeTensor& whole, Thin how) {
  const PlannedTensor& tensor = whole.tensor();
  auto thinned = std::make_unique<Thinned>();
  for (size_t k : donors(tensor)) {
    const double density = setting(tensor.sources[k].settings, "density");
    Thinning& thinning = thinned->donors.emplace_back();
    if (density >= 1) continue;
    if (density <= 0) {
      thinning.kind = Thinning::Kind::kNone;
    } else if (how == Thin::kRandom) {
      thinning.kind = Thinning::Kind::kRandom;
      thinning.limit = draw_limit(density);
    } else {
      thinning.kind =
          how == Thin::kByRank ? Thinning::Kind::kBits : Thinning::Kind::kBand;
    }
  }
  if (how == Thin::kByRank) {
    draw_by_rank(whole, *thinned);
  } else if (how != Thin::kRandom) {
    find_bands(whole, how, *thinned);
  }
  if (setting(tensor.settings, "rescale") != 0) rescale(whole, *thinned);
  return thinned;
}

Sieve::Sieve(const PlannedTensor& tensor)
    : tensor_(tensor), draws_(tensor.seed, tensor.out.name) {
  for (const Source& source : tensor.sources) {
    if (source.dtype == DType::kF64) floats_ = false;
  }
}

void Sieve::magnitudes(double* differences, size_t n) const {
  kernels().task.magnitudes(differences, n, floats_, differences);
}

void Sieve::cut(const Cut& cut, int64_t begin, size_t n,
                const double* differences, double* shares) const {
  const int64_t ties =
      std::clamp<int64_t>(cut.ties_end - begin, 0, static_cast<int64_t>(n));
  kernels().task.larger(differences, n, floats_, cut.threshold,
                        static_cast<size_t>(ties), shares);
}

void Sieve::shares(const Thinning& thinning, size_t k, int64_t begin, size_t n,
                   const double* differences, double* shares) const {
  const TaskKernels& loops = kernels().task;
  switch (thinning.kind) {
    case Thinning::Kind::kAll:
      std::fill_n(shares, n, 1.0);
      return;
    case Thinning::Kind::kNone:
      std::fill_n(shares, n, 0.0);
      return;
    case Thinning::Kind::kBand: {
      cut(thinning.keep, begin, n, differences, shares);
      if (thinning.drop.is_empty()) return;
      std::array<double, kRun> dropped;
      cut(thinning.drop, begin, n, differences, dropped.data());
      loops.subtract(dropped.data(), n, shares);
      return;
    }
    case Thinning::Kind::kRandom: {
      std::array<uint32_t, kRun> drawn;
      draws_.get(tensor_.sources[k].ingredient, begin, n, drawn.data());
      loops.smaller(drawn.data(), n, thinning.limit, shares);
      return;
    }
    case Thinning::Kind::kBits:
      loops.unpack(thinning.bits.data(), static_cast<size_t>(begin), n, shares);
  }
}

int64_t ranked_width(const TensorInfo& tensor) {
  const int64_t values = tensor.numel();
  if (tensor.shape.size() < 2 || values == 0)
    return std::max<int64_t>(values, 1);
  return values / tensor.shape.front();
}

int64_t bits_memory(const PlannedTensor& tensor) {
  constexpr int64_t kPerElement = 32;  // of a row: values, keys, draws
  return static_cast<int64_t>(tensor.sources.size()) *
             (item_bytes(tensor.out.dtype) > 0 ? tensor.out.numel() / 8 : 0) +
         ranked_width(tensor.out) * kPerElement;
}

}  // namespace soup
