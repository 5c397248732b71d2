#include <webp/decode.h>

#include "data/decode.h"
#include "soup/error.h"

namespace soup {

// Pillow's convert("RGB") drops alpha, as libwebp does when asked for RGB.
Picture decode_webp(std::span<const std::byte> file, const std::string& where) {
  const auto* const data = reinterpret_cast<const uint8_t*>(file.data());
  WebPBitstreamFeatures features;
  if (WebPGetFeatures(data, file.size(), &features) != VP8_STATUS_OK) {
    throw Error(where + ": damaged WebP header");
  }
  if (features.has_animation != 0) {
    throw Error(where + ": is an animation, not a picture");
  }
  Picture picture = make_picture(features.height, features.width, 3, where);
  const uint8_t* const made = WebPDecodeRGBInto(
      data, file.size(), picture.pixels.data(), picture.pixels.size(),
      static_cast<int>(picture.width * picture.channels));
  if (made == nullptr) {
    throw Error(where + ": damaged WebP file, or cut short");
  }
  return picture;
}

std::string webp_version() { return std::to_string(WebPGetDecoderVersion()); }

}  // namespace soup
