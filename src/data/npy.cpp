#include "data/npy.h"

#include <array>

#include "core/text.h"
#include "data/array.h"
#include "data/examples.h"
#include "data/pixels.h"
#include "soup/error.h"

namespace soup {
namespace {

// Of the arrays in a .npz file, where the spec names none.
constexpr std::array<std::string_view, 3> kImages = {"images", "x", "arr_0"};
constexpr std::array<std::string_view, 3> kLabels = {"labels", "y", "arr_1"};

void check_pictures(const NpyHeader& header, const std::string& where) {
  const std::vector<int64_t>& shape = header.shape;
  const bool pictures = shape.size() == 3 ||
                        (shape.size() == 4 && (shape[3] == 1 || shape[3] == 3));
  if (header.kind != 'u' || header.width != 1 || !pictures) {
    throw Error(where + ": holds " + header.kind +
                std::to_string(header.width) + " " + shape_text(shape) +
                ", expected pictures: u1 [count, height, width] or [count, "
                "height, width, 1 or 3]");
  }
  if (header.count == 0) throw Error(where + ": holds no examples");
}

std::vector<int32_t> read_labels(const std::filesystem::path& file,
                                 int64_t count) {
  const Array array = read_array(file, kLabels);
  const NpyHeader& header = array.header;
  std::vector<int64_t> shape = header.shape;
  if (shape.size() == 2 && shape[1] == 1) shape.pop_back();
  if (header.kind == 'f' || shape != std::vector<int64_t>{count}) {
    throw Error(array.where + ": holds " + header.kind +
                std::to_string(header.width) + " " + shape_text(header.shape) +
                ", expected whole numbers " + shape_text({count}) +
                ", one label a picture");
  }
  return npy_labels(header, array.values, array.where);
}

}  // namespace

Examples load_npy(const DatasetSpec& spec, const PictureShape& shape,
                  const Preprocess& preprocess) {
  const Preparer preparer(shape, preprocess, spec.name);
  check_files(spec);
  const Array pictures = read_array(spec.images, kImages);
  const NpyHeader& header = pictures.header;
  check_pictures(header, pictures.where);
  const std::vector<int64_t>& size = header.shape;
  const std::vector<int32_t> labels = read_labels(spec.labels_file, size[0]);
  const auto [begin, end] = checked_range(spec, size[0]);
  Examples examples = make_examples(spec, end - begin, shape);
  examples.labels.assign(labels.begin() + begin, labels.begin() + end);
  const auto* const pixels =
      reinterpret_cast<const uint8_t*>(pictures.values.data());
  const int64_t each = header.count / size[0];
  prepare_pixels(preparer,
                 {.height = size[1],
                  .width = size[2],
                  .channels = size.size() == 4 ? size[3] : 1,
                  .pixels = {pixels + begin * each, pixels + end * each}},
                 pictures.where, examples);
  return examples;
}

}  // namespace soup
