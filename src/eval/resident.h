#pragma once

#include <ATen/core/Tensor.h>

#include <span>
#include <string>

#include "eval/preprocess.h"
#include "soup/data.h"
#include "soup/model.h"

namespace soup {

/// The examples of a data set, resident on a device as uint8. Thread-safe.
class Resident {
 public:
  /// Loads and decodes; says what was done by default.
  Resident(const DatasetSpec& spec, const ModelInput& input,
           const at::Device& device, const PictureCache& cache);

  const Examples& examples() const { return examples_; }
  /// Throws Error when the pictures lie in a file that was changed since.
  void check_unchanged() const;
  /// Content hash of pictures, labels and normalisation.
  const std::string& hash() const { return hash_; }

  /// Normalised pictures, float32 [size, channels, height, width], of the
  /// examples `which` (at least one); the last is repeated up to `size`.
  at::Tensor batch(std::span<const int64_t> which, int64_t size) const;

 private:
  Examples examples_;  ///< on a GPU without their pixels
  std::string hash_;
  at::Tensor pixels_;
  at::Tensor mean_;
  at::Tensor std_;
};

}  // namespace soup
