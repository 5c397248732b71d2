#include "data/idx.h"

#include <algorithm>
#include <array>

#include "core/text.h"
#include "data/examples.h"
#include "data/inflate.h"
#include "data/pixels.h"
#include "data/prepare.h"
#include "soup/error.h"

namespace soup {
namespace {

namespace fs = std::filesystem;

constexpr auto kUint8 = std::byte{0x08};
constexpr int64_t kBlock = 1 << 22;

/// An IDX file (the format of MNIST): two zero bytes, type, number of
/// dimensions, each dimension as a big-endian uint32, values in C order.
class IdxFile {
 public:
  /// Reads the header. Throws Error when it is not that of `dimensions`
  /// dimensions of uint8, or claims more than the file can hold.
  IdxFile(const fs::path& path, size_t dimensions)
      : path_(path), reader_(path) {
    std::array<std::byte, 4> magic{};
    reader_.read(magic);
    if (magic[0] != std::byte{0} || magic[1] != std::byte{0} ||
        magic[2] != kUint8 || magic[3] != static_cast<std::byte>(dimensions)) {
      throw Error(path.string() + ": not an IDX file of bytes in " +
                  std::to_string(dimensions) + " dimensions");
    }
    for (size_t i = 0; i < dimensions; ++i) shape_.push_back(read_size());
    check_claim();
  }

  const std::vector<int64_t>& shape() const { return shape_; }

  /// Values of the examples [begin, end); checks that the file ends where its
  /// header says.
  std::vector<uint8_t> read(int64_t begin, int64_t end) {
    const int64_t each = bytes_ / shape_[0];
    reader_.skip(begin * each);
    std::vector<uint8_t> values;
    for (int64_t left = (end - begin) * each; left > 0;) {
      // Memory grows with what is really there, not with what was claimed.
      const auto part = static_cast<size_t>(std::min(left, kBlock));
      values.resize(values.size() + part);
      reader_.read(std::as_writable_bytes(std::span(values).last(part)));
      left -= static_cast<int64_t>(part);
    }
    reader_.skip((shape_[0] - end) * each);
    if (!reader_.at_end()) {
      throw Error(path_.string() + ": longer than the " + shape_text(shape_) +
                  " bytes that its header says");
    }
    return values;
  }

 private:
  int64_t read_size() {
    std::array<std::byte, 4> bytes{};
    reader_.read(bytes);
    int64_t value = 0;
    for (std::byte b : bytes) value = value << 8 | std::to_integer<int64_t>(b);
    return value;
  }

  void check_claim() {
    bool overflow = false;
    for (int64_t size : shape_) {
      overflow = overflow || __builtin_mul_overflow(bytes_, size, &bytes_);
    }
    if (overflow || bytes_ > reader_.most()) {
      throw Error(path_.string() + ": the header says " + shape_text(shape_) +
                  " bytes, more than the file can hold");
    }
    if (bytes_ == 0) throw Error(path_.string() + ": holds no examples");
  }

  fs::path path_;
  ByteReader reader_;
  std::vector<int64_t> shape_;
  int64_t bytes_ = 1;
};

}  // namespace

Examples load_idx(const DatasetSpec& spec, const PictureShape& shape,
                  const Preprocess& preprocess) {
  const Preparer preparer(shape, preprocess, spec.name);
  check_files(spec);
  IdxFile pictures(spec.images, 3);
  IdxFile labels(spec.labels_file, 1);
  const std::vector<int64_t>& size = pictures.shape();
  if (labels.shape()[0] != size[0]) {
    throw Error(spec.labels_file.string() + ": has " +
                std::to_string(labels.shape()[0]) + " labels, but " +
                spec.images.string() + " has " + std::to_string(size[0]) +
                " pictures");
  }
  const auto [begin, end] = checked_range(spec, size[0]);
  const std::vector<uint8_t> classes = labels.read(begin, end);
  const std::vector<uint8_t> pixels = pictures.read(begin, end);
  Examples examples = make_examples(spec, end - begin, shape);
  examples.labels.assign(classes.begin(), classes.end());
  prepare_pixels(preparer,
                 {.height = size[1], .width = size[2], .pixels = pixels},
                 spec.images.string(), examples);
  return examples;
}

}  // namespace soup
