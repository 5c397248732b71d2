#include "search/journal.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <nlohmann/json.hpp>

#include "core/file.h"
#include "support/expect_error.h"
#include "support/temp_folder.h"

namespace {

/// What the disk says from now on; 0: what it does.
int disk_error = 0;
/// What was synced, folders and files.
std::vector<std::filesystem::path> synced;

int sync_now(long call, int fd) {
  if (disk_error != 0) {
    errno = disk_error;
    return -1;
  }
  synced.push_back(
      std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(fd)));
  return static_cast<int>(syscall(call, fd));
}

}  // namespace

// Before those of the C library.
extern "C" int fdatasync(int fd) { return sync_now(SYS_fdatasync, fd); }
extern "C" int fsync(int fd) { return sync_now(SYS_fsync, fd); }

namespace soup {
namespace {

using nlohmann::ordered_json;
using testing::expect_error;
using testing::TempFolder;

std::vector<int> numbers(Journal& journal) {
  std::vector<int> found;
  while (const auto record = journal.replay()) {
    found.push_back(record->at("n").get<int>());
  }
  return found;
}

class JournalTest : public ::testing::Test {
 protected:
  JournalTest() : run_(folder_.path() / "run"), file_(run_ / "journal.jsonl") {
    Journal journal(run_, false);
    for (int n : {1, 2, 3}) journal.append({{"n", n}, {"path", "a\xff\n"}});
    text_ = read_text(file_, 1 << 20);
  }
  void write(const std::string& text) const {
    std::ofstream(file_, std::ios::binary) << text;
  }
  std::vector<int> found() const {
    Journal journal(run_, false);
    return numbers(journal);
  }

  TempFolder folder_;
  std::filesystem::path run_;
  std::filesystem::path file_;
  std::string text_;
};

TEST_F(JournalTest, GivesBackWhatWasAppended) {
  EXPECT_EQ(found(), (std::vector<int>{1, 2, 3}));
  {
    Journal journal(run_, false);
    EXPECT_EQ(journal.left(), 3);
    numbers(journal);
    EXPECT_EQ(journal.left(), 0);
    journal.append({{"n", 4}});
  }
  EXPECT_EQ(found(), (std::vector<int>{1, 2, 3, 4}));
}

// Wherever a write ends, what was whole before it stays and the rest goes.
TEST_F(JournalTest, DropsALastRecordThatIsTorn) {
  for (size_t size = 0; size <= text_.size(); ++size) {
    write(text_.substr(0, size));
    const std::vector<int> left = found();
    const auto whole = std::count(
        text_.begin(), text_.begin() + static_cast<long>(size), '\n');
    ASSERT_EQ(std::ssize(left), whole) << size;
    Journal journal(run_, false);
    numbers(journal);
    journal.append({{"n", 9}});
    ASSERT_EQ(read_text(file_, 1 << 20).back(), '\n');
  }
}

TEST_F(JournalTest, RefusesADifferentByteElsewhere) {
  for (size_t at : {size_t{2}, text_.find('\n') - 8, text_.find('\n')}) {
    std::string changed = text_;
    changed[at] ^= 1;
    write(changed);
    expect_error<Error>([&] { found(); },
                        file_.string() +
                            ":1: is not what was written (its checksum "
                            "differs); --fresh starts anew");
  }
  EXPECT_EQ(read_text(file_, 1 << 20).size(), text_.size());
}

// One that was written to its end and is another now is no torn one.
TEST_F(JournalTest, RefusesADifferentByteInTheLastRecord) {
  std::string changed = text_;
  changed[changed.size() - 3] ^= 1;
  write(changed);
  expect_error<Error>([&] { found(); },
                      file_.string() +
                          ":3: is not what was written (its checksum differs); "
                          "--fresh starts anew, without this last line the run "
                          "goes on before it");
  EXPECT_EQ(read_text(file_, 1 << 20), changed);
}

TEST_F(JournalTest, RefusesWhatIsNoRecord) {
  std::filesystem::remove(file_);
  { Journal(run_, false).append(ordered_json::array({1})); }
  EXPECT_THROW(found(), Error);
}

TEST_F(JournalTest, KeepsWhatWasThereWhenTheDiskFails) {
  Journal journal(run_, false);
  journal.append({{"n", 4}});
  const std::string before = read_text(file_, 1 << 20);
  for (const int error : {EIO, ENOSPC}) {
    disk_error = error;
    expect_error<Error>(
        [&] {
          journal.append({{"n", 5}});
        },
        file_.string() + ": cannot be written: " + std::strerror(error) +
            "; the search stops, 4 records are kept: once that "
            "is mended the same command goes on from there");
    disk_error = 0;
    EXPECT_EQ(read_text(file_, 1 << 20), before);
  }
}

TEST_F(JournalTest, ItsNameIsSyncedToo) {
  const auto was_synced = [](const std::filesystem::path& path) {
    return std::ranges::count(synced, std::filesystem::canonical(path)) > 0;
  };
  for (const std::filesystem::path& run : {run_, folder_.path() / "new"}) {
    std::filesystem::remove(run / "journal.jsonl");
    synced.clear();
    const Journal journal(run, false);
    EXPECT_TRUE(was_synced(run)) << run;
    EXPECT_EQ(was_synced(folder_.path()), run != run_) << run;
  }
}

TEST_F(JournalTest, StartsAnewWhenAskedTo) {
  { const Journal journal(run_, true); }
  EXPECT_EQ(found(), std::vector<int>{});
}

TEST_F(JournalTest, IsForOneRunAtATime) {
  const Journal first(run_, false);
  expect_error<Error>([&] { const Journal second(run_, false); },
                      file_.string() +
                          ": another run is at work on it; give this one "
                          "another --run-dir");
}

TEST_F(JournalTest, AnotherProcessSeesWhetherItHoldsAResult) {
  const ordered_json first = {{"n", 1}, {"path", "a\xff\n"}};
  EXPECT_FALSE(holds_results(folder_.path() / "none", first, 1));
  EXPECT_TRUE(holds_results(run_, first, 0));
  EXPECT_FALSE(holds_results(run_, first, 1));
  Journal journal(run_, false);
  journal.append({{"kind", "result"}, {"value", 1}});
  EXPECT_TRUE(holds_results(run_, first, 1));
  EXPECT_FALSE(holds_results(run_, first, 2));
  EXPECT_FALSE(holds_results(run_, {{"n", 2}}, 1));
}

TEST(Journal, SaysWhereItCannotBe) {
  const TempFolder folder;
  EXPECT_THROW(Journal(folder.path() / "no" / "run", false), Error);
}

}  // namespace
}  // namespace soup
