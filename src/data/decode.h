#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "data/picture.h"

namespace soup {

/// Pixels beyond which a picture is refused: a few bytes can claim any size.
/// Pillow draws the same line.
inline constexpr int64_t kMaxPixels = 2 * (int64_t{1} << 30) / 4 / 3;

/// Decodes a JPEG, PNG or WebP file, told by its first bytes, into the pixels
/// of Pillow's convert("RGB"); pictures without colour stay grey, and of an
/// animation the first frame counts. The orientation in a JPEG's Exif data is
/// ignored, as everywhere in evaluation code. Throws Error naming `where`.
Picture decode_picture(std::span<const std::byte> file,
                       const std::string& where);

/// The decoders behind it.
Picture decode_jpeg(std::span<const std::byte> file, const std::string& where);
Picture decode_png(std::span<const std::byte> file, const std::string& where);
Picture decode_webp(std::span<const std::byte> file, const std::string& where);

/// Libraries by which the pixels of a JPEG or WebP file may differ.
std::string decoder_versions();
std::string jpeg_version();
std::string webp_version();

/// A picture of that size and its memory. Throws Error for sizes out of range.
Picture make_picture(int64_t height, int64_t width, int64_t channels,
                     const std::string& where);

}  // namespace soup
