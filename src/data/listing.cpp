#include "data/listing.h"

#include <algorithm>
#include <atomic>
#include <charconv>

#include "core/file.h"
#include "core/log.h"
#include "core/progress.h"
#include "core/threads.h"
#include "data/decode.h"
#include "data/examples.h"
#include "data/prepare.h"
#include "data/selection.h"
#include "soup/error.h"

namespace soup {
namespace {

/// What could not be decoded: by position, empty where all went well.
using Faults = std::vector<std::string>;

// Into the pixels of `examples`, one picture after the other.
Faults decode_all(const Listing& listing, const std::vector<int64_t>& chosen,
                  const Preparer& preparer, const std::string& title,
                  Examples& examples) {
  Faults faults(chosen.size());
  std::atomic<bool> resized{false};
  Progress progress("decoding " + title, examples.count, Unit::kExamples);
  const int64_t bytes = preparer.bytes();
  parallel_for(examples.count, 0, [&](int64_t i) {
    const auto from = static_cast<size_t>(chosen[static_cast<size_t>(i)]);
    const std::string& path = listing.files[from];
    const std::span<uint8_t> out(examples.pixels.data() + i * bytes,
                                 static_cast<size_t>(bytes));
    try {
      std::optional<MappedFile> file;
      if (listing.contents.empty()) file.emplace(path);
      const Picture picture =
          decode_picture(file ? file->bytes() : listing.contents[from], path);
      if (preparer.prepare(picture, path, out)) resized = true;
    } catch (const Error& error) {
      faults[static_cast<size_t>(i)] = error.what();
    }
    progress.add(1);
  });
  examples.resized = resized;
  return faults;
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

// Closes the gaps that bad pictures left, in `chosen` too.
void leave_out(const Faults& faults, Examples& examples,
               std::vector<int64_t>& chosen) {
  const auto bytes =
      static_cast<int64_t>(examples.pixels.size()) / examples.count;
  size_t kept = 0;
  for (size_t i = 0; i < faults.size(); ++i) {
    if (failed(faults[i])) continue;
    if (kept != i) {
      std::copy_n(examples.pixels.begin() + static_cast<int64_t>(i) * bytes,
                  bytes,
                  examples.pixels.begin() + static_cast<int64_t>(kept) * bytes);
    }
    chosen[kept++] = chosen[i];
  }
  chosen.resize(kept);
  examples.count = static_cast<int64_t>(kept);
  examples.pixels.resize(kept * static_cast<size_t>(bytes));
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
                      const Preprocess& preprocess, const Listing& listing) {
  const Preparer preparer(shape, preprocess, spec.name);
  std::vector<int64_t> chosen = select_examples(spec, listing);
  Examples examples = make_examples(spec, std::ssize(chosen), shape);
  examples.class_names = listing.class_names;
  const Faults faults =
      decode_all(listing, chosen, preparer, spec.name, examples);
  if (std::any_of(faults.begin(), faults.end(), failed)) {
    tell(faults, spec);
    leave_out(faults, examples, chosen);
  }
  set_labels(listing, chosen, examples);
  return examples;
}

}  // namespace soup
