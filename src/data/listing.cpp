#include "data/listing.h"

#include <atomic>
#include <charconv>

#include "core/file.h"
#include "core/progress.h"
#include "core/threads.h"
#include "data/decode.h"
#include "data/examples.h"
#include "data/prepare.h"

namespace soup {

std::optional<int32_t> parse_label(std::string_view text) {
  int32_t label = -1;
  const char* const last = text.data() + text.size();
  const auto [end, error] = std::from_chars(text.data(), last, label);
  if (error != std::errc() || end != last || label < 0) return std::nullopt;
  return label;
}

Examples load_listing(const DatasetSpec& spec, const PictureShape& shape,
                      const Preprocess& preprocess, Listing listing) {
  const Preparer preparer(shape, preprocess, spec.name);
  const auto [begin, end] =
      checked_range(spec, static_cast<int64_t>(listing.files.size()));
  Examples examples = make_examples(spec, end - begin, shape);
  examples.class_names = std::move(listing.class_names);
  examples.labels.assign(listing.labels.begin() + begin,
                         listing.labels.begin() + end);
  examples.paths.assign(listing.files.begin() + begin,
                        listing.files.begin() + end);

  Progress progress("decoding " + spec.name, examples.count, Unit::kExamples);
  const int64_t bytes = preparer.bytes();
  std::atomic<bool> resized{false};
  parallel_for(examples.count, 0, [&](int64_t i) {
    const std::string& path = examples.paths[static_cast<size_t>(i)];
    const MappedFile file(path);
    const std::span<uint8_t> out(examples.pixels.data() + i * bytes,
                                 static_cast<size_t>(bytes));
    if (preparer.prepare(decode_picture(file.bytes(), path), path, out)) {
      resized = true;
    }
    progress.add(1);
  });
  examples.resized = resized;
  return examples;
}

}  // namespace soup
