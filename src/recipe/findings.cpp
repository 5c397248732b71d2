#include "recipe/findings.h"

#include <string>

#include "core/text.h"
#include "soup/error.h"

namespace soup {
namespace {

constexpr size_t kLines = 20;

std::string values(int64_t n, const std::string& kind) {
  return std::to_string(n) + " " + kind + " value" + (n == 1 ? "" : "s");
}

}  // namespace

FindingsOfPlan::FindingsOfPlan(const Plan& plan) : plan_(plan) {
  for (const PlannedTensor& tensor : plan.tensors) {
    tensors_.emplace_back(tensor.sources.size());
  }
}

void FindingsOfPlan::add(size_t tensor, const Findings& found) {
  const std::lock_guard lock(mutex_);
  Findings& sum = tensors_[tensor];
  for (size_t k = 0; k < sum.nonfinite.size(); ++k) {
    sum.nonfinite[k] += found.nonfinite[k];
    sum.negative[k] += found.negative[k];
    if (found.differs[k]) sum.differs[k] = true;
    sum.distances.squares[k] += found.distances.squares[k];
  }
  sum.distances.mean_square += found.distances.mean_square;
  sum.distances.count += found.distances.count;
}

void FindingsOfPlan::check(
    std::span<const Checkpoint* const> ingredients) const {
  std::vector<std::string> lines;
  for (size_t i = 0; i < tensors_.size(); ++i) {
    const PlannedTensor& tensor = plan_.tensors[i];
    for (size_t k = 0; k < tensor.sources.size(); ++k) {
      const size_t ingredient = tensor.sources[k].ingredient;
      const std::string subject =
          ingredients[ingredient]->path().string() + ": " + quoted(tensor.out);
      if (tensors_[i].nonfinite[k] > 0 && !plan_.allow_nonfinite) {
        lines.push_back(subject + " has " +
                        values(tensors_[i].nonfinite[k], "non-finite") +
                        "; leave out the file or the tensor, or mix them with "
                        "--allow-nonfinite");
      }
      if (tensors_[i].negative[k] > 0) {
        lines.push_back(subject + " has " +
                        values(tensors_[i].negative[k], "negative") +
                        "; the diagonal of a Fisher matrix has none");
      }
      if (tensors_[i].differs[k]) {
        lines.push_back(subject + " differs from " +
                        ingredients.front()->path().string() +
                        (is_float(tensor.out.dtype)
                             ? "; masks of pruning must be equal, or be made "
                               "permanent: torch.nn.utils.prune.remove"
                             : "; integer tensors must be equal (--ints first "
                               "keeps the first)"));
      }
    }
  }
  if (lines.empty()) return;
  if (lines.size() == 1) throw Error(lines.front());
  std::string message = "the ingredients cannot be averaged:";
  for (size_t i = 0; i < std::min(lines.size(), kLines); ++i) {
    message += "\n  " + lines[i];
  }
  if (lines.size() > kLines) {
    message += "\n  and " + std::to_string(lines.size() - kLines) + " more";
  }
  throw Error(message);
}

}  // namespace soup
