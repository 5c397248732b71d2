#include "core/file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>

#include "support/expect_error.h"
#include "support/temp_folder.h"

namespace soup {
namespace {

namespace fs = std::filesystem;
using testing::expect_error;
using testing::TempFolder;

size_t entries(const fs::path& folder) {
  return static_cast<size_t>(
      std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
}

std::span<const std::byte> bytes(std::string_view text) {
  return std::as_bytes(std::span(text));
}

TEST(AtomicFile, AppearsWholeAtCommit) {
  const TempFolder folder;
  AtomicFile file(folder / "out", false);
  file.reserve(6);
  file.write_at(3, bytes("def"));
  file.write_at(0, bytes("abc"));
  EXPECT_FALSE(fs::exists(folder / "out"));
  file.commit();
  EXPECT_EQ(read_text(folder / "out", 100), "abcdef");
  EXPECT_EQ(entries(folder.path()), 1U);
}

TEST(AtomicFile, LeavesNothingWithoutCommit) {
  const TempFolder folder;
  { AtomicFile(folder / "out", false).write_at(0, bytes("abc")); }
  EXPECT_EQ(entries(folder.path()), 0U);
}

TEST(AtomicFile, KeepsTheOldFileUntilCommit) {
  const TempFolder folder;
  write_text(folder / "out", "old", false);
  expect_error<Error>([&] { AtomicFile(folder / "out", false); },
                      "exists already; --force replaces it");
  {
    AtomicFile file(folder / "out", true);
    file.write_at(0, bytes("new"));
    EXPECT_EQ(read_text(folder / "out", 100), "old");
  }
  EXPECT_EQ(read_text(folder / "out", 100), "old");
  write_text(folder / "out", "new", true);
  EXPECT_EQ(read_text(folder / "out", 100), "new");
}

TEST(AtomicFile, DoesNotReplaceWhatCameIntoBeingMeanwhile) {
  const TempFolder folder;
  AtomicFile file(folder / "out", false);
  std::ofstream(folder / "out") << "other";
  expect_error<Error>([&] { file.commit(); }, "exists already");
  EXPECT_EQ(read_text(folder / "out", 100), "other");
}

TEST(AtomicFile, NamesAMissingFolder) {
  const TempFolder folder;
  expect_error<Error>([&] { AtomicFile(folder / "no/out", false); },
                      "does not exist");
  expect_error<Error>([&] { AtomicFile(folder.path(), true); }, "is a folder");
}

TEST(AtomicFile, DoesNotReplaceADeviceOrAPipe) {
  const TempFolder folder;
  const fs::path pipe = folder / "pipe";
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  fs::create_symlink(pipe, folder / "link");
  for (const char* name : {"pipe", "link"}) {
    expect_error<Error>([&] { AtomicFile(folder / name, true); },
                        "is a device, a pipe or a socket");
  }
  EXPECT_TRUE(fs::is_fifo(pipe));
  EXPECT_EQ(entries(folder.path()), 2U);
}

TEST(AtomicFile, SaysWhenTheDiskIsTooSmall) {
  const TempFolder folder;
  AtomicFile file(folder / "out", false);
  expect_error<Error>([&] { file.reserve(int64_t{1} << 60); }, "out: ");
}

TEST(MappedFile, RefusesWhatIsNoRegularFile) {
  const TempFolder folder;
  ASSERT_EQ(mkfifo((folder / "fifo").c_str(), 0600), 0);
  expect_error<Error>([&] { MappedFile(folder / "fifo"); },
                      "not a regular file");
  expect_error<Error>([&] { MappedFile(folder.path()); }, "not a regular file");
  expect_error<Error>([&] { MappedFile(folder / "none"); },
                      "none: cannot open: No such file");
}

TEST(MappedFile, NoticesAChange) {
  const TempFolder folder;
  write_text(folder / "a", "abc", false);
  const MappedFile file(folder / "a");
  EXPECT_NO_THROW(file.check_unchanged());
  fs::resize_file(folder / "a", 1);
  expect_error<Error>([&] { file.check_unchanged(); },
                      "changed while it was being read");
}

TEST(MappedFile, SurvivesReadingWhatWasCutOff) {
  const TempFolder folder;
  write_text(folder / "a", std::string(20000, 'x'), false);
  const MappedFile file(folder / "a");
  fs::resize_file(folder / "a", 1);
  EXPECT_EQ(file.bytes()[10000], std::byte{0});
  EXPECT_EQ(file.bytes()[19999], std::byte{0});
  expect_error<Error>([&] { file.check_unchanged(); }, "changed");
}

TEST(MappedFile, AnEmptyFileHasNoBytes) {
  const TempFolder folder;
  write_text(folder / "a", "", false);
  EXPECT_TRUE(MappedFile(folder / "a").bytes().empty());
}

TEST(ReadText, IsBounded) {
  const TempFolder folder;
  write_text(folder / "a", "abc", false);
  expect_error<Error>([&] { read_text(folder / "a", 2); },
                      "has 3 B, expected at most 2 B");
}

TEST(ConfigsFolder, HoldsTheDatasets) {
  EXPECT_TRUE(fs::is_directory(configs_folder() / "datasets"));
}

}  // namespace
}  // namespace soup
