#include "search/journal.h"

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "core/file.h"
#include "support/expect_error.h"
#include "support/temp_folder.h"

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

TEST(Journal, SaysWhereItCannotBe) {
  const TempFolder folder;
  EXPECT_THROW(Journal(folder.path() / "no" / "run", false), Error);
}

}  // namespace
}  // namespace soup
