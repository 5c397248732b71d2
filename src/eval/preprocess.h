#pragma once

#include <string>

#include "soup/data.h"
#include "soup/model.h"

namespace soup {

/// How the pictures of a data set become the input of a model, and who said so.
struct Preparation {
  Preprocess all;                   ///< all fields but `size` set
  bool default_resize = false;      ///< resize, filter or crop are the defaults
  bool default_statistics = false;  ///< mean and standard deviation are
  bool published_resize = false;    ///< the same from the model's family
  bool published_statistics = false;
};

/// `input` with the size that the spec asks for, where the model takes any.
ModelInput sized_input(const DatasetSpec&, ModelInput input);

/// The spec's word, then the model's, then the default (design/cli.md). Mean
/// and standard deviation get one number a channel.
/// Throws Error when they are for other channels than the model's.
Preparation resolve_preprocess(const DatasetSpec&, const ModelInput&);

/// One sentence about what is done by default, or empty.
std::string default_notice(const Preparation&, const DatasetSpec&,
                           const ModelInput&, bool resized);

}  // namespace soup
