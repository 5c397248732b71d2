#include "data/decode.h"

#include <algorithm>
#include <string_view>

#include "soup/error.h"

namespace soup {
namespace {

bool starts_with(std::span<const std::byte> file, std::string_view magic) {
  return file.size() >= magic.size() &&
         std::equal(magic.begin(), magic.end(), file.begin(),
                    [](char a, std::byte b) {
                      return static_cast<std::byte>(a) == b;
                    });
}

}  // namespace

Picture make_picture(int64_t height, int64_t width, int64_t channels,
                     const std::string& where) {
  if (height < 1 || width < 1 || height > kMaxPixels ||
      width > kMaxPixels / height) {
    throw Error(where + ": claims " + std::to_string(width) + " x " +
                std::to_string(height) + " pixels, at most " +
                std::to_string(kMaxPixels) + " are read");
  }
  Picture picture{
      .height = height, .width = width, .channels = channels, .pixels = {}};
  picture.pixels.resize(static_cast<size_t>(height * width * channels));
  return picture;
}

std::string decoder_versions() {
  return "jpeg " + jpeg_version() + " webp " + webp_version();
}

Picture decode_picture(std::span<const std::byte> file,
                       const std::string& where) {
  if (starts_with(file, "\xff\xd8\xff")) return decode_jpeg(file, where);
  if (starts_with(file, "\x89PNG\r\n\x1a\n")) return decode_png(file, where);
  if (starts_with(file, "RIFF") && file.size() >= 12 &&
      starts_with(file.subspan(8), "WEBP")) {
    return decode_webp(file, where);
  }
  throw Error(where +
              (file.empty() ? ": is empty" : ": is no JPEG, PNG or WebP file"));
}

}  // namespace soup
