#include "data/kept.h"

#include <algorithm>
#include <string>

#include "core/threads.h"
#include "soup/error.h"

namespace soup {
namespace {

/// One picture and what was kept of it.
class Check {
 public:
  Check(const PictureFile& file, const Sources& sources, int64_t i)
      : file_(file), sources_(sources), i_(i), record_(file.record(i)) {}

  bool good() const {
    switch (record_.state) {
      case PictureRecord::kAsItWas:
      case PictureRecord::kResized:
        return is_same() &&
               xxh3_128(std::as_bytes(file_.pixels(i_))) == record_.pixels;
      case PictureRecord::kBad:
        return is_same() && reason_is_whole();
      case PictureRecord::kUnread:
        return reason_is_whole() && is_unread_as_before();
      default:
        return false;
    }
  }

 private:
  bool reason_is_whole() const {
    return xxh3_128(std::as_bytes(std::span(file_.reason(i_)))) ==
           record_.pixels;
  }

  // By its stamp or, where that tells nothing, by its content.
  bool is_same() const {
    if (sources_.stamp(i_) == record_.stamp) return true;
    bool same = false;
    try {
      sources_.read(i_, [&](std::span<const std::byte> content) {
        same = xxh3_128(content) == record_.content;
      });
    } catch (const Error&) {  // gone: decoding says so
    }
    return same;
  }

  bool is_unread_as_before() const {
    try {
      sources_.read(i_, [](std::span<const std::byte>) {});
    } catch (const Error& error) {
      return error.what() == sources_.path(i_) + std::string(file_.reason(i_));
    }
    return false;
  }

  const PictureFile& file_;
  const Sources& sources_;
  int64_t i_;
  PictureRecord record_;
};

}  // namespace

Kept::Kept(std::optional<PictureFile> file, const Sources& sources)
    : file_(std::move(file)), good_(static_cast<size_t>(sources.count())) {
  if (!file_) return;
  parallel_for(sources.count(), 0, [&](int64_t i) {
    good_[static_cast<size_t>(i)] = Check(*file_, sources, i).good() ? 1 : 0;
  });
}

bool Kept::all() const {
  return file_ && std::find(good_.begin(), good_.end(), 0) == good_.end();
}

}  // namespace soup
