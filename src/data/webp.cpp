#include <webp/decode.h>
#include <webp/demux.h>

#include <memory>

#include "data/decode.h"
#include "soup/error.h"

namespace soup {
namespace {

[[noreturn]] void fail(const std::string& where) {
  throw Error(where + ": damaged WebP file, or cut short");
}

// `out` is where the first of these pixels goes in `picture`. Pillow's
// convert("RGB") drops alpha, as libwebp does when asked for RGB.
void decode_into(const uint8_t* data, size_t size, size_t out, Picture& picture,
                 const std::string& where) {
  const uint8_t* const made = WebPDecodeRGBInto(
      data, size, picture.pixels.data() + out, picture.pixels.size() - out,
      static_cast<int>(picture.width * picture.channels));
  if (made == nullptr) fail(where);
}

// The first frame, as Pillow has it. What it leaves of the canvas is black,
// whatever the file says of a background.
void decode_first_frame(std::span<const std::byte> file, Picture& picture,
                        const std::string& where) {
  const WebPData data = {reinterpret_cast<const uint8_t*>(file.data()),
                         file.size()};
  const std::unique_ptr<WebPDemuxer, decltype(&WebPDemuxDelete)> parts(
      WebPDemux(&data), WebPDemuxDelete);
  WebPIterator frame = {};
  if (!parts || WebPDemuxGetFrame(parts.get(), 1, &frame) == 0) fail(where);
  const std::unique_ptr<WebPIterator, decltype(&WebPDemuxReleaseIterator)>
      released(&frame, WebPDemuxReleaseIterator);
  WebPBitstreamFeatures features;
  const bool fits = WebPGetFeatures(frame.fragment.bytes, frame.fragment.size,
                                    &features) == VP8_STATUS_OK &&
                    frame.x_offset >= 0 && frame.y_offset >= 0 &&
                    frame.x_offset + int64_t{features.width} <= picture.width &&
                    frame.y_offset + int64_t{features.height} <= picture.height;
  if (!fits) fail(where);
  const int64_t first = frame.y_offset * picture.width + frame.x_offset;
  decode_into(frame.fragment.bytes, frame.fragment.size,
              static_cast<size_t>(first * picture.channels), picture, where);
}

}  // namespace

Picture decode_webp(std::span<const std::byte> file, const std::string& where) {
  const auto* const data = reinterpret_cast<const uint8_t*>(file.data());
  WebPBitstreamFeatures features;
  if (WebPGetFeatures(data, file.size(), &features) != VP8_STATUS_OK) {
    throw Error(where + ": damaged WebP header");
  }
  Picture picture = make_picture(features.height, features.width, 3, where);
  if (features.has_animation != 0) {
    decode_first_frame(file, picture, where);
  } else {
    decode_into(data, file.size(), 0, picture, where);
  }
  return picture;
}

std::string webp_version() { return std::to_string(WebPGetDecoderVersion()); }

}  // namespace soup
