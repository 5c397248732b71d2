#include "core/sha256.h"

#include <gtest/gtest.h>

namespace soup {
namespace {

std::string hash(const std::string& text, size_t part) {
  Sha256 sha;
  const auto bytes = std::as_bytes(std::span(text));
  for (size_t i = 0; i < bytes.size(); i += part) {
    sha.add(bytes.subspan(i, std::min(part, bytes.size() - i)));
  }
  return sha.finish();
}

// Expected: FIPS 180-4's examples, and `sha256sum`.
TEST(Sha256, PrintsWhatSha256sumPrints) {
  EXPECT_EQ(hash("", 1),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(hash("abc", 1),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(
      hash("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 64),
      "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(hash(std::string(56, 'x'), 56),
            "04c26261370ee7541549d16dee320c723e3fd14671e66a099afe0a377c16888e");
  EXPECT_EQ(hash(std::string(64, 'x'), 64),
            "7ce100971f64e7001e8fe5a51973ecdfe1ced42befe7ee8d5fd6219506b5393c");
  EXPECT_EQ(hash(std::string(1'000'000, 'a'), 4096),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256, PartsDoNotMatter) {
  for (const size_t size : {55, 56, 63, 64, 65, 119, 120, 127, 128, 200}) {
    const std::string text(size, 'x');
    for (const size_t part : {1, 7, 63, 64, 65}) {
      EXPECT_EQ(hash(text, part), hash(text, size)) << size << " " << part;
    }
  }
}

}  // namespace
}  // namespace soup
