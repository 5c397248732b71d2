#include "data/npz.h"

#include <gtest/gtest.h>

#include "data/fixtures.h"
#include "data/inflate.h"
#include "soup/error.h"
#include "support/bytes.h"
#include "support/expect_error.h"
#include "support/zip_bytes.h"

namespace soup {
namespace {

using testing::as_bytes;
using testing::deflated;
using testing::expect_error;
using testing::npy;
using testing::npz;
using testing::ZipBytes;

const std::string& array() {
  static const std::string made = npy("|u1", "(1000,)", std::string(1000, 'x'));
  return made;
}

Array read(const ZipBytes& file, const std::string& name = "a") {
  return Npz(as_bytes(file.bytes), "x.npz", nullptr).read(name);
}

void refused(const ZipBytes& file, const std::string& part) {
  expect_error<Error>([&] { read(file); }, "x.npz: array 'a': " + part);
}

TEST(Npz, ReadsStoredAndDeflatedArrays) {
  for (const bool packed : {false, true}) {
    const ZipBytes file =
        npz({{"b.npy", array()}, {"a.npy", array()}, {"README", "?"}}, packed);
    EXPECT_EQ(Npz(as_bytes(file.bytes), "x", nullptr).names(),
              (std::vector<std::string>{"a", "b"}));
    EXPECT_EQ(testing::as_text(read(file, "b").values), std::string(1000, 'x'));
  }
}

TEST(Npz, NamesWhatIsThere) {
  const ZipBytes file = npz({{"x.npy", array()}, {"y.npy", array()}}, false);
  expect_error<Error>([&] { read(file); },
                      "x.npz: has no array 'a', only x, y");
  expect_error<Error>(
      [&] {
        read(npz({{"x", ""}}, false));
      },
      "x.npz: has no array 'a'");
}

TEST(Npz, DamageIsNoticed) {
  for (const bool packed : {false, true}) {
    ZipBytes file = npz({{"a.npy", array()}}, packed);
    file.patch(file.central[0] + 16, 1, 4);
    refused(file, "is damaged: its checksum is another");
  }
  ZipBytes file = npz({{"a.npy", array()}}, true);
  file.patch(file.local[0] + 30 + 5 + 2, 0xffff, 2);
  refused(file, "is damaged");
  ZipBytes other = npz({{"a.npy", array()}}, true);
  for (const size_t at : {other.local[0] + 8, other.central[0] + 10}) {
    other.patch(at, 12, 2);
  }
  refused(other, "is packed by method 12, expected deflate");
}

TEST(Inflate, TakesNoOtherSizeThanTheClaimed) {
  const std::string text(100'000, 'x');
  const std::string packed = deflated(text);
  EXPECT_EQ(testing::as_text(inflate(as_bytes(packed), text.size(), "x")),
            text);
  for (const uint64_t size :
       {uint64_t{0}, uint64_t{99'999}, uint64_t{100'001}}) {
    expect_error<Error>([&] { inflate(as_bytes(packed), size, "x"); },
                        "x: is damaged: does not unpack to the " +
                            std::to_string(size) + " bytes");
  }
  expect_error<Error>(
      [&] { inflate(as_bytes(packed), uint64_t{1} << 60, "x"); },
      "x: claims to unpack to");
  EXPECT_THROW(inflate(as_bytes(packed + "x"), text.size(), "x"), Error);
  for (size_t size = 0; size < packed.size(); ++size) {
    EXPECT_THROW(inflate(as_bytes(packed).first(size), text.size(), "x"),
                 Error);
  }
  EXPECT_TRUE(inflate(as_bytes(deflated("")), 0, "x").empty());
}

}  // namespace
}  // namespace soup
