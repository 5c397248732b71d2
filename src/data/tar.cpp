#include "data/tar.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>

#include "core/text.h"
#include "soup/error.h"

namespace soup {
namespace {

constexpr size_t kBlock = 512;
constexpr size_t kMostName = 1 << 16;

/// Fields of a header (POSIX.1-2008, pax: ustar interchange format).
struct Field {
  size_t begin;
  size_t size;
};
constexpr Field kName = {0, 100};
constexpr Field kSize = {124, 12};
constexpr Field kChecksum = {148, 8};
constexpr Field kMagic = {257, 5};
constexpr Field kPrefix = {345, 155};
constexpr size_t kType = 156;

/// Programs that compress archives whole.
struct Packing {
  std::string_view unpack;  ///< the command
  std::string_view magic;
  size_t at = 0;  ///< where the magic stands
};
constexpr std::array kPackings = {
    Packing{"gunzip", "\x1f\x8b"}, Packing{"bunzip2", "1AY&SY", 4},
    Packing{"unxz", "\xfd\x37zXZ"}, Packing{"unzstd", "\x28\xb5\x2f\xfd"},
    Packing{"unlz4", "\x04\x22\x4d\x18"}};

class TarReader {
 public:
  TarReader(std::span<const std::byte> archive, const std::string& where)
      : archive_(archive), where_(where) {}

  void walk(const std::function<void(std::string_view,
                                     std::span<const std::byte>)>& use) {
    check_packing();
    while (at_ < archive_.size()) {
      header_ = take(kBlock);
      if (is_zero()) return;  // two such blocks end an archive; one will do
      check_sum();
      const std::span<const std::byte> content = take_content();
      switch (static_cast<char>(header_[kType])) {
        case 'L':
          long_name_ = text_of(content);
          break;
        case 'x':
          read_pax(content);
          break;
        case '0':
        case '7':
        case '\0':
          use(member_name(), content);
          forget();
          break;
        case 'S':
          fail("a sparse file");
        default:
          // Folders, links and devices hold no data; of `g` nothing is used.
          forget();
      }
    }
    if (at_ == 0) fail("is empty");
    fail("is cut short: has no block of zeros, with which archives end");
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw Error(where_ + ": " + what + ", at byte " + std::to_string(at_) +
                " of the tar archive");
  }

  void check_packing() const {
    const std::string_view text(reinterpret_cast<const char*>(archive_.data()),
                                archive_.size());
    for (const Packing& packing : kPackings) {
      if (text.substr(std::min(packing.at, text.size()))
              .starts_with(packing.magic)) {
        throw Error(where_ + ": is compressed; unpack it once (" +
                    std::string(packing.unpack) +
                    "): pictures are read where they lie in a plain .tar");
      }
    }
  }

  std::span<const std::byte> take(size_t size) {
    if (size > archive_.size() - at_) fail("cut short");
    const auto part = archive_.subspan(at_, size);
    at_ += size;
    return part;
  }

  std::string_view field(Field f) const {
    const std::string_view text(
        reinterpret_cast<const char*>(header_.data()) + f.begin, f.size);
    return text.substr(0, std::min(text.find('\0'), text.size()));
  }

  bool is_zero() const {
    return std::all_of(header_.begin(), header_.end(),
                       [](std::byte b) { return b == std::byte{0}; });
  }

  uint64_t octal(Field f) const {
    std::string_view text = field(f);
    while (text.starts_with(' ')) text.remove_prefix(1);
    while (text.ends_with(' ')) text.remove_suffix(1);
    uint64_t value = 0;
    const char* const last = text.data() + text.size();
    const auto [end, error] = std::from_chars(text.data(), last, value, 8);
    if (error != std::errc() || end != last) fail("a damaged header");
    return value;
  }

  // The sum of the header's bytes with its own field taken for blanks.
  void check_sum() const {
    uint64_t sum = kChecksum.size * ' ';
    for (size_t i = 0; i < kBlock; ++i) {
      const bool own =
          i >= kChecksum.begin && i < kChecksum.begin + kChecksum.size;
      if (!own) sum += std::to_integer<uint64_t>(header_[i]);
    }
    if (sum != octal(kChecksum)) fail("is no tar archive, or damaged");
  }

  // Sizes of 8 GB and more are binary, big-endian, in GNU's form.
  uint64_t size() const {
    if (pax_size_ != 0) return pax_size_;
    if ((header_[kSize.begin] & std::byte{0x80}) == std::byte{0}) {
      return octal(kSize);
    }
    uint64_t value = 0;
    for (size_t i = 4; i < kSize.size; ++i) {
      value = value << 8 | std::to_integer<uint64_t>(header_[kSize.begin + i]);
    }
    return value;
  }

  std::span<const std::byte> take_content() {
    const uint64_t bytes = size();
    if (bytes > archive_.size() - at_) fail("a member that is cut short");
    const auto content = take(bytes);
    at_ = std::min(archive_.size(), (at_ + kBlock - 1) / kBlock * kBlock);
    return content;
  }

  std::string text_of(std::span<const std::byte> content) const {
    if (content.size() > kMostName) fail("a name of more than 64 KB");
    const std::string text(reinterpret_cast<const char*>(content.data()),
                           content.size());
    return text.substr(0, text.find('\0'));
  }

  // Records "LENGTH KEY=VALUE\n"; the length counts the whole record.
  void read_pax(std::span<const std::byte> content) {
    std::string_view rest(reinterpret_cast<const char*>(content.data()),
                          content.size());
    while (!rest.empty()) {
      size_t length = 0;
      const auto [end, error] =
          std::from_chars(rest.data(), rest.data() + rest.size(), length);
      const auto digits = static_cast<size_t>(end - rest.data());
      if (error != std::errc() || length > rest.size() || length < digits + 3 ||
          rest[length - 1] != '\n') {
        fail("a damaged pax header");
      }
      const std::string_view record =
          rest.substr(digits + 1, length - digits - 2);
      rest.remove_prefix(length);
      use_pax(record);
    }
  }

  void use_pax(std::string_view record) {
    const size_t equals = record.find('=');
    if (equals == std::string_view::npos) fail("a damaged pax header");
    const std::string_view value = record.substr(equals + 1);
    const std::string_view key = record.substr(0, equals);
    if (key.starts_with("GNU.sparse")) fail("a sparse file");
    if (key == "path") {
      if (value.size() > kMostName) fail("a name of more than 64 KB");
      long_name_ = value;
    }
    if (key == "size") {
      const char* const last = value.data() + value.size();
      const auto [end, error] = std::from_chars(value.data(), last, pax_size_);
      if (error != std::errc() || end != last) fail("a damaged pax header");
    }
  }

  std::string member_name() const {
    if (!long_name_.empty()) return long_name_;
    const std::string name(field(kName));
    const bool ustar = field(kMagic) == "ustar";
    const std::string prefix(ustar ? field(kPrefix) : std::string_view());
    return prefix.empty() ? name : prefix + "/" + name;
  }

  void forget() {
    long_name_.clear();
    pax_size_ = 0;
  }

  std::span<const std::byte> archive_;
  const std::string& where_;
  size_t at_ = 0;
  std::span<const std::byte> header_;
  std::string long_name_;  ///< of the next member
  uint64_t pax_size_ = 0;  ///< of the next member; 0: its own header says
};

}  // namespace

void for_each_member(
    std::span<const std::byte> archive, const std::string& where,
    const std::function<void(std::string_view, std::span<const std::byte>)>&
        use) {
  TarReader(archive, where).walk(use);
}

}  // namespace soup
