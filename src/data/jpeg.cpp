// clang-format off
#include <cstdio>  // jpeglib.h needs it
#include <jpeglib.h>
// clang-format on

#ifndef LIBJPEG_TURBO_VERSION_NUMBER  // another libjpeg
#define LIBJPEG_TURBO_VERSION_NUMBER 0
#endif

#include <array>
#include <csetjmp>

#include "core/text.h"
#include "data/decode.h"
#include "soup/error.h"

namespace soup {
namespace {

constexpr int kMaxScans = 500;  // each costs a pass over the whole picture

/// libjpeg's state. Its errors come back by longjmp, so the functions below
/// that call it hold no objects with destructors.
struct JpegReader {
  jpeg_decompress_struct info = {};
  jpeg_error_mgr errors = {};
  jpeg_source_mgr source = {};
  jpeg_progress_mgr progress = {};
  std::jmp_buf escape = {};
  std::array<char, JMSG_LENGTH_MAX> message = {};

  JpegReader() = default;
  ~JpegReader() { jpeg_destroy_decompress(&info); }
  JpegReader(const JpegReader&) = delete;
  JpegReader& operator=(const JpegReader&) = delete;
};

[[noreturn]] void fail(j_common_ptr info) {
  auto* reader = static_cast<JpegReader*>(info->client_data);
  info->err->format_message(info, reader->message.data());
  std::longjmp(reader->escape, 1);
}

[[noreturn]] void fail_with(j_common_ptr info, const char* message) {
  auto* reader = static_cast<JpegReader*>(info->client_data);
  std::snprintf(reader->message.data(), reader->message.size(), "%s", message);
  std::longjmp(reader->escape, 1);
}

void stay_silent(j_common_ptr) {}
void ignore_warning(j_common_ptr, int) {}
void no_source_step(j_decompress_ptr) {}

// All bytes were given at once: asking for more means that some are missing.
boolean out_of_bytes(j_decompress_ptr info) {
  fail_with(reinterpret_cast<j_common_ptr>(info), "the file is cut short");
}

void skip_bytes(j_decompress_ptr info, long count) {
  if (count <= 0) return;
  if (static_cast<size_t>(count) > info->src->bytes_in_buffer) {
    out_of_bytes(info);
  }
  info->src->next_input_byte += count;
  info->src->bytes_in_buffer -= static_cast<size_t>(count);
}

void check_scans(j_common_ptr info) {
  if (reinterpret_cast<j_decompress_ptr>(info)->input_scan_number > kMaxScans) {
    fail_with(info, "too many scans");
  }
}

void attach(JpegReader& reader, std::span<const std::byte> file) {
  reader.source.next_input_byte = reinterpret_cast<const JOCTET*>(file.data());
  reader.source.bytes_in_buffer = file.size();
  reader.source.init_source = no_source_step;
  reader.source.fill_input_buffer = out_of_bytes;
  reader.source.skip_input_data = skip_bytes;
  reader.source.resync_to_restart = jpeg_resync_to_restart;
  reader.source.term_source = no_source_step;
  reader.progress.progress_monitor = check_scans;
  reader.info.src = &reader.source;
  reader.info.progress = &reader.progress;
}

/// False when it failed: reader.message says why.
bool read_header(JpegReader& reader, std::span<const std::byte> file) {
  reader.info.err = jpeg_std_error(&reader.errors);
  reader.errors.error_exit = fail;
  reader.errors.output_message = stay_silent;
  reader.errors.emit_message = ignore_warning;
  reader.info.client_data = &reader;
  if (setjmp(reader.escape) != 0) return false;
  jpeg_create_decompress(&reader.info);
  attach(reader, file);
  jpeg_read_header(&reader.info, TRUE);
  switch (reader.info.num_components) {
    case 1:
      reader.info.out_color_space = JCS_GRAYSCALE;
      break;
    case 3:
      reader.info.out_color_space = JCS_RGB;
      break;
    case 4:
      reader.info.out_color_space = JCS_CMYK;
      break;
    default:
      fail_with(reinterpret_cast<j_common_ptr>(&reader.info),
                "neither 1, 3 nor 4 colour components");
  }
  // Pillow's settings; the faster ones give other pixels.
  reader.info.dct_method = JDCT_ISLOW;
  reader.info.do_fancy_upsampling = TRUE;
  return true;
}

bool read_rows(JpegReader& reader, uint8_t* out, size_t stride) {
  if (setjmp(reader.escape) != 0) return false;
  jpeg_start_decompress(&reader.info);
  while (reader.info.output_scanline < reader.info.output_height) {
    JSAMPROW row = out + reader.info.output_scanline * stride;
    jpeg_read_scanlines(&reader.info, &row, 1);
  }
  jpeg_finish_decompress(&reader.info);
  return true;
}

[[noreturn]] void refuse(const JpegReader& reader, const std::string& where) {
  throw Error(where +
              ": cannot decode the JPEG: " + printable(reader.message.data()));
}

int times_255th(int a, int b) {
  const int product = a * b + 128;
  return ((product >> 8) + product) >> 8;
}

// Adobe's files hold inverted inks, and Pillow takes all CMYK for Adobe's: so
// the stored values are already what the paper keeps of the light.
Picture cmyk_to_rgb(const Picture& cmyk, const std::string& where) {
  Picture rgb = make_picture(cmyk.height, cmyk.width, 3, where);
  const uint8_t* in = cmyk.pixels.data();
  uint8_t* out = rgb.pixels.data();
  for (int64_t i = 0; i < cmyk.height * cmyk.width; ++i, in += 4) {
    const int light = in[3];
    for (int c = 0; c < 3; ++c) {
      const int ink = 255 - in[c];
      *out++ = static_cast<uint8_t>(light - times_255th(ink, light));
    }
  }
  return rgb;
}

}  // namespace

std::string jpeg_version() {
  return std::to_string(JPEG_LIB_VERSION) + " " +
         std::to_string(LIBJPEG_TURBO_VERSION_NUMBER);
}

Picture decode_jpeg(std::span<const std::byte> file, const std::string& where) {
  JpegReader reader;
  if (!read_header(reader, file)) refuse(reader, where);
  Picture picture =
      make_picture(reader.info.image_height, reader.info.image_width,
                   reader.info.num_components, where);
  const auto stride = static_cast<size_t>(picture.width * picture.channels);
  if (!read_rows(reader, picture.pixels.data(), stride)) refuse(reader, where);
  return picture.channels == 4 ? cmyk_to_rgb(picture, where)
                               : std::move(picture);
}

}  // namespace soup
