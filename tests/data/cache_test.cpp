#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <thread>

#include "core/hash.h"
#include "core/log.h"
#include "data/cache_folder.h"
#include "data/fixtures.h"
#include "data/picture_file.h"
#include "data/sources.h"
#include "soup/data.h"
#include "soup/error.h"
#include "support/expect_error.h"
#include "support/temp_folder.h"

namespace soup {
namespace {

namespace fs = std::filesystem;
using testing::expect_error;
using testing::read_bytes;
using testing::write_bytes;

constexpr PictureShape kShape = {.channels = 3, .height = 8, .width = 8};

/// Three pictures in two classes, and a cache.
class Cache : public ::testing::Test {
 protected:
  Cache() {
    log::set_level(log::Level::kQuiet);
    put("rgb.png", "a/1.png");
    put("420.jpg", "a/2.jpg");
    put("lossy.webp", "b/3.webp");
    spec_.name = "tiny";
    spec_.loader = "folders";
    spec_.path = folder_ / "data";
    cache_.folder = folder_ / "cache";
    plain_ = load_examples(spec_, kShape, {});
  }
  ~Cache() override { log::set_level(log::Level::kNormal); }

  void put(const std::string& picture, const std::string& to) {
    write_bytes(folder_ / "data" / to,
                read_bytes(testing::pictures_folder() / picture));
  }

  Examples load() { return load_examples(spec_, kShape, {}, cache_); }

  std::vector<uint8_t> pixels(const Examples& examples) {
    std::vector<uint8_t> all;
    for (int64_t i = 0; i < examples.count; ++i) {
      const auto one = examples.picture(i);
      all.insert(all.end(), one.begin(), one.end());
    }
    return all;
  }

  /// The only file of decoded pictures.
  fs::path file() {
    std::vector<fs::path> found;
    for (const auto& entry : fs::directory_iterator(cache_.folder)) {
      found.push_back(entry.path());
    }
    EXPECT_EQ(found.size(), 1);
    return found.at(0);
  }

  /// Which file it is: another one after every writing.
  ino_t inode() {
    struct stat status {};
    EXPECT_EQ(stat(file().c_str(), &status), 0);
    return status.st_ino;
  }

  void expect_the_same() {
    const Examples examples = load();
    EXPECT_EQ(pixels(examples), pixels(plain_));
    EXPECT_EQ(examples.content, plain_.content);
    EXPECT_EQ(examples.labels, plain_.labels);
    EXPECT_EQ(examples.resized, plain_.resized);
    EXPECT_EQ(examples.paths, plain_.paths);
  }

  void overwrite(int64_t offset, std::string_view bytes) {
    std::string all = read_bytes(file());
    all.replace(static_cast<size_t>(offset), bytes.size(), bytes);
    write_bytes(file(), all);
  }

  testing::TempFolder folder_;
  DatasetSpec spec_;
  PictureCache cache_;
  Examples plain_;
};

TEST_F(Cache, GivesThePixelsOfDecodingWithoutDecoding) {
  expect_the_same();
  const ino_t made = inode();
  EXPECT_NE(load().kept, nullptr);
  expect_the_same();
  EXPECT_EQ(inode(), made);
}

TEST_F(Cache, NoticesAReplacedPicture) {
  load();
  const fs::path picture = folder_ / "data/a/1.png";
  const fs::file_time_type before = fs::last_write_time(picture);
  const auto size = fs::file_size(picture);
  put("420.jpg", "a/1.png");
  fs::last_write_time(picture, before);
  plain_ = load_examples(spec_, kShape, {});
  expect_the_same();
  // As large as before and with the times of before.
  std::string bytes = read_bytes(picture);
  bytes.resize(std::max<size_t>(size, bytes.size()), '\0');
  write_bytes(picture, bytes);
  fs::last_write_time(picture, before);
  plain_ = load_examples(spec_, kShape, {});
  expect_the_same();
}

TEST_F(Cache, DecodesOnlyWhatIsNew) {
  load();
  // Black in place of the first picture, under the hash of black: whoever
  // decodes nothing sees it.
  const std::string black(3 * 8 * 8, '\0');
  const Hash128 hash = xxh3_128(std::as_bytes(std::span(black)));
  constexpr int64_t pixels_hash = 40 + 24 + 16;  // header, stamp, content
  overwrite(pixels_hash, {reinterpret_cast<const char*>(&hash), sizeof hash});
  overwrite(4096, black);
  EXPECT_EQ(pixels(load()).at(0), 0);
  const ino_t made = inode();
  const fs::path other = folder_ / "data/b/3.webp";
  write_bytes(other, read_bytes(testing::pictures_folder() / "rgb.png"));
  plain_ = load_examples(spec_, kShape, {});
  const std::vector<uint8_t> seen = pixels(load());
  EXPECT_NE(inode(), made);
  EXPECT_TRUE(std::equal(black.begin(), black.end(), seen.begin()));
  EXPECT_TRUE(std::equal(seen.begin() + 3 * 8 * 8, seen.end(),
                         plain_.pixels.begin() + 3 * 8 * 8));
  // A file that was touched is the same picture.
  const ino_t again = inode();
  fs::last_write_time(other, fs::file_time_type::clock::now());
  load();
  EXPECT_EQ(inode(), again);
}

TEST_F(Cache, StampsTellReplacedFiles) {
  const Listing listing = {.files = {(folder_ / "data/a/1.png").string()}};
  const std::vector<int64_t> chosen = {0};
  const Sources sources(listing, chosen);
  // So young a file might change once more without a trace.
  EXPECT_EQ(sources.stamp(0), std::nullopt);
  std::this_thread::sleep_for(std::chrono::milliseconds(2100));
  const auto before = sources.stamp(0);
  ASSERT_NE(before, std::nullopt);
  EXPECT_EQ(sources.stamp(0), before);
  const fs::path path = listing.files[0];
  const auto time = fs::last_write_time(path);
  std::string bytes = read_bytes(path);
  ++bytes[30];
  write_bytes(path, bytes);
  fs::last_write_time(path, time);
  EXPECT_NE(sources.stamp(0), before);
}

TEST_F(Cache, OtherPreprocessingIsAnotherFile) {
  load();
  Preprocess bilinear;
  bilinear.filter = "bilinear";
  const auto plain = load_examples(spec_, kShape, bilinear);
  const auto kept = load_examples(spec_, kShape, bilinear, cache_);
  EXPECT_EQ(pixels(kept), pixels(plain));
  EXPECT_NE(pixels(kept), pixels(plain_));
  expect_the_same();
}

TEST_F(Cache, DamageIsDecodedAnew) {
  load();
  const auto size = static_cast<int64_t>(fs::file_size(file()));
  const std::string whole = read_bytes(file());
  const std::string ones(8, '\xff');
  // Magic, key, counts, records, the pixels of each picture, zeros in between.
  for (int64_t offset = 0; offset + 8 <= size; offset += 8) {
    if (offset > 400 && offset < 4096) continue;
    overwrite(offset, ones);
    expect_the_same();
  }
  for (const size_t cut :
       {size_t{0}, size_t{7}, size_t{40}, size_t{4096}, whole.size() - 1}) {
    write_bytes(file(), whole.substr(0, cut));
    expect_the_same();
  }
  write_bytes(file(), whole + "x");
  expect_the_same();
}

TEST_F(Cache, BadPicturesAreKnown) {
  const fs::path bad = folder_ / "data/a/0.png";
  write_bytes(bad, "no picture");
  const std::string message = bad.string() + ": is no JPEG, PNG or WebP file";
  expect_error<Error>([&] { load(); }, message);
  const ino_t made = inode();
  expect_error<Error>([&] { load(); }, message);
  spec_.skip_bad = 1;
  expect_the_same();
  EXPECT_NE(load().kept, nullptr);
  EXPECT_EQ(load().places, (std::vector<int64_t>{1, 2, 3}));
  EXPECT_EQ(inode(), made);
  // Touched it is as bad as before.
  fs::last_write_time(bad, fs::file_time_type::clock::now());
  expect_the_same();
  EXPECT_EQ(inode(), made);
  put("rgb.png", "a/0.png");
  plain_ = load_examples(spec_, kShape, {});
  EXPECT_EQ(plain_.count, 4);
  expect_the_same();
}

TEST_F(Cache, ReasonsWithoutRoomAreFoundAnew) {
  write_bytes(folder_ / "data/b/4.png", "no picture");
  constexpr PictureShape kDot = {.channels = 1, .height = 2, .width = 2};
  for (int i = 0; i < 2; ++i) {
    expect_error<Error>([&] { load_examples(spec_, kDot, {}, cache_); },
                        "4.png: is no JPEG, PNG or WebP file");
  }
}

TEST_F(Cache, MissingPicturesAreLookedForAgain) {
  write_bytes(folder_ / "list.csv",
              "path,label\ndata/a/1.png,0\ndata/a/9.png,0\ndata/b/3.webp,1\n");
  spec_ = find_dataset((folder_ / "list.csv").string(), {});
  expect_error<Error>([&] { load(); }, "9.png: cannot open");
  const ino_t made = inode();
  expect_error<Error>([&] { load(); }, "9.png: cannot open");
  spec_.skip_bad = 1;
  EXPECT_EQ(load().labels, (std::vector<int32_t>{0, 1}));
  EXPECT_EQ(inode(), made);
  put("rgb.png", "a/9.png");
  plain_ = load_examples(spec_, kShape, {});
  EXPECT_EQ(plain_.count, 3);
  expect_the_same();
}

TEST_F(Cache, FilesOfAnEarlierFormAreMadeAnew) {
  load();
  const ino_t made = inode();
  overwrite(7, "1");  // SOUPPIC1
  expect_the_same();
  EXPECT_NE(inode(), made);
}

// The bytes of a good picture are never taken for a reason, nor the other way.
TEST_F(Cache, StatesThatLieAreNotBelieved) {
  write_bytes(folder_ / "data/a/0.png", "no picture");
  spec_.skip_bad = 1;
  load();
  constexpr int64_t kRecord = 64;
  constexpr int64_t kState = 40 + 56;
  const auto claim = [&](int64_t picture, char state) {
    overwrite(kState + picture * kRecord, {&state, 1});
    expect_the_same();
  };
  for (const char state : {0, 1, 2, 4}) claim(0, state);
  for (const char state : {0, 3, 4}) claim(1, state);
}

TEST_F(Cache, WhatCannotBeKeptIsDecodedIntoMemory) {
  cache_.limit = 100;
  expect_the_same();
  EXPECT_EQ(load().kept, nullptr);
  cache_ = {.folder = folder_ / "data/a/1.png"};  // no folder
  expect_the_same();
}

TEST_F(Cache, StaysBelowItsLimit) {
  load();
  const fs::path first = file();
  const auto bytes = static_cast<int64_t>(fs::file_size(first));
  cache_.limit = 2 * bytes;
  Preprocess other;
  other.filter = "box";
  load_examples(spec_, kShape, other, cache_);
  note_use(first);
  other.filter = "lanczos";
  load_examples(spec_, kShape, other, cache_);
  EXPECT_TRUE(fs::exists(first));  // the box's was not used for longer
  EXPECT_EQ(cache_size(cache_.folder), 2 * bytes);
}

TEST_F(Cache, RemovesWhatAKilledProcessLeft) {
  load();
  const fs::path left = cache_.folder / ".00.pictures.AbCdEf";
  write_bytes(left, "half a file");
  std::error_code error;
  make_room(cache_, 1, {});
  EXPECT_TRUE(fs::exists(left));
  const std::array<timespec, 2> old = {timespec{1, 0}, timespec{1, 0}};
  utimensat(AT_FDCWD, left.c_str(), old.data(), 0);
  make_room(cache_, 1, {});
  EXPECT_FALSE(fs::exists(left));
  expect_the_same();
}

TEST_F(Cache, SeveralAtOnceMakeOneFile) {
  std::vector<std::jthread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([this] {
      const Examples examples = load();
      EXPECT_EQ(pixels(examples), pixels(plain_));
    });
  }
  threads.clear();
  EXPECT_TRUE(file().string().ends_with(".pictures"));
}

TEST_F(Cache, RefusesSizesBeyondAFile) {
  expect_error<Error>(
      [] { picture_file_size({.count = 1 << 30, .bytes_each = 1L << 40}); },
      "more than a file can hold");
}

}  // namespace
}  // namespace soup
