#include "data/examples.h"

#include <unistd.h>

#include <algorithm>

#include "core/file.h"
#include "core/text.h"
#include "core/threads.h"
#include "data/array.h"
#include "soup/error.h"

namespace soup {
namespace {

bool is_there(const std::filesystem::path& file) {
  std::error_code error;
  return std::filesystem::exists(array_file(file), error);
}

}  // namespace

std::vector<std::filesystem::path> files_of(const DatasetSpec& spec) {
  std::vector<std::filesystem::path> files = spec.files;
  for (const auto& file : {spec.images, spec.labels_file}) {
    if (!file.empty()) files.push_back(file);
  }
  for (const auto& [input, file] : spec.inputs) files.push_back(file);
  return files;
}

bool files_present(const DatasetSpec& spec) {
  const auto files = files_of(spec);
  return std::all_of(files.begin(), files.end(), is_there);
}

void check_files(const DatasetSpec& spec) {
  for (const auto& file : files_of(spec)) {
    if (is_there(file)) continue;
    throw Error(array_file(file).string() + ": no such file; " + spec.name +
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

std::span<const uint8_t> Examples::all_pixels() const {
  return kept ? kept_pixels : pixels;
}

std::span<const uint8_t> Examples::picture(int64_t i) const {
  const auto each = static_cast<size_t>(channels * height * width);
  const int64_t place = places.empty() ? i : places[static_cast<size_t>(i)];
  return all_pixels().subspan(static_cast<size_t>(place) * each, each);
}

int64_t check_memory(const DatasetSpec& spec, int64_t count,
                     const PictureShape& shape) {
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
  return bytes;
}

Examples make_examples(const DatasetSpec& spec, int64_t count,
                       const PictureShape& shape) {
  Examples examples;
  examples.count = count;
  examples.channels = shape.channels;
  examples.height = shape.height;
  examples.width = shape.width;
  examples.pixels.resize(static_cast<size_t>(check_memory(spec, count, shape)));
  return examples;
}

std::string content_of(std::span<const Hash128> pictures) {
  return hex(xxh3_128(std::as_bytes(pictures)));
}

std::string content_of(const Examples& examples) {
  const std::span<const std::byte> all = std::as_bytes(examples.all_pixels());
  const auto each =
      all.size() / static_cast<size_t>(std::max<int64_t>(examples.count, 1));
  std::vector<Hash128> hashes(static_cast<size_t>(examples.count));
  parallel_for(examples.count, 0, [&](int64_t i) {
    const auto at = static_cast<size_t>(i);
    hashes[at] = xxh3_128(all.subspan(at * each, each));
  });
  return content_of(hashes);
}

}  // namespace soup
