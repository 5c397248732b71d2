#include "data/shards.h"

#include <gtest/gtest.h>

#include "data/fixtures.h"
#include "data/tar.h"
#include "soup/error.h"
#include "support/expect_error.h"
#include "support/temp_folder.h"

namespace soup {
namespace {

namespace fs = std::filesystem;
using testing::expect_error;
using testing::write_bytes;

// scripts/make_shard_fixtures.py wrote them.
fs::path shard(const std::string& name) {
  return fs::path(SOUP_TEST_DATA) / "shards" / name;
}

std::string octal(uint64_t value, int width) {
  std::string text;
  for (int i = 0; i < width; ++i, value /= 8) {
    text.insert(text.begin(), static_cast<char>('0' + value % 8));
  }
  return text;
}

struct Member {
  std::string name;
  std::string content = {};
  char type = '0';
  uint64_t size = 0;  // 0: that of the content
};

std::string tar(const std::vector<Member>& members) {
  std::string out;
  for (const Member& member : members) {
    std::string header(512, '\0');
    header.replace(0, member.name.size(), member.name);
    const uint64_t size =
        member.size == 0 ? member.content.size() : member.size;
    header.replace(124, 11, octal(size, 11));
    header[156] = member.type;
    header.replace(148, 8, "        ");
    uint64_t sum = 0;
    for (const char c : header) sum += static_cast<uint8_t>(c);
    header.replace(148, 6, octal(sum, 6));
    header[154] = '\0';
    out += header + member.content;
    out.resize((out.size() + 511) / 512 * 512);
  }
  return out + std::string(1024, '\0');
}

using Members = std::vector<std::pair<std::string, std::string>>;

Members members_of(const std::string& archive) {
  Members members;
  for_each_member(
      std::as_bytes(std::span(archive)), "x.tar",
      [&](std::string_view name, std::span<const std::byte> content) {
        members.emplace_back(
            name, std::string(reinterpret_cast<const char*>(content.data()),
                              content.size()));
      });
  return members;
}

void expect_refused(const std::string& archive, const std::string& message) {
  expect_error<Error>([&] { members_of(archive); }, "x.tar: " + message);
}

TEST(Tar, ReadsFilesAndPassesOverTheRest) {
  EXPECT_EQ(members_of(tar({{"a/", "", '5'},
                            {"a/x", "one"},
                            {"link", "", '2'},
                            {"a/y", "", '\0'}})),
            (Members{{"a/x", "one"}, {"a/y", ""}}));
}

TEST(Tar, ExtendedNamesAndSizes) {
  const std::string name(300, 'n');
  EXPECT_EQ(members_of(tar({{"././@LongLink", name + '\0', 'L'}, {"x", "1"}})),
            (Members{{name, "1"}}));
  EXPECT_EQ(members_of(tar({{"pax", "12 path=a/b\n9 size=1\n", 'x'},
                            {"short", "1", '0', 0}})),
            (Members{{"a/b", "1"}}));
  // Only of the next member.
  EXPECT_EQ(members_of(tar({{"L", "long", 'L'}, {"x", "1"}, {"y", "2"}})),
            (Members{{"long", "1"}, {"y", "2"}}));
}

TEST(Tar, DamageIsNamed) {
  expect_refused("", "is empty");
  expect_refused(std::string(100, 'x'), "cut short");
  expect_refused(std::string(512, 'x'), "a damaged header");
  std::string changed = tar({{"a", "one"}});
  changed[0] = 'b';
  expect_refused(changed, "is no tar archive, or damaged");
  expect_refused(tar({{"a", "one", '0', 1 << 20}}), "a member that is cut");
  expect_refused(tar({{"a", "", 'S'}}), "a sparse file");
  for (const char* pax : {"x", "5 path=a\n", "99 path=a\n", "0 a=b\n",
                          "11 size=x1\n", "8 patha\n", "1\n"}) {
    expect_refused(tar({{"p", pax, 'x'}, {"a", "one"}}), "a damaged pax");
  }
  // The size of a member as pax states it is believed no more than others.
  expect_refused(tar({{"p", "29 size=18446744073709551615\n", 'x'}, {"a"}}),
                 "a member that is cut short");
}

TEST(Tar, EveryCutIsAnError) {
  const std::string whole = tar({{"a", "one"}, {"b", std::string(700, 'x')}});
  const size_t end = whole.size() - 1024;  // of the members
  for (size_t size = 1; size < end + 512; ++size) {
    EXPECT_THROW(members_of(whole.substr(0, size)), Error) << size;
  }
  // With one of the two blocks of zeros all that counts is there.
  EXPECT_EQ(members_of(whole.substr(0, end + 512)).size(), 2U);
  for (const size_t boundary : {size_t{1024}, end}) {
    expect_refused(whole.substr(0, boundary),
                   "is cut short: has no block of zeros, with which archives "
                   "end, at byte " +
                       std::to_string(boundary));
  }
}

TEST(Tar, CompressedArchivesAreToBeUnpacked) {
  expect_refused(testing::gzip(tar({{"a", "one"}})),
                 "is compressed; unpack it once (gunzip)");
  expect_refused("BZh91AY&SY", "is compressed; unpack it once (bunzip2)");
  expect_refused("\x28\xb5\x2f\xfd", "is compressed; unpack it once (unzstd)");
}

DatasetSpec spec_of(const fs::path& file) {
  DatasetSpec spec;
  spec.name = "shards";
  spec.loader = "webdataset";
  spec.files = {file};
  return spec;
}

TEST(Shards, ReadWhatPythonWrites) {
  for (const char* kind : {"ustar.tar", "gnu.tar", "pax.tar"}) {
    SCOPED_TRACE(kind);
    const Listing listing = list_shards(spec_of(shard(kind)));
    ASSERT_EQ(listing.files.size(), 3U);
    EXPECT_EQ(listing.labels, (std::vector<Labels>{{3}, {12}, {0}}));
    EXPECT_EQ(listing.files[1], shard(kind).string() + ": a/0002.PNG");
    const std::string first =
        testing::read_bytes(testing::pictures_folder() / "420.jpg");
    EXPECT_TRUE(std::ranges::equal(listing.contents[0],
                                   std::as_bytes(std::span(first))));
  }
}

TEST(Shards, PicturesAreThoseOfFiles) {
  const Examples examples =
      load_examples(spec_of(shard("pax.tar")), {3, 8, 8}, {});
  EXPECT_EQ(examples.count, 3);
  testing::TempFolder folder;
  fs::create_directories(folder / "0");
  fs::copy_file(testing::pictures_folder() / "420.jpg", folder / "0/a.jpg");
  fs::copy_file(testing::pictures_folder() / "rgb.png", folder / "0/b.png");
  fs::copy_file(testing::pictures_folder() / "444.jpg", folder / "0/c.jpg");
  DatasetSpec files;
  files.loader = "folders";
  files.path = folder.path();
  EXPECT_EQ(examples.pixels, load_examples(files, {3, 8, 8}, {}).pixels);
}

TEST(Shards, WhatIsMissingIsNamed) {
  const auto refused = [](const std::vector<Member>& members,
                          const std::string& message) {
    testing::TempFolder folder;
    write_bytes(folder / "s.tar", tar(members));
    expect_error<Error>([&] { list_shards(spec_of(folder / "s.tar")); },
                        (folder / "s.tar").string() + message);
  };
  refused({{"a/1.jpg", "x"}},
          ": a/1: has a picture, but no label (.cls) next to it");
  refused({{"a/1.cls", "1"}, {"a/2.cls", "1"}}, ": a/1: has a label, but no");
  refused({{"1.cls", "cat"}}, ": 1: its .cls is no whole number");
  refused({{"1.cls", "1"}, {"1.cls", "2"}}, ": 1: has two labels");
  refused({{"1.jpg", "1"}, {"1.png", "2"}}, ": 1: has two pictures");
  refused({{"notes.txt", "1"}}, ": holds no example");
}

TEST(Shards, ACutBetweenPictureAndLabelIsACut) {
  testing::TempFolder folder;
  const std::string whole = tar({{"1.jpg", "x"}, {"1.cls", "0"}});
  write_bytes(folder / "s.tar", whole.substr(0, 1024));
  expect_error<Error>([&] { list_shards(spec_of(folder / "s.tar")); },
                      "s.tar: is cut short");
}

TEST(Shards, BracesAreNumbers) {
  EXPECT_EQ(expand_braces("a-{008..011}.tar", "x"),
            (std::vector<std::string>{"a-008.tar", "a-009.tar", "a-010.tar",
                                      "a-011.tar"}));
  EXPECT_EQ(expand_braces("plain.tar", "x"),
            (std::vector<std::string>{"plain.tar"}));
  for (const char* wrong : {"{a..b}", "{3..1}", "{0..99999999}", "{..}"}) {
    expect_error<UsageError>([&] { expand_braces(wrong, "x"); },
                             "expected numbers like {000..146}");
  }
}

}  // namespace
}  // namespace soup
