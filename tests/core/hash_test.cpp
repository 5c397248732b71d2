#include "core/hash.h"

#include <gtest/gtest.h>

namespace soup {
namespace {

// Expected: `printf abc | xxhsum -H2`, `xxhsum -H2 /dev/null`.
TEST(Hash, PrintsWhatXxhsumPrints) {
  constexpr std::string_view kText = "abc";
  EXPECT_EQ(hex(xxh3_128(std::as_bytes(std::span(kText)))),
            "06b05ab6733a618578af5f94892f3950");
  EXPECT_EQ(hex(xxh3_128({})), "99aa06d3014798d86001c324468d497f");
}

}  // namespace
}  // namespace soup
