#include "data/shards.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "core/file.h"
#include "core/text.h"
#include "data/examples.h"
#include "data/tar.h"
#include "soup/error.h"

namespace soup {
namespace {

constexpr int64_t kMostShards = 1'000'000;
constexpr std::array<std::string_view, 4> kPictures = {"jpg", "jpeg", "png",
                                                       "webp"};

/// An example, of which members are still to come.
struct Sample {
  std::string key;
  std::string picture;  ///< its member's name
  std::span<const std::byte> content;
  std::optional<int32_t> label;
};

class ShardLister {
 public:
  ShardLister(std::string shard, Listing& listing)
      : shard_(std::move(shard)), listing_(listing) {}

  void add(std::string_view name, std::span<const std::byte> content) {
    const size_t base = name.rfind('/') + 1;  // 0 where there is none
    const size_t dot = name.find('.', base);
    // WebDataset passes over what has no key or no extension.
    if (dot == std::string_view::npos || dot == base) return;
    const std::string_view key = name.substr(0, dot);
    if (key != sample_.key) {
      finish();
      sample_.key = key;
    }
    use(name, lower(name.substr(dot + 1)), content);
  }

  void finish() {
    const bool nothing = sample_.picture.empty() && !sample_.label;
    if (!nothing) {
      if (sample_.picture.empty()) {
        fail("has a label, but no picture next to it");
      }
      if (!sample_.label) fail("has a picture, but no label (.cls) next to it");
      listing_.files.push_back(place(sample_.picture));
      listing_.labels.push_back({*sample_.label});
      listing_.contents.push_back(sample_.content);
    }
    sample_ = {};
  }

 private:
  std::string place(const std::string& member) const {
    return shard_ + ": " + printable(member);
  }

  [[noreturn]] void fail(const std::string& what) const {
    throw Error(place(sample_.key) + ": " + what);
  }

  void use(std::string_view name, const std::string& extension,
           std::span<const std::byte> content) {
    if (extension == "cls") {
      std::string_view text(reinterpret_cast<const char*>(content.data()),
                            content.size());
      while (text.ends_with('\n') || text.ends_with('\r')) {
        text.remove_suffix(1);
      }
      if (sample_.label) fail("has two labels");
      sample_.label = parse_label(text);
      if (!sample_.label) fail("its .cls is no whole number from 0 on");
    } else if (std::find(kPictures.begin(), kPictures.end(), extension) !=
               kPictures.end()) {
      if (!sample_.picture.empty()) fail("has two pictures");
      sample_.picture = name;
      sample_.content = content;
    }
  }

  std::string shard_;
  Listing& listing_;
  Sample sample_;
};

}  // namespace

std::vector<std::string> expand_braces(const std::string& pattern,
                                       const std::string& where) {
  const size_t open = pattern.find('{');
  const size_t dots = pattern.find("..", open == std::string::npos ? 0 : open);
  const size_t close = pattern.find('}', dots == std::string::npos ? 0 : dots);
  if (open == std::string::npos || dots == std::string::npos ||
      close == std::string::npos) {
    return {pattern};
  }
  const std::string first = pattern.substr(open + 1, dots - open - 1);
  const std::string last = pattern.substr(dots + 2, close - dots - 2);
  const std::optional<int32_t> begin = parse_label(first);
  const std::optional<int32_t> end = parse_label(last);
  if (!begin || !end || *begin > *end || *end - *begin >= kMostShards) {
    throw UsageError(where + ": '" + printable(pattern) +
                     "': expected numbers like {000..146}");
  }
  std::vector<std::string> names;
  for (int32_t i = *begin; i <= *end; ++i) {
    std::string number = std::to_string(i);
    if (number.size() < first.size()) {
      number.insert(0, first.size() - number.size(), '0');
    }
    names.push_back(pattern.substr(0, open) + number +
                    pattern.substr(close + 1));
  }
  return names;
}

Listing list_shards(const DatasetSpec& spec) {
  check_files(spec);
  const auto archives = std::make_shared<std::vector<MappedFile>>();
  Listing listing;
  for (const auto& path : spec.files) {
    const MappedFile& file = archives->emplace_back(path);
    ShardLister lister(path.string(), listing);
    for_each_member(
        file.bytes(), path.string(),
        [&](std::string_view name, std::span<const std::byte> content) {
          lister.add(name, content);
        });
    lister.finish();
  }
  if (listing.files.empty()) {
    throw Error(spec.files.front().string() +
                ": holds no example: a picture (.jpg, .png, .webp) and a label "
                "(.cls) with the same name");
  }
  listing.archives = archives;
  return listing;
}

}  // namespace soup
