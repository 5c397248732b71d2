#include "cli/class_shares.h"

#include "cli/describe.h"

namespace soup {

Watch ClassShares::watch() {
  return [this](std::span<const Verdict> batch) {
    for (const Verdict& verdict : batch) {
      Share& share = classes_[verdict.label];
      ++share.count;
      share.correct += verdict.prediction == verdict.label ? 1 : 0;
    }
    return true;
  };
}

void ClassShares::print(const std::filesystem::path& path,
                        const std::string& dataset,
                        const Output& output) const {
  std::vector<std::vector<std::string>> rows;
  for (const auto& [label, share] : classes_) {
    const Score score{.value = static_cast<double>(share.correct) /
                               static_cast<double>(share.count),
                      .count = share.count,
                      .correct = share.correct};
    output.object({{"kind", "class"},
                   {"path", path.string()},
                   {"dataset", dataset},
                   {"class", label},
                   {"value", score.value},
                   {"count", score.count},
                   {"correct", share.correct},
                   {"interval", interval_of(score)}});
    rows.push_back({std::to_string(label), std::to_string(share.count),
                    score_text(score)});
  }
  output.line(path.string() + " on " + dataset);
  print_table(output,
              {{"class", 0, true}, {"examples", 0, true}, {"right", 0, true}},
              rows);
  output.line("");
}

}  // namespace soup
