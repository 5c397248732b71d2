#include "recipe/runs.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <stdexcept>

#include "recipe/kernels.h"

namespace soup {

void widen(DType dtype, const std::byte* in, size_t n, double* out) {
  const auto format = static_cast<size_t>(float_format(dtype));
  kernels().accumulate[format](in, n, 1, true, out);
}

void Run::read(size_t k, double* out) const {
  const DType dtype = piece.tensor.sources[k].dtype;
  widen(dtype, piece.source(k) + begin * item_bytes(dtype), n, out);
  if (kernels().all_finite(out, n)) return;
  piece.findings.nonfinite[k] +=
      std::count_if(out, out + n, [](double x) { return !std::isfinite(x); });
}

void make_runs(Piece& piece,
               const std::function<void(const Run&, double* out)>& work) {
  const FloatFormat format = float_format(piece.tensor.out.dtype);
  std::array<double, kRun> out{};
  for (size_t begin = 0; begin < piece.count; begin += kRun) {
    const Run run{piece, begin, std::min(kRun, piece.count - begin)};
    work(run, out.data());
    kernels().narrow[static_cast<size_t>(format)](
        out.data(), run.n, piece.out.data() + begin * format_bytes(format));
  }
}

double setting(const Settings& settings, std::string_view name) {
  const auto found = settings.find(std::string(name));
  if (found == settings.end()) {
    throw std::logic_error("the plan has no setting " + std::string(name));
  }
  return found->second;
}

std::vector<size_t> donors(const PlannedTensor& tensor) {
  std::vector<size_t> all;
  for (size_t k = 0; k < tensor.sources.size(); ++k) {
    if (k != tensor.base) all.push_back(k);
  }
  return all;
}

}  // namespace soup
