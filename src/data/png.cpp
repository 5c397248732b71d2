#include <png.h>

#include <algorithm>
#include <array>
#include <csetjmp>
#include <cstring>
#include <vector>

#include "core/text.h"
#include "data/decode.h"
#include "soup/error.h"

namespace soup {
namespace {

constexpr png_uint_32 kMaxSide = 1'000'000;
constexpr png_alloc_size_t kMaxChunk = 64 << 20;

/// libpng's state. Its errors come back by longjmp, so the functions below
/// that call it hold no objects with destructors.
struct PngReader {
  png_structp png = nullptr;
  png_infop info = nullptr;
  std::span<const std::byte> rest;
  std::array<char, 200> message = {};

  PngReader() = default;
  ~PngReader() { png_destroy_read_struct(&png, &info, nullptr); }
  PngReader(const PngReader&) = delete;
  PngReader& operator=(const PngReader&) = delete;
};

[[noreturn]] void fail(png_structp png, png_const_charp message) {
  auto* reader = static_cast<PngReader*>(png_get_error_ptr(png));
  std::snprintf(reader->message.data(), reader->message.size(), "%s", message);
  png_longjmp(png, 1);
}

void ignore_warning(png_structp, png_const_charp) {}

void read_bytes(png_structp png, png_bytep out, size_t count) {
  auto* reader = static_cast<PngReader*>(png_get_io_ptr(png));
  if (count > reader->rest.size()) fail(png, "the file is cut short");
  std::memcpy(out, reader->rest.data(), count);
  reader->rest = reader->rest.subspan(count);
}

// What Pillow's convert("RGB") does to each kind: alpha is dropped, not
// blended; of 16 bits the upper 8 stay, but grey of 16 bits is clipped.
void choose_output(PngReader& reader) {
  const int type = png_get_color_type(reader.png, reader.info);
  const bool grey16 = type == PNG_COLOR_TYPE_GRAY &&
                      png_get_bit_depth(reader.png, reader.info) == 16;
  if (type == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(reader.png);
  if (type == PNG_COLOR_TYPE_GRAY) {
    png_set_expand_gray_1_2_4_to_8(reader.png);
  }
  if (!grey16) png_set_strip_16(reader.png);
  png_set_strip_alpha(reader.png);
  png_set_interlace_handling(reader.png);
  png_read_update_info(reader.png, reader.info);
}

/// False when it failed: reader.message says why.
bool read_header(PngReader& reader, std::span<const std::byte> file) {
  reader.rest = file;
  reader.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &reader, fail,
                                      ignore_warning);
  if (reader.png == nullptr) return false;
  if (setjmp(png_jmpbuf(reader.png)) != 0) return false;
  reader.info = png_create_info_struct(reader.png);
  png_set_user_limits(reader.png, kMaxSide, kMaxSide);
  png_set_chunk_malloc_max(reader.png, kMaxChunk);
  png_set_read_fn(reader.png, &reader, read_bytes);
  png_read_info(reader.png, reader.info);
  return true;
}

bool start_rows(PngReader& reader) {
  if (setjmp(png_jmpbuf(reader.png)) != 0) return false;
  choose_output(reader);
  return true;
}

bool read_rows(PngReader& reader, png_bytepp rows) {
  if (setjmp(png_jmpbuf(reader.png)) != 0) return false;
  png_read_image(reader.png, rows);
  return true;
}

[[noreturn]] void refuse(const PngReader& reader, const std::string& where) {
  throw Error(where +
              ": cannot decode the PNG: " + printable(reader.message.data()));
}

void clip_16_bits(const std::vector<uint8_t>& big_endian,
                  std::vector<uint8_t>& out) {
  for (size_t i = 0; i < out.size(); ++i) {
    out[i] = big_endian[2 * i] != 0 ? 255 : big_endian[2 * i + 1];
  }
}

}  // namespace

Picture decode_png(std::span<const std::byte> file, const std::string& where) {
  PngReader reader;
  if (!read_header(reader, file)) refuse(reader, where);
  const auto height =
      static_cast<int64_t>(png_get_image_height(reader.png, reader.info));
  const auto width =
      static_cast<int64_t>(png_get_image_width(reader.png, reader.info));
  const bool grey =
      (png_get_color_type(reader.png, reader.info) & PNG_COLOR_MASK_COLOR) == 0;
  Picture picture = make_picture(height, width, grey ? 1 : 3, where);
  if (!start_rows(reader)) refuse(reader, where);

  const size_t stride = png_get_rowbytes(reader.png, reader.info);
  const auto wanted = static_cast<size_t>(width * picture.channels);
  if (stride != wanted && stride != 2 * wanted) {
    throw Error(where + ": cannot decode the PNG: unexpected row size");
  }
  std::vector<uint8_t> wide(
      stride == wanted ? 0 : stride * static_cast<size_t>(height));
  uint8_t* const pixels = wide.empty() ? picture.pixels.data() : wide.data();
  std::vector<png_bytep> rows(static_cast<size_t>(height));
  for (size_t y = 0; y < rows.size(); ++y) rows[y] = pixels + y * stride;
  if (!read_rows(reader, rows.data())) refuse(reader, where);
  if (!wide.empty()) clip_16_bits(wide, picture.pixels);
  return picture;
}

}  // namespace soup
