#include "data/npy_header.h"

#include <charconv>
#include <cstring>
#include <limits>
#include <optional>
#include <string_view>

#include "core/text.h"
#include "soup/error.h"

namespace soup {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr size_t kMostHeader = 1 << 16;
constexpr size_t kMostDimensions = 32;

/// The dict of a header: {'descr': '<i8', 'fortran_order': False,
/// 'shape': (3, 4), }.
class Literal {
 public:
  Literal(std::string_view text, const std::string& where)
      : rest_(text), where_(where) {}

  NpyHeader read() {
    expect('{');
    while (!take('}')) {
      read_entry();
      if (!take(',')) {
        expect('}');
        break;
      }
    }
    skip_space();
    if (!rest_.empty() || !descr_ || !fortran_ || !shape_) fail();
    return header();
  }

 private:
  [[noreturn]] void fail() const {
    throw Error(where_ + ": its header is not that of a NumPy array");
  }

  [[noreturn]] void refuse(const std::string& what) const {
    throw Error(where_ + ": holds " + what + "; expected numbers");
  }

  void skip_space() {
    const size_t first = rest_.find_first_not_of(" \n");
    rest_.remove_prefix(std::min(first, rest_.size()));
  }

  bool take(std::string_view token) {
    skip_space();
    if (!rest_.starts_with(token)) return false;
    rest_.remove_prefix(token.size());
    return true;
  }
  bool take(char token) { return take(std::string_view(&token, 1)); }

  void expect(char token) {
    if (!take(token)) fail();
  }

  std::string_view read_text() {
    skip_space();
    if (rest_.empty() || (rest_[0] != '\'' && rest_[0] != '"')) fail();
    const size_t end = rest_.find(rest_[0], 1);
    if (end == std::string_view::npos) fail();
    const std::string_view text = rest_.substr(1, end - 1);
    rest_.remove_prefix(end + 1);
    return text;
  }

  void read_entry() {
    const std::string_view key = read_text();
    expect(':');
    if (key == "descr" && !descr_) {
      if (take('[')) refuse("structures");
      descr_ = read_text();
    } else if (key == "fortran_order" && !fortran_) {
      fortran_ = take("True");
      if (!*fortran_ && !take("False")) fail();
    } else if (key == "shape" && !shape_) {
      shape_ = read_shape();
    } else {
      fail();
    }
  }

  std::vector<int64_t> read_shape() {
    std::vector<int64_t> shape;
    expect('(');
    while (!take(')')) {
      skip_space();
      int64_t size = -1;
      const char* const last = rest_.data() + rest_.size();
      const auto [end, error] = std::from_chars(rest_.data(), last, size);
      if (error != std::errc() || size < 0) fail();
      rest_.remove_prefix(static_cast<size_t>(end - rest_.data()));
      shape.push_back(size);
      if (shape.size() > kMostDimensions) fail();
      if (!take(',')) {
        expect(')');
        break;
      }
    }
    return shape;
  }

  NpyHeader header() const {
    NpyHeader made;
    made.shape = *shape_;
    const std::string_view descr = *descr_;
    if (descr.find('O') != std::string_view::npos) refuse("Python objects");
    if (descr.size() != 3) refuse("'" + printable(descr) + "'");
    made.kind = descr[1];
    made.width = descr[2] - '0';
    const bool whole = made.kind == 'i' || made.kind == 'u';
    const bool known =
        (made.kind == 'b' && made.width == 1) ||
        (whole && (made.width == 1 || made.width == 2)) ||
        ((whole || made.kind == 'f') && (made.width == 4 || made.width == 8));
    const bool ordered = descr[0] == '<' || descr[0] == '>' ||
                         (descr[0] == '|' && made.width == 1);
    if (!known || !ordered) refuse("'" + printable(descr) + "'");
    made.big_endian = descr[0] == '>' && made.width > 1;
    made.fortran = *fortran_ && made.shape.size() > 1;
    return made;
  }

  std::string_view rest_;
  const std::string& where_;
  std::optional<std::string_view> descr_;
  std::optional<bool> fortran_;
  std::optional<std::vector<int64_t>> shape_;
};

/// The text of the header; sets `offset` to where the values begin.
std::string_view header_text(std::span<const std::byte> file,
                             const std::string& where, size_t& offset) {
  const std::string_view all(reinterpret_cast<const char*>(file.data()),
                             file.size());
  if (!all.starts_with(kMagic) || all.size() < kMagic.size() + 2) {
    throw Error(where + ": is not a NumPy array file (.npy)");
  }
  const char version = all[kMagic.size()];
  if (version < 1 || version > 3) {
    throw Error(where + ": NumPy array file of unknown version " +
                std::to_string(version));
  }
  const size_t size_bytes = version == 1 ? 2 : 4;
  const size_t before = kMagic.size() + 2;
  uint32_t size = 0;
  if (all.size() >= before + size_bytes) {
    std::memcpy(&size, all.data() + before, size_bytes);
  }
  offset = before + size_bytes + size;
  if (size == 0 || size > kMostHeader || offset > all.size()) {
    throw Error(where + ": its header is cut short");
  }
  return all.substr(before + size_bytes, size);
}

template <typename T>
double value_at(const std::byte* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return static_cast<double>(value);
}

double value_of(const std::byte* from, char kind, int64_t width) {
  const bool is_signed = kind == 'i';
  if (width == 1) {
    return is_signed ? value_at<int8_t>(from) : value_at<uint8_t>(from);
  }
  if (width == 2) {
    return is_signed ? value_at<int16_t>(from) : value_at<uint16_t>(from);
  }
  if (width == 4) {
    if (kind == 'f') return value_at<float>(from);
    return is_signed ? value_at<int32_t>(from) : value_at<uint32_t>(from);
  }
  if (kind == 'f') return value_at<double>(from);
  return is_signed ? value_at<int64_t>(from) : value_at<uint64_t>(from);
}

}  // namespace

NpyHeader parse_npy_header(std::span<const std::byte> file,
                           const std::string& where) {
  size_t offset = 0;
  const std::string_view text = header_text(file, where, offset);
  NpyHeader header = Literal(text, where).read();
  header.offset = offset;
  bool overflow = false;
  for (const int64_t size : header.shape) {
    overflow |= __builtin_mul_overflow(header.count, size, &header.count);
  }
  int64_t bytes = 0;
  overflow |= __builtin_mul_overflow(header.count, header.width, &bytes);
  const auto there = static_cast<int64_t>(file.size() - offset);
  if (overflow || bytes != there) {
    throw Error(where + ": the header says " + shape_text(header.shape) +
                " values of " + std::to_string(header.width) +
                " bytes, but the file has " + std::to_string(there) +
                " bytes of them");
  }
  return header;
}

std::vector<double> npy_values(const NpyHeader& header,
                               std::span<const std::byte> values) {
  std::vector<double> numbers;
  numbers.reserve(static_cast<size_t>(header.count));
  for (int64_t i = 0; i < header.count; ++i) {
    numbers.push_back(
        value_of(values.data() + i * header.width, header.kind, header.width));
  }
  return numbers;
}

std::vector<int32_t> npy_labels(const NpyHeader& header,
                                std::span<const std::byte> values,
                                const std::string& where) {
  std::vector<int32_t> labels;
  for (const double value : npy_values(header, values)) {
    if (value < 0 || value > std::numeric_limits<int32_t>::max()) {
      throw Error(where + ": label " + std::to_string(labels.size()) +
                  " is out of range");
    }
    labels.push_back(static_cast<int32_t>(value));
  }
  return labels;
}

}  // namespace soup
