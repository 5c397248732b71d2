#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace soup {

/// The bytes of a file from its beginning, unpacked when it is gzipped
/// (decided by its first bytes). Not thread-safe.
class ByteReader {
 public:
  /// Throws Error when the file cannot be opened.
  explicit ByteReader(const std::filesystem::path& path);
  ~ByteReader();
  ByteReader(const ByteReader&) = delete;
  ByteReader& operator=(const ByteReader&) = delete;

  /// No more than that can follow: what claims more is a lie.
  int64_t most() const;
  /// Fills the beginning of `out`, which is not empty; returns how much of it:
  /// 0 only at the end. Throws as read() does.
  size_t read_some(std::span<std::byte> out);
  /// Fills `out`. Throws Error naming the file when it ends before, or when
  /// the gzip stream is broken.
  void read(std::span<std::byte> out);
  /// Passes over `count` bytes.
  void skip(int64_t count);
  /// True when nothing follows. Checks the sums of a gzip stream.
  bool at_end();

 private:
  struct State;

  std::unique_ptr<State> state_;
};

/// Unpacks a deflate stream (RFC 1951) of `size` bytes when unpacked. Memory
/// grows with what is really there. Throws Error naming `where` when the stream
/// is broken or of another size.
std::vector<std::byte> inflate(std::span<const std::byte> packed, uint64_t size,
                               const std::string& where);

/// Throws Error naming `where` when the CRC-32 of `bytes` is another.
void check_crc(std::span<const std::byte> bytes, uint32_t expected,
               const std::string& where);

}  // namespace soup
