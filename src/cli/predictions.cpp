#include "cli/predictions.h"

#include <cstring>
#include <nlohmann/json.hpp>

#include "core/file.h"
#include "soup/checkpoint.h"

namespace soup {
namespace {

// As it lies in memory: little-endian, like all machines this is built for.
template <typename T>
void append(std::string& bytes, T value) {
  bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
}

}  // namespace

Watch Predictions::watch() {
  return [this](std::span<const Verdict> batch) {
    verdicts_.insert(verdicts_.end(), batch.begin(), batch.end());
    return true;
  };
}

LogitsWatch Predictions::logits_watch() {
  return [this](std::span<const Verdict>, std::span<const float> logits) {
    logits_.insert(logits_.end(), logits.begin(), logits.end());
  };
}

void Predictions::write_predictions(const std::filesystem::path& file,
                                    bool force,
                                    const Evaluator& evaluator) const {
  const bool npy = file.extension() == ".npy";
  write_text(file, npy ? records() : lines(evaluator), force);
}

std::string Predictions::lines(const Evaluator& evaluator) const {
  std::string text;
  for (const Verdict& v : verdicts_) {
    nlohmann::ordered_json line = {{"index", v.example}};
    const std::string path = evaluator.path(v.example);
    if (!path.empty()) line["path"] = path;
    line["label"] = v.label;
    const std::vector<int32_t> right = evaluator.labels(v.example);
    if (right.size() > 1) line["labels"] = right;
    line["prediction"] = v.prediction;
    line["margin"] = v.margin;
    text += line.dump(-1, ' ', false,
                      nlohmann::ordered_json::error_handler_t::replace) +
            "\n";
  }
  return text;
}

// NumPy's format, version 1.0 (NEP 1): magic, length of the header, a Python
// dictionary padded so that the values begin at a multiple of 64, the values.
std::string Predictions::records() const {
  std::string header =
      "{'descr': [('index', '<i8'), ('label', '<i4'), ('prediction', '<i4'), "
      "('margin', '<f4')], 'fortran_order': False, 'shape': (" +
      std::to_string(verdicts_.size()) + ",), }";
  constexpr size_t kAlignment = 64;
  constexpr size_t kStart = 10;
  const size_t used = kStart + header.size() + 1;
  header.append((kAlignment - used % kAlignment) % kAlignment, ' ');
  header += '\n';
  std::string bytes = "\x93NUMPY\x01";
  bytes += '\0';
  append(bytes, static_cast<uint16_t>(header.size()));
  bytes += header;
  for (const Verdict& v : verdicts_) {
    append(bytes, v.example);
    append(bytes, v.label);
    append(bytes, v.prediction);
    append(bytes, v.margin);
  }
  return bytes;
}

void Predictions::write_logits(const std::filesystem::path& file, bool force,
                               const Evaluator& evaluator) const {
  save_checkpoint(*make_logits(file, logits_, evaluator), file,
                  {{"format", "pt"}}, {.force = force});
}

}  // namespace soup
