#include "data/examples.h"

#include <unistd.h>

#include "core/text.h"
#include "soup/error.h"

namespace soup {

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
