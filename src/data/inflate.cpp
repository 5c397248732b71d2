#include "data/inflate.h"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <limits>
#include <vector>

#include "core/file.h"
#include "soup/error.h"

namespace soup {
namespace {

// deflate's best case: 258 bytes from two bits.
constexpr int64_t kMostRatio = 1032;
constexpr size_t kMostAtOnce = std::numeric_limits<uInt>::max();
constexpr int kGzipOnly = 16 + MAX_WBITS;
constexpr size_t kBlock = 1 << 16;

void set_buffers(z_stream& stream, std::span<const std::byte> in,
                 std::span<std::byte> out) {
  stream.next_in = reinterpret_cast<Bytef*>(
      const_cast<std::byte*>(in.data()));  // zlib does not write to it
  stream.avail_in = static_cast<uInt>(in.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
}

bool is_gzip(std::span<const std::byte> bytes) {
  return bytes.size() >= 2 && bytes[0] == std::byte{0x1f} &&
         bytes[1] == std::byte{0x8b};
}

}  // namespace

struct ByteReader::State {
  explicit State(const std::filesystem::path& path)
      : file(path), rest(file.bytes()), gzip(is_gzip(rest)) {
    if (gzip && inflateInit2(&stream, kGzipOnly) != Z_OK) {
      throw Error(path.string() + ": cannot unpack: out of memory");
    }
  }
  ~State() {
    if (gzip) inflateEnd(&stream);
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;

  [[noreturn]] void fail(const std::string& what) const {
    throw Error(file.path().string() + ": " + what);
  }

  MappedFile file;
  std::span<const std::byte> rest;
  bool gzip;
  bool member_ended = false;
  z_stream stream = {};
};

ByteReader::ByteReader(const std::filesystem::path& path)
    : state_(std::make_unique<State>(path)) {}

ByteReader::~ByteReader() = default;

int64_t ByteReader::most() const {
  if (!state_->gzip) return std::ssize(state_->rest);
  return std::ssize(state_->file.bytes()) * kMostRatio;
}

size_t ByteReader::read_some(std::span<std::byte> out) {
  State& s = *state_;
  if (!s.gzip) {
    const size_t count = std::min(out.size(), s.rest.size());
    std::copy_n(s.rest.begin(), count, out.begin());
    s.rest = s.rest.subspan(count);
    return count;
  }
  while (!s.rest.empty() || !s.member_ended) {
    if (s.member_ended) {  // gzip files may be joined end to end
      if (!is_gzip(s.rest)) s.fail("bytes behind the end of the gzip stream");
      inflateReset(&s.stream);
      s.member_ended = false;
    }
    const size_t given = std::min(s.rest.size(), kMostAtOnce);
    const size_t wanted = std::min(out.size(), kMostAtOnce);
    set_buffers(s.stream, s.rest.first(given), out.first(wanted));
    const int code = ::inflate(&s.stream, Z_NO_FLUSH);
    s.rest = s.rest.subspan(given - s.stream.avail_in);
    s.member_ended = code == Z_STREAM_END;
    const size_t count = wanted - s.stream.avail_out;
    if (code == Z_BUF_ERROR || (code == Z_OK && s.rest.empty() && count == 0)) {
      s.fail("the gzip stream is cut short");
    }
    if (code != Z_OK && code != Z_STREAM_END) {
      s.fail(std::string("broken gzip stream: ") +
             (s.stream.msg != nullptr ? s.stream.msg : "unknown"));
    }
    if (count > 0) return count;
  }
  return 0;
}

void ByteReader::read(std::span<std::byte> out) {
  while (!out.empty()) {
    const size_t count = read_some(out);
    if (count == 0) state_->fail("ends before all of its values");
    out = out.subspan(count);
  }
}

void ByteReader::skip(int64_t count) {
  std::vector<std::byte> block(kBlock);
  while (count > 0) {
    const auto part =
        static_cast<size_t>(std::min<int64_t>(count, std::ssize(block)));
    read(std::span(block).first(part));
    count -= static_cast<int64_t>(part);
  }
}

bool ByteReader::at_end() {
  std::array<std::byte, 1> one{};
  return read_some(one) == 0;
}

std::vector<std::byte> inflate(std::span<const std::byte> packed, uint64_t size,
                               const std::string& where) {
  if (size / kMostRatio > packed.size()) {
    throw Error(where + ": claims to unpack to " + std::to_string(size) +
                " bytes, more than its " + std::to_string(packed.size()) +
                " can hold");
  }
  z_stream stream = {};
  if (inflateInit2(&stream, -MAX_WBITS) != Z_OK) {
    throw Error(where + ": cannot unpack: out of memory");
  }
  const auto end = [](z_stream* s) { inflateEnd(s); };
  const std::unique_ptr<z_stream, decltype(end)> ended(&stream, end);
  std::vector<std::byte> out;
  size_t made = 0;
  int code = Z_OK;
  while (code == Z_OK && made <= size) {
    // One more than there may be shows a stream that is too long.
    if (made == out.size()) out.resize(std::min(size + 1, 2 * made + kBlock));
    const size_t given = std::min(packed.size(), kMostAtOnce);
    const size_t wanted = std::min(out.size() - made, kMostAtOnce);
    set_buffers(stream, packed.first(given),
                std::span(out).subspan(made, wanted));
    code = ::inflate(&stream, Z_NO_FLUSH);
    packed = packed.subspan(given - stream.avail_in);
    made += wanted - stream.avail_out;
  }
  if (code != Z_STREAM_END || made != size || !packed.empty()) {
    throw Error(where + ": is damaged: does not unpack to the " +
                std::to_string(size) + " bytes that it claims");
  }
  out.resize(made);
  return out;
}

void check_crc(std::span<const std::byte> bytes, uint32_t expected,
               const std::string& where) {
  const auto* const first = reinterpret_cast<const Bytef*>(bytes.data());
  if (crc32_z(0, first, bytes.size()) != expected) {
    throw Error(where + ": is damaged: its checksum is another");
  }
}

}  // namespace soup
