#include "data/npy.h"

#include "core/file.h"
#include "core/text.h"
#include "data/examples.h"
#include "data/npy_header.h"
#include "data/pixels.h"
#include "soup/error.h"

namespace soup {
namespace {

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

std::vector<int32_t> read_labels(const MappedFile& file, int64_t count) {
  const std::string where = file.path().string();
  const NpyHeader header = parse_npy_header(file.bytes(), where);
  if (header.kind == 'f' || header.shape != std::vector<int64_t>{count}) {
    throw Error(where + ": holds " + header.kind +
                std::to_string(header.width) + " " + shape_text(header.shape) +
                ", expected whole numbers " + shape_text({count}) +
                ", one label a picture");
  }
  return npy_labels(header, file.bytes(), where);
}

}  // namespace

Examples load_npy(const DatasetSpec& spec, const PictureShape& shape,
                  const Preprocess& preprocess) {
  const Preparer preparer(shape, preprocess, spec.name);
  check_files(spec);
  const MappedFile pictures(spec.images);
  const std::string where = spec.images.string();
  const NpyHeader header = parse_npy_header(pictures.bytes(), where);
  check_pictures(header, where);
  const std::vector<int64_t>& size = header.shape;
  const std::vector<int32_t> labels =
      read_labels(MappedFile(spec.labels_file), size[0]);
  const auto [begin, end] = checked_range(spec, size[0]);
  Examples examples = make_examples(spec, end - begin, shape);
  examples.labels.assign(labels.begin() + begin, labels.begin() + end);
  const auto* const pixels =
      reinterpret_cast<const uint8_t*>(pictures.bytes().data()) + header.offset;
  const int64_t each = header.count / size[0];
  prepare_pixels(preparer,
                 {.height = size[1],
                  .width = size[2],
                  .channels = size.size() == 4 ? size[3] : 1,
                  .pixels = {pixels + begin * each, pixels + end * each}},
                 where, examples);
  return examples;
}

}  // namespace soup
