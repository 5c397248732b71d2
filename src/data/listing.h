#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "soup/data.h"

namespace soup {

/// Labels of one picture: the first, and others that are right too.
using Labels = std::vector<int32_t>;

/// Picture files and their labels, in order.
struct Listing {
  std::vector<std::string> files = {};        ///< paths, or places in archives
  std::vector<Labels> labels = {};            ///< one or more each
  std::vector<std::string> class_names = {};  ///< by label; empty where unknown
  int64_t class_folders = 0;                  ///< that were found
  /// Of members of archives, which `archives` keeps mapped. Empty: `files` are
  /// read.
  std::vector<std::span<const std::byte>> contents = {};
  std::shared_ptr<const void> archives = {};
};

/// A label: digits alone, or nothing.
std::optional<int32_t> parse_label(std::string_view text);

/// Decodes and prepares what `spec` chooses of `listing`, in parallel, unless
/// `cache` has it. Throws Error naming the picture at fault: the first of them.
Examples load_listing(const DatasetSpec& spec, const PictureShape& shape,
                      const Preprocess& preprocess, const PictureCache& cache,
                      const Listing& listing);

}  // namespace soup
