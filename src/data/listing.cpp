#include "data/listing.h"

#include <algorithm>
#include <bit>
#include <charconv>

#include "core/log.h"
#include "data/decode.h"
#include "data/decoder.h"
#include "data/examples.h"
#include "data/selection.h"
#include "soup/error.h"

namespace soup {
namespace {

// Everything that pixels depend on besides the pictures themselves.
std::string preparation_of(const PictureShape& shape, const Preprocess& p) {
  std::string text = "soup " SOUP_VERSION "\n" + decoder_versions() + "\n";
  for (const int64_t number :
       {shape.channels, shape.height, shape.width, p.border.value()}) {
    text += std::to_string(number) + "\n";
  }
  return text + p.resize.value() + "\n" + p.filter.value() + "\n" +
         std::to_string(std::bit_cast<uint64_t>(p.crop_pct.value()));
}

Decoded decode(Decoder& decoder, const DatasetSpec& spec,
               const PictureShape& shape, const Preprocess& preprocess,
               const PictureCache& cache) {
  if (!cache.folder.empty()) {
    try {
      return decode_into_cache(decoder, cache,
                               preparation_of(shape, preprocess), spec.name);
    } catch (const Error& error) {
      log::warn(std::string(error.what()) +
                "; pictures are decoded into memory and not kept");
    }
  }
  check_memory(spec, decoder.sources().count(), shape);
  return decode_into_memory(decoder);
}

bool failed(const std::string& fault) { return !fault.empty(); }

// Says what is left out, or throws when it is more than was allowed.
void tell(const Faults& faults, const DatasetSpec& spec) {
  const int64_t bad = std::count_if(faults.begin(), faults.end(), failed);
  if (bad > spec.skip_bad || bad == std::ssize(faults)) {
    const auto first = std::find_if(faults.begin(), faults.end(), failed);
    const std::string more =
        bad == 1 ? "" : " (" + std::to_string(bad) + " pictures are bad)";
    throw Error(*first + more);
  }
  for (const std::string& fault : faults) {
    if (failed(fault)) log::warn(fault + "; left out");
  }
}

// Takes bad pictures out of `decoded` and `chosen`, but for the pixels.
// Returns the places of the others there.
std::vector<int64_t> leave_out(const Faults& faults, Decoded& decoded,
                               std::vector<int64_t>& chosen) {
  std::vector<int64_t> places;
  for (size_t i = 0; i < faults.size(); ++i) {
    if (failed(faults[i])) continue;
    decoded.records[places.size()] = decoded.records[i];
    chosen[places.size()] = chosen[i];
    places.push_back(static_cast<int64_t>(i));
  }
  decoded.records.resize(places.size());
  chosen.resize(places.size());
  return places;
}

void set_pixels(Decoded decoded, Examples& examples) {
  std::vector<Hash128> hashes;
  for (const PictureRecord& record : decoded.records) {
    hashes.push_back(record.pixels);
    examples.resized |= record.state == PictureRecord::kResized;
  }
  examples.content = content_of(hashes);
  examples.pixels = std::move(decoded.pixels);
  if (decoded.kept) {
    examples.kept = decoded.kept->file();
    examples.kept_pixels = decoded.kept->all_pixels();
  }
}

void set_labels(const Listing& listing, const std::vector<int64_t>& chosen,
                Examples& examples) {
  bool several = false;
  for (const int64_t i : chosen) {
    const Labels& labels = listing.labels[static_cast<size_t>(i)];
    examples.labels.push_back(labels.front());
    examples.also.emplace_back(labels.begin() + 1, labels.end());
    several = several || labels.size() > 1;
    examples.paths.push_back(listing.files[static_cast<size_t>(i)]);
  }
  if (!several) examples.also.clear();
}

}  // namespace

std::optional<int32_t> parse_label(std::string_view text) {
  int32_t label = -1;
  const char* const last = text.data() + text.size();
  const auto [end, error] = std::from_chars(text.data(), last, label);
  if (error != std::errc() || end != last || label < 0) return std::nullopt;
  return label;
}

Examples load_listing(const DatasetSpec& spec, const PictureShape& shape,
                      const Preprocess& preprocess, const PictureCache& cache,
                      const Listing& listing) {
  const Preparer preparer(shape, preprocess, spec.name);
  std::vector<int64_t> chosen = select_examples(spec, listing);
  const Sources sources(listing, chosen);
  Decoder decoder(sources, preparer, spec.name);
  Decoded decoded = decode(decoder, spec, shape, preprocess, cache);
  const Faults& faults = decoder.faults();
  Examples examples;
  if (std::any_of(faults.begin(), faults.end(), failed)) {
    tell(faults, spec);
    examples.places = leave_out(faults, decoded, chosen);
  }
  examples.count = std::ssize(chosen);
  examples.channels = shape.channels;
  examples.height = shape.height;
  examples.width = shape.width;
  examples.class_names = listing.class_names;
  set_pixels(std::move(decoded), examples);
  set_labels(listing, chosen, examples);
  return examples;
}

}  // namespace soup
