#pragma once

#include <zlib.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/json.h"
#include "data/picture.h"
#include "support/zip_bytes.h"

namespace soup::testing {

inline std::filesystem::path pictures_folder() {
  return std::filesystem::path(SOUP_TEST_DATA) / "pictures";
}

/// What scripts/make_picture_fixtures.py wrote.
inline nlohmann::ordered_json expected_pictures() {
  return read_json(pictures_folder() / "expected.json");
}

inline uint32_t checksum(std::span<const uint8_t> bytes, uint32_t start = 0) {
  return static_cast<uint32_t>(
      crc32(start, bytes.data(), static_cast<uInt>(bytes.size())));
}

/// The generator of scripts/make_picture_fixtures.py.
class Draw {
 public:
  explicit Draw(uint64_t seed) : state_(seed) {}
  /// In [1, limit].
  int64_t size(int64_t limit) {
    state_ = state_ * 6364136223846793005U + 1442695040888963407U;
    return 1 +
           static_cast<int64_t>((state_ >> 33) % static_cast<uint64_t>(limit));
  }

 private:
  uint64_t state_;
};

/// The same pixels as noise() of the script.
inline Picture noise(int64_t width, int64_t height, int64_t channels) {
  Picture picture{
      .height = height, .width = width, .channels = channels, .pixels = {}};
  for (int64_t i = 0; i < width * height * channels; ++i) {
    const uint32_t mixed = static_cast<uint32_t>(i) * 2654435761U;
    picture.pixels.push_back(static_cast<uint8_t>(mixed >> 24));
  }
  return picture;
}

inline void write_bytes(const std::filesystem::path& path,
                        std::string_view bytes) {
  std::filesystem::create_directories(path.parent_path());
  std::ofstream file(path, std::ios::binary);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

inline std::string read_bytes(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

inline std::string gzip(std::string_view text) {
  z_stream stream = {};
  deflateInit2(&stream, 9, Z_DEFLATED, 16 + MAX_WBITS, 9, Z_DEFAULT_STRATEGY);
  std::string out(deflateBound(&stream, text.size()), '\0');
  std::string in(text);
  stream.next_in = reinterpret_cast<Bytef*>(in.data());
  stream.avail_in = static_cast<uInt>(in.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

/// An IDX file of bytes.
inline std::string idx(const std::vector<uint32_t>& shape,
                       std::string_view values) {
  std::string out = {'\0', '\0', '\x08', static_cast<char>(shape.size())};
  for (uint32_t size : shape) {
    for (int shift : {24, 16, 8, 0}) {
      out.push_back(static_cast<char>(size >> shift & 0xff));
    }
  }
  return out.append(values);
}

/// A NumPy array of format version 1.
inline std::string with_header(const std::string& header,
                               const std::string& values) {
  std::string out("\x93NUMPY\x01\0", 8);
  out += static_cast<char>(header.size() & 0xff);
  out += static_cast<char>(header.size() >> 8);
  return out + header + values;
}

/// As numpy.save writes it.
inline std::string npy(const std::string& descr, const std::string& shape,
                       const std::string& values) {
  return with_header("{'descr': '" + descr +
                         "', 'fortran_order': False, 'shape': " + shape +
                         ", }     \n",
                     values);
}

/// A deflate stream without a frame.
inline std::string deflated(std::string_view text) {
  const std::string framed = gzip(text);
  return framed.substr(10, framed.size() - 18);  // header, sums
}

/// As numpy.savez writes it, or numpy.savez_compressed.
inline ZipBytes npz(
    const std::vector<std::pair<std::string, std::string>>& members,
    bool packed) {
  auto entries = members;
  if (packed) {
    for (auto& [name, content] : entries) content = deflated(content);
  }
  ZipBytes file = zip(entries);
  for (size_t i = 0; i < members.size(); ++i) {
    const std::string& content = members[i].second;
    const auto* const first = reinterpret_cast<const uint8_t*>(content.data());
    for (const size_t common : {file.local[i] + 6, file.central[i] + 8}) {
      file.patch(common + 2, packed ? 8 : 0, 2);
      file.patch(common + 8, checksum({first, content.size()}), 4);
      file.patch(common + 16, content.size(), 4);
    }
  }
  return file;
}

template <typename T>
std::string bytes_of(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()),
          values.size() * sizeof(T)};
}

/// The values of `values` in one dimension, or in `shape`.
template <typename T>
std::string npy(const std::string& descr, const std::vector<T>& values,
                const std::string& shape = {}) {
  const std::string line = "(" + std::to_string(values.size()) + ",)";
  return npy(descr, shape.empty() ? line : shape, bytes_of(values));
}

}  // namespace soup::testing
