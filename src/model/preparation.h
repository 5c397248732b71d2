#pragma once

#include <string_view>
#include <vector>

#include "model/sidecar.h"
#include "soup/model.h"

namespace soup {

/// How the published models of a family prepare their pictures.
struct Published {
  std::vector<double> mean;  ///< of three channels; empty: they differ
  std::vector<double> std;
  std::string_view resize = {};  ///< see Preprocess; empty: they differ
  std::string_view filter = {};
  double crop_pct = 0;
};

Published imagenet_published(std::string_view filter, double crop_pct);
Published clip_published();
/// Hugging Face's ViT.
Published half_published();

/// Fills what files beside the checkpoint say of the input (mean, standard
/// deviation, resize, crop and filter), in timm's, Hugging Face's or
/// open_clip's form; where they say nothing, `published`.
/// Throws Error for values that make no sense.
void read_preparation(const Sidecar& sidecar, const Published& published,
                      ModelInput& input);

/// The input of a model that takes pictures of any size. Their side is what the
/// files beside it, else timm's name say, else 224; for the rest see
/// read_preparation().
ModelInput any_size_input(const Sidecar& sidecar, int64_t channels,
                          const Published& published);

}  // namespace soup
