#include "core/zip.h"

#include <gtest/gtest.h>

#include "soup/error.h"
#include "support/expect_error.h"
#include "support/zip_bytes.h"

namespace soup {
namespace {

using testing::as_bytes;
using testing::as_text;
using testing::expect_error;
using testing::little;
using testing::zip;
using testing::ZipBytes;

ZipBytes two() { return zip({{"r/a", "12345"}, {"r/b", "xyz"}}); }

void refused(const std::string& bytes, const std::string& part) {
  const auto read = [&] { ZipArchive(as_bytes(bytes), "x.pt"); };
  expect_error<Error>(read, part);
  expect_error<Error>(read, "x.pt: ");
}

// `two` with `size` bytes at `at` replaced.
void refused_with(size_t at, uint64_t value, size_t size,
                  const std::string& part) {
  ZipBytes archive = two();
  archive.patch(at, value, size);
  refused(archive.bytes, part);
}

TEST(ZipArchive, FindsEntries) {
  const ZipBytes made = two();
  const ZipArchive archive(as_bytes(made.bytes), "x");
  ASSERT_NE(archive.find("r/b"), nullptr);
  EXPECT_EQ(as_text(archive.bytes(*archive.find("r/b"))), "xyz");
  EXPECT_EQ(as_text(archive.bytes(*archive.find("r/a"))), "12345");
  EXPECT_EQ(archive.find("r/c"), nullptr);
  EXPECT_EQ(archive.find("r/"), nullptr);
}

TEST(ZipArchive, ToleratesWhatTorchTolerates) {
  const std::string bytes = two().bytes;
  EXPECT_EQ(
      ZipArchive(as_bytes(bytes + "trailing bytes"), "x").entries().size(), 2U);
  // Sizes after the data, as torch writes them.
  ZipBytes made = two();
  made.patch(made.local[0] + 6, 0x0808, 2);
  made.patch(made.central[0] + 8, 0x0808, 2);
  made.patch(made.local[0] + 18, 0, 8);
  EXPECT_EQ(ZipArchive(as_bytes(made.bytes), "x").entries().size(), 2U);
  EXPECT_EQ(ZipArchive(as_bytes(zip({}).bytes), "x").entries().size(), 0U);
}

TEST(ZipArchive, RefusesAFileWithoutAnEnd) {
  refused("", "too short");
  refused("PK\5\6", "too short");
  const std::string bytes = two().bytes;
  refused(bytes.substr(0, bytes.size() - 1), "incomplete");
  refused(bytes + std::string(70000, ' '), "no end record");
}

TEST(ZipArchive, RefusesADirectoryInTheWrongPlace) {
  const ZipBytes made = two();
  refused_with(made.end + 16, made.central[0] + 1, 4, "not where its end");
  refused_with(made.end + 16, 0xfffffffe, 4, "not where its end");
  refused_with(made.end + 12, 5, 4, "not where its end");
  refused_with(made.end + 4, 1, 2, "spread over several files");
  refused_with(made.end + 8, 1, 2, "spread over several files");
  refused("junk" + made.bytes, "not where its end");
}

TEST(ZipArchive, RefusesAWrongCount) {
  ZipBytes more = two();
  more.patch(more.end + 8, 3, 2);
  more.patch(more.end + 10, 3, 2);
  refused(more.bytes, "fewer entries than");
  more.patch(more.end + 8, 1000, 2);
  more.patch(more.end + 10, 1000, 2);
  refused(more.bytes, "fewer entries than");
  more.patch(more.end + 8, 1, 2);
  more.patch(more.end + 10, 1, 2);
  refused(more.bytes, "bytes that belong to no entry");
}

TEST(ZipArchive, RefusesABrokenDirectory) {
  const ZipBytes made = two();
  refused_with(made.central[0], 0, 4, "damaged");
  refused_with(made.central[1] + 28, 9999, 2, "damaged");  // name
  refused_with(made.central[1] + 30, 9999, 2, "damaged");  // extra
  refused_with(made.central[1] + 32, 9999, 2, "damaged");  // comment
}

TEST(ZipArchive, RefusesEntriesOutsideTheFile) {
  const ZipBytes made = two();
  refused_with(made.central[0] + 42, 0xfffffff0, 4, "lies outside the file");
  refused_with(made.central[0] + 42, made.central[0] - 5, 4, "lies outside");
  refused_with(made.central[0] + 20, 0xfffffff0, 4, "lies outside");
  refused_with(made.local[0] + 26, 60000, 2, "lies outside");
  refused_with(made.local[0] + 28, 60000, 2, "lies outside");
}

TEST(ZipArchive, RefusesHeadersThatDisagree) {
  const ZipBytes made = two();
  refused_with(made.local[0], 0, 4, "'r/a' disagrees");
  refused_with(made.local[0] + 30, 'R', 1, "'r/a' disagrees");
  refused_with(made.local[0] + 8, 8, 2, "'r/a' disagrees");
  refused_with(made.local[0] + 18, 4, 4, "'r/a' disagrees");
  refused_with(made.local[0] + 22, 4, 4, "'r/a' disagrees");
  refused_with(made.local[0] + 18, 0, 4, "'r/a' disagrees");
}

TEST(ZipArchive, RefusesOverlaps) {
  ZipBytes made = two();
  // Both entries of the directory lead to the same bytes.
  made.patch(made.central[1] + 42, 0, 4);
  made.bytes[made.central[1] + 46 + 2] = 'a';
  for (size_t field : {20, 24}) made.patch(made.central[1] + field, 5, 4);
  refused(made.bytes, "overlap");
}

TEST(ZipArchive, RefusesANameThatComesTwice) {
  refused(zip({{"r/a", "1"}, {"r/a", "2"}}).bytes,
          "entry 'r/a' appears twice in the archive");
}

TEST(ZipArchive, RefusesToReadWhatIsNotStored) {
  ZipBytes made = two();
  made.patch(made.local[0] + 8, 8, 2);
  made.patch(made.central[0] + 10, 8, 2);
  const ZipArchive compressed(as_bytes(made.bytes), "x.pt");
  expect_error<Error>([&] { compressed.bytes(*compressed.find("r/a")); },
                      "x.pt: entry 'r/a' is compressed");
  for (uint64_t flag : {1, 1 << 6, 1 << 13}) {
    ZipBytes secret = two();
    secret.patch(secret.central[1] + 8, flag, 2);
    const ZipArchive archive(as_bytes(secret.bytes), "x.pt");
    expect_error<Error>([&] { archive.bytes(*archive.find("r/b")); },
                        "entry 'r/b' is encrypted");
  }
  ZipBytes sizes = two();
  sizes.patch(sizes.local[0] + 22, 6, 4);
  sizes.patch(sizes.central[0] + 24, 6, 4);
  const ZipArchive archive(as_bytes(sizes.bytes), "x.pt");
  expect_error<Error>([&] { archive.bytes(*archive.find("r/a")); },
                      "stored in 5 bytes, expected 6");
}

// `two` with zip64 end records whose fields are `entries`, `size`, `begin`.
std::string with_zip64(uint64_t entries, uint64_t size, uint64_t begin) {
  const ZipBytes made = two();
  std::string bytes = made.bytes.substr(0, made.end);
  bytes += "PK\6\6" + little(44, 8) + little(45, 2) + little(45, 2) +
           little(0, 8) + little(entries, 8) + little(entries, 8) +
           little(size, 8) + little(begin, 8);
  bytes += "PK\6\7" + little(0, 4) + little(made.end, 8) + little(1, 4);
  return bytes + "PK\5\6" + little(0, 4) + little(0xffff, 2) +
         little(0xffff, 2) + little(0xffffffff, 4) + little(0xffffffff, 4) +
         little(0, 2);
}

TEST(ZipArchive, ReadsZip64) {
  const ZipBytes made = two();
  const uint64_t size = made.end - made.central[0];
  const std::string good = with_zip64(2, size, made.central[0]);
  EXPECT_EQ(ZipArchive(as_bytes(good), "x").entries().size(), 2U);
  refused(with_zip64(2, size + 1, made.central[0]), "not where its end");
  refused(with_zip64(2, size, ~0ULL), "not where its end");
  refused(with_zip64(~0ULL, size, made.central[0]), "fewer entries");

  std::string bytes = good;
  bytes.replace(made.end + 56 + 8, 8, little(bytes.size(), 8));
  refused(bytes, "zip64 end record lies outside");
  bytes.replace(made.end + 56 + 8, 8, little(made.end - 4, 8));
  refused(bytes, "zip64 end record is damaged");
  bytes = good;
  bytes.replace(made.end + 76 + 8, 4, little(0x00030003, 4));
  refused(bytes, "end records of the zip archive disagree");
}

// One entry whose sizes and place stand in a zip64 field.
std::string with_zip64_entry(const std::string& field) {
  const std::string name = "r/a";
  const auto common = [&](size_t extra) {
    return little(0, 4) + little(0, 8) + little(0xffffffff, 4) +
           little(0xffffffff, 4) + little(name.size(), 2) + little(extra, 2);
  };
  std::string bytes = "PK\3\4" + little(45, 2) + common(0) + name + "12345";
  const size_t begin = bytes.size();
  bytes += "PK\1\2" + little(45, 2) + little(45, 2) + common(field.size()) +
           little(0, 10) + little(0xffffffff, 4) + name + field;
  const size_t length = bytes.size() - begin;
  return bytes + "PK\5\6" + little(0, 4) + little(1, 2) + little(1, 2) +
         little(length, 4) + little(begin, 4) + little(0, 2);
}

TEST(ZipArchive, ReadsZip64Fields) {
  const std::string values = little(5, 8) + little(5, 8) + little(0, 8);
  const std::string other = little(0x5455, 2) + little(1, 2) + "x";
  const std::string good =
      with_zip64_entry(other + little(1, 2) + little(24, 2) + values);
  const ZipArchive archive(as_bytes(good), "x");
  EXPECT_EQ(as_text(archive.bytes(*archive.find("r/a"))), "12345");

  refused(with_zip64_entry(little(1, 2) + little(16, 2) + values), "damaged");
  refused(with_zip64_entry(little(1, 2) + little(25, 2) + values), "damaged");
  refused(with_zip64_entry(""), "lies outside");
  refused(with_zip64_entry(little(1, 2) + little(24, 2) + little(~0ULL, 8) +
                           little(~0ULL, 8) + little(0, 8)),
          "lies outside");
  refused(with_zip64_entry(little(1, 2) + little(24, 2) + little(5, 8) +
                           little(5, 8) + little(~0ULL - 20, 8)),
          "lies outside");
}

TEST(ZipArchive, EscapesNamesInMessages) {
  refused(zip({{"\x1b[2J", "1"}, {"\x1b[2J", "2"}}).bytes, "'\\x1b[2J'");
}

}  // namespace
}  // namespace soup
