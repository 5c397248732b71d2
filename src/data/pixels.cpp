#include "data/pixels.h"

#include <atomic>

#include "core/threads.h"

namespace soup {

void prepare_pixels(const Preparer& preparer, const PixelBlock& block,
                    const std::string& where, Examples& examples) {
  const int64_t from = block.height * block.width * block.channels;
  const int64_t to = preparer.bytes();
  std::atomic<bool> resized{false};
  parallel_for(examples.count, 0, [&](int64_t i) {
    const uint8_t* first = block.pixels.data() + i * from;
    const Picture picture{.height = block.height,
                          .width = block.width,
                          .channels = block.channels,
                          .pixels = {first, first + from}};
    const std::span<uint8_t> out(examples.pixels.data() + i * to,
                                 static_cast<size_t>(to));
    if (preparer.prepare(picture, where, out)) resized = true;
  });
  examples.resized = resized;
}

}  // namespace soup
