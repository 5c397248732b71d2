#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "soup/data.h"

namespace soup {

/// Picture files and their labels, in order.
struct Listing {
  std::vector<std::string> files;  ///< paths
  std::vector<int32_t> labels;
  std::vector<std::string> class_names;  ///< by label; empty where unknown
};

/// A label: digits alone, or nothing.
std::optional<int32_t> parse_label(std::string_view text);

/// Decodes and prepares the range of `spec` in `listing`, in parallel.
/// Throws Error naming the picture at fault.
Examples load_listing(const DatasetSpec& spec, const PictureShape& shape,
                      const Preprocess& preprocess, Listing listing);

}  // namespace soup
