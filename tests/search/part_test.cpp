#include "search/part.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "search/table_evaluator.h"
#include "support/expect_error.h"

namespace soup {
namespace {

using nlohmann::ordered_json;
using testing::expect_error;
using testing::TableEvaluator;
using testing::vector_checkpoint;

/// As if it were of many classes.
class Wide : public TableEvaluator {
 public:
  Wide(int64_t examples, int64_t classes)
      : TableEvaluator(examples, 256), classes_(classes) {}
  int64_t classes() const override { return classes_; }

 private:
  int64_t classes_;
};

TEST(Part, CutsEveryExampleOnceInWholeBatches) {
  for (const int64_t count : {1, 2, 3, 7, 39, 40, 41}) {
    for (const int64_t wanted : {1, 2, 5, 100}) {
      TableEvaluator evaluator(count);
      const auto parts = cut({evaluator}, 0, wanted, false);
      EXPECT_LE(std::ssize(parts), wanted);
      int64_t next = 0;
      for (const Part& part : parts) {
        EXPECT_EQ(part.begin, next);
        EXPECT_LT(part.begin, part.end);
        next = part.end;
        EXPECT_TRUE(next % 3 == 0 || next == count);
      }
      EXPECT_EQ(next, count);
    }
  }
}

TEST(Part, NoOutcomeIsLargerThanAMessage) {
  const int64_t count = 50'000;
  Wide evaluator(count, 21'841);
  EXPECT_EQ(cut({evaluator}, 0, 1, false).size(), 1U);
  for (const Part& part : cut({evaluator}, 0, 1, true)) {
    EXPECT_TRUE(part.logits);
    EXPECT_LE((part.end - part.begin) * 21'841 * 4, kLargestOutcome);
  }
}

TEST(Part, SaysTheSameAsReadBack) {
  TableEvaluator evaluator(7);
  const Panel panel{evaluator};
  const CheckpointPtr weights =
      vector_checkpoint("a", {1, -2, 0, 4, -0.5, 6, -7});
  const Part part = {.begin = 2, .end = 7, .logits = true};
  EXPECT_EQ(read_part(panel, part_json(part), "x"), part);
  const PartOutcome made = look_at(panel, part, *weights, {});
  const PartOutcome read =
      read_part_outcome(panel, part, part_outcome_json(made), "x");
  ASSERT_EQ(read.verdicts.size(), 5U);
  EXPECT_EQ(read.logits,
            (std::vector<float>{0, 0, 0, 4, 0, -0.5, 0, 6, 0, -7}));
  for (size_t i = 0; i < 5; ++i) {
    EXPECT_EQ(read.verdicts[i].example, static_cast<int64_t>(i + 2));
    EXPECT_EQ(read.verdicts[i].label, made.verdicts[i].label);
    EXPECT_EQ(read.verdicts[i].prediction, made.verdicts[i].prediction);
    EXPECT_EQ(read.verdicts[i].margin, made.verdicts[i].margin);
    EXPECT_EQ(read.verdicts[i].term, made.verdicts[i].term);
  }
}

TEST(Part, RefusesExamplesThatThereAreNot) {
  TableEvaluator evaluator(7);
  const Panel panel{evaluator};
  const auto refused = [&](const Part& part, const std::string& why) {
    expect_error<Error>([&] { read_part(panel, part_json(part), "x"); }, why);
  };
  refused({.set = 1, .begin = 0, .end = 7}, "no such data set");
  refused({.begin = -1, .end = 7}, "no such examples");
  refused({.begin = 3, .end = 3}, "no such examples");
  refused({.begin = 3, .end = 8}, "no such examples");
  Wide without(7, 0);
  expect_error<Error>(
      [&] {
        read_part({without}, part_json({.begin = 0, .end = 7, .logits = true}),
                  "x");
      },
      "there are no logits");
}

TEST(Part, EndsSoonAfterItIsNoLongerWanted) {
  TableEvaluator evaluator(100);
  std::stop_source stop;
  stop.request_stop();
  const CheckpointPtr weights = vector_checkpoint("a", std::vector<float>(100));
  EXPECT_THROW(look_at({evaluator}, {.begin = 0, .end = 100}, *weights,
                       stop.get_token()),
               Stopped);
  EXPECT_EQ(evaluator.seen, 3);
}

}  // namespace
}  // namespace soup
