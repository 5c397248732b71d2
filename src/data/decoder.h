#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/progress.h"
#include "data/picture_file.h"
#include "data/prepare.h"
#include "data/sources.h"
#include "soup/data.h"

namespace soup {

/// What could not be read or decoded: by position, empty where all went well.
using Faults = std::vector<std::string>;

/// Decodes and prepares chosen pictures. Thread-safe for different positions.
class Decoder {
 public:
  Decoder(const Sources& sources, const Preparer& preparer,
          const std::string& title)
      : sources_(sources),
        preparer_(preparer),
        faults_(static_cast<size_t>(sources.count())),
        progress_("decoding " + title, sources.count(), Unit::kExamples) {}

  const Sources& sources() const { return sources_; }
  int64_t bytes_each() const { return preparer_.bytes(); }

  /// Writes picture `i` to `out`, of bytes_each(). One that cannot be decoded
  /// is among the faults then, and its record says so.
  PictureRecord decode(int64_t i, std::span<uint8_t> out);
  /// Counts a picture that needs no decoding.
  void pass_over() { progress_.add(1); }
  /// Notes why picture `i` is bad: words that follow its path.
  void set_fault(int64_t i, std::string_view reason);

  const Faults& faults() const { return faults_; }

 private:
  const Sources& sources_;
  const Preparer& preparer_;
  Faults faults_;
  Progress progress_;
};

/// Pictures of a data set, decoded now or before.
struct Decoded {
  std::vector<uint8_t> pixels = {};  ///< empty where `kept` has them
  std::optional<PictureFile> kept = {};
  std::vector<PictureRecord> records = {};
};

/// Decodes all, in parallel, into memory.
Decoded decode_into_memory(Decoder& decoder);

/// Decodes what `cache` does not have, in parallel, into a file of it.
/// `preparation`: everything that pixels depend on besides the pictures.
/// Throws Error when that cannot be kept; the decoder's faults stay.
Decoded decode_into_cache(Decoder& decoder, const PictureCache& cache,
                          const std::string& preparation,
                          const std::string& title);

}  // namespace soup
