#include "data/examples.h"

#include <unistd.h>

#include <algorithm>

#include "core/text.h"
#include "soup/error.h"

namespace soup {
namespace {

std::vector<std::filesystem::path> files_of(const DatasetSpec& spec) {
  std::vector<std::filesystem::path> files = spec.files;
  for (const auto& file : {spec.images, spec.labels_file}) {
    if (!file.empty()) files.push_back(file);
  }
  return files;
}

bool is_there(const std::filesystem::path& file) {
  std::error_code error;
  return std::filesystem::exists(file, error);
}

}  // namespace

bool files_present(const DatasetSpec& spec) {
  const auto files = files_of(spec);
  return std::all_of(files.begin(), files.end(), is_there);
}

void check_files(const DatasetSpec& spec) {
  for (const auto& file : files_of(spec)) {
    if (is_there(file)) continue;
    throw Error(file.string() + ": no such file; " + spec.name +
                " is expected there (--data or $SOUP_DATA says where named "
                "data sets lie)");
  }
}

std::array<int64_t, 2> checked_range(const DatasetSpec& spec, int64_t count) {
  const std::array<int64_t, 2> range =
      spec.range.value_or(std::array<int64_t, 2>{0, count});
  if (range[1] > count) {
    throw Error(spec.name + ": 'range' ends at " + std::to_string(range[1]) +
                ", but there are " + std::to_string(count) + " examples");
  }
  if (range[0] == range[1]) throw Error(spec.name + ": has no examples");
  return range;
}

Examples make_examples(const DatasetSpec& spec, int64_t count,
                       const PictureShape& shape) {
  Examples examples;
  examples.count = count;
  examples.channels = shape.channels;
  examples.height = shape.height;
  examples.width = shape.width;
  int64_t bytes = shape.channels * shape.height * shape.width;
  const bool overflow = __builtin_mul_overflow(bytes, count, &bytes);
  const int64_t memory =
      sysconf(_SC_PHYS_PAGES) * int64_t{sysconf(_SC_PAGESIZE)};
  if (overflow || bytes > memory) {
    throw Error(spec.name + ": " + std::to_string(count) + " pictures of " +
                shape_text({shape.channels, shape.height, shape.width}) +
                " need more memory than the " + bytes_text(memory) +
                " of this machine");
  }
  examples.pixels.resize(static_cast<size_t>(bytes));
  return examples;
}

}  // namespace soup
