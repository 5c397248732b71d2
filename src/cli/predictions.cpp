#include "cli/predictions.h"

#include <cstring>
#include <nlohmann/json.hpp>

#include "core/file.h"
#include "soup/checkpoint.h"

namespace soup {

std::function<void(std::span<const Verdict>, std::span<const float>)>
Predictions::collector() {
  return [this](std::span<const Verdict> batch, std::span<const float> logits) {
    verdicts_.insert(verdicts_.end(), batch.begin(), batch.end());
    logits_.insert(logits_.end(), logits.begin(), logits.end());
  };
}

void Predictions::write_lines(const std::filesystem::path& file,
                              bool force) const {
  std::string text;
  for (const Verdict& v : verdicts_) {
    text += nlohmann::ordered_json{{"index", v.example},
                                   {"label", v.label},
                                   {"prediction", v.prediction},
                                   {"margin", v.margin}}
                .dump() +
            "\n";
  }
  write_text(file, text, force);
}

void Predictions::write_logits(const std::filesystem::path& file,
                               bool force) const {
  const auto examples = static_cast<int64_t>(verdicts_.size());
  const int64_t classes = std::ssize(logits_) / std::max<int64_t>(examples, 1);
  std::vector<TensorInfo> tensors = {
      {.name = "logits", .dtype = DType::kF32, .shape = {examples, classes}},
      {.name = "labels", .dtype = DType::kI64, .shape = {examples}}};
  MemoryCheckpoint checkpoint(file, std::move(tensors));
  std::memcpy(checkpoint.mutable_bytes(0).data(), logits_.data(),
              logits_.size() * sizeof(float));
  for (size_t i = 0; i < verdicts_.size(); ++i) {
    const int64_t label = verdicts_[i].label;
    std::memcpy(checkpoint.mutable_bytes(1).data() + i * sizeof label, &label,
                sizeof label);
  }
  save_checkpoint(checkpoint, file, {{"format", "pt"}}, {.force = force});
}

}  // namespace soup
