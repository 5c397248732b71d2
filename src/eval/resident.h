#pragma once

#include <ATen/core/Tensor.h>

#include <span>
#include <string>
#include <vector>

#include "eval/preprocess.h"
#include "soup/data.h"
#include "soup/model.h"

namespace soup {

/// The examples of a data set, resident on a device: pictures as uint8, ready
/// inputs as they are. Thread-safe.
class Resident {
 public:
  /// Loads and decodes; says what was done by default.
  Resident(const DatasetSpec& spec, const ModelInput& input,
           const at::Device& device, const PictureCache& cache);

  const Examples& examples() const { return examples_; }
  /// Throws Error when the pictures lie in a file that was changed since.
  void check_unchanged() const;
  /// Content hash of examples, labels and normalisation.
  const std::string& hash() const { return hash_; }

  /// What Model::forward takes of the examples `which` (at least one); the last
  /// is repeated up to `size`.
  std::vector<at::Tensor> batch(std::span<const int64_t> which,
                                int64_t size) const;

 private:
  void load_pictures(const DatasetSpec& spec, const ModelInput& model_input,
                     const PictureCache& cache);
  void load_ready_inputs(const DatasetSpec& spec, const ModelInput& input);
  at::Tensor pictures(const at::Tensor& index) const;

  at::Device device_;
  Examples examples_;  ///< without ready inputs, on a GPU without pixels
  std::string hash_;
  std::vector<at::Tensor> ready_;  ///< empty: pictures
  at::Tensor pixels_;
  at::Tensor mean_;
  at::Tensor std_;
};

}  // namespace soup
