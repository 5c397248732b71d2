#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>
#include <string_view>

#include "soup/checkpoint.h"
#include "support/bytes.h"

/// Bytes made by hand.
namespace soup::testing {

/// A safetensors file with this header and this many bytes of values.
inline std::string safetensors(const std::string& json, size_t values) {
  return little(json.size(), 8) + json + std::string(values, 'v');
}

inline void put(const std::filesystem::path& path, std::string_view bytes) {
  std::ofstream(path, std::ios::binary)
      .write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

inline std::string get(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// The values that scripts/make_checkpoint_fixtures.py gives to tensors.
inline std::string fixture_values(const TensorInfo& tensor) {
  std::string out;
  const int64_t modulus = tensor.dtype == DType::kBool ? 2 : 251;
  for (int64_t i = 0; i < tensor.bytes(); ++i) {
    out += static_cast<char>(i % modulus);
  }
  return out;
}

/// The values of the tensor called `name`.
inline std::string values_of(const Checkpoint& checkpoint,
                             std::string_view name) {
  const std::optional<size_t> index = checkpoint.find(name);
  if (!index) {
    ADD_FAILURE() << "no tensor called " << name;
    return "";
  }
  return as_text(checkpoint.read(*index).bytes());
}

inline std::filesystem::path fixture(const std::string& name) {
  return std::filesystem::path(SOUP_TEST_DATA) / "checkpoint" / name;
}

}  // namespace soup::testing
