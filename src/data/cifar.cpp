#include "data/cifar.h"

#include <algorithm>

#include "core/file.h"
#include "data/examples.h"
#include "data/pixels.h"
#include "soup/error.h"

namespace soup {
namespace {

constexpr int64_t kSide = 32;
constexpr int64_t kPlane = kSide * kSide;
constexpr int64_t kPixels = 3 * kPlane;

struct Variant {
  int64_t label_bytes;  ///< the last of them is the label
  int classes;
};

int64_t count_records(const MappedFile& file, int64_t record) {
  const int64_t bytes = std::ssize(file.bytes());
  if (bytes == 0 || bytes % record != 0) {
    throw Error(file.path().string() + ": has " + std::to_string(bytes) +
                " bytes, no multiple of the " + std::to_string(record) +
                " of a record; is it the binary version, and whole?");
  }
  return bytes / record;
}

/// The pictures of some records, pixel by pixel, and their labels.
struct Records {
  std::vector<uint8_t> pixels;
  std::vector<int32_t> labels;
};

void add_record(const MappedFile& file, int64_t index, const Variant& variant,
                Records& records) {
  const int64_t record = variant.label_bytes + kPixels;
  const auto* first =
      reinterpret_cast<const uint8_t*>(file.bytes().data()) + index * record;
  const uint8_t* const planes = first + variant.label_bytes;
  const int label = planes[-1];
  if (label >= variant.classes) {
    throw Error(file.path().string() + ": record " + std::to_string(index) +
                " has label " + std::to_string(label) + ", but there are " +
                std::to_string(variant.classes) + " classes");
  }
  records.labels.push_back(label);
  for (int64_t i = 0; i < kPlane; ++i) {
    for (int64_t c = 0; c < 3; ++c) {
      records.pixels.push_back(planes[c * kPlane + i]);
    }
  }
}

Examples load(const DatasetSpec& spec, const PictureShape& shape,
              const Preprocess& preprocess, const Variant& variant) {
  const Preparer preparer(shape, preprocess, spec.name);
  check_files(spec);
  std::vector<MappedFile> files;
  std::vector<int64_t> counts;
  int64_t total = 0;
  for (const auto& path : spec.files) {
    files.emplace_back(path);
    counts.push_back(
        count_records(files.back(), variant.label_bytes + kPixels));
    total += counts.back();
  }
  const auto [begin, end] = checked_range(spec, total);
  Examples examples = make_examples(spec, end - begin, shape);
  Records records;
  records.pixels.reserve(static_cast<size_t>((end - begin) * kPixels));
  int64_t before = 0;
  for (size_t f = 0; f < files.size(); ++f) {
    const int64_t last = std::min(counts[f], end - before);
    for (int64_t i = std::max<int64_t>(begin - before, 0); i < last; ++i) {
      add_record(files[f], i, variant, records);
    }
    before += counts[f];
  }
  examples.labels = std::move(records.labels);
  prepare_pixels(preparer,
                 {.height = kSide,
                  .width = kSide,
                  .channels = 3,
                  .pixels = records.pixels},
                 spec.name, examples);
  return examples;
}

}  // namespace

Examples load_cifar10(const DatasetSpec& spec, const PictureShape& shape,
                      const Preprocess& preprocess) {
  return load(spec, shape, preprocess, {.label_bytes = 1, .classes = 10});
}

Examples load_cifar100(const DatasetSpec& spec, const PictureShape& shape,
                       const Preprocess& preprocess) {
  return load(spec, shape, preprocess, {.label_bytes = 2, .classes = 100});
}

}  // namespace soup
