#include "search/former.h"

#include <gtest/gtest.h>

#include <cmath>

#include "search/table_evaluator.h"
#include "support/expect_error.h"

namespace soup {
namespace {

using testing::expect_error;
using testing::vector_checkpoint;

class FormerTest : public ::testing::Test {
 protected:
  static std::vector<float> values(const Checkpoint& made) {
    const TensorData data = made.read(0);
    std::vector<float> all(data.bytes().size() / sizeof(float));
    std::memcpy(all.data(), data.bytes().data(), data.bytes().size());
    return all;
  }

  const std::vector<CheckpointPtr> zoo_ = [] {
    std::vector<CheckpointPtr> all;
    for (const float first : {1.0F, 2.0F, 4.0F, 8.0F}) {
      all.push_back(vector_checkpoint("w", {first, -first}));
    }
    all.push_back(vector_checkpoint("bad", {std::nanf(""), 0}));
    return all;
  }();
  const Recipe recipe_ = {};
  Former former_{zoo_, recipe_};
};

TEST_F(FormerTest, FormsTheNextWhileTheLastIsInUse) {
  const Checkpoint& first = former_.form({0, 1});
  former_.look_ahead({0, 2});
  const Checkpoint& second = former_.form({0, 2});
  EXPECT_EQ(values(first), (std::vector<float>{1.5F, -1.5F}));
  EXPECT_EQ(values(second), (std::vector<float>{2.5F, -2.5F}));
  former_.look_ahead({0, 3});
  const Checkpoint& third = former_.form({0, 3});
  EXPECT_EQ(values(second), (std::vector<float>{2.5F, -2.5F}));
  EXPECT_EQ(values(third), (std::vector<float>{4.5F, -4.5F}));
}

TEST_F(FormerTest, AGuessMayBeWrong) {
  former_.form({0, 1});
  former_.look_ahead({0, 2});
  EXPECT_EQ(values(former_.form({0, 1, 2})),
            (std::vector<float>{7.0F / 3, -7.0F / 3}));
  former_.look_ahead({0, 1, 3});
  EXPECT_EQ(values(former_.form({3, 2})), (std::vector<float>{6, -6}));
  // With other ingredients in the sum there is nothing to do ahead.
  former_.look_ahead({1, 2});
  EXPECT_EQ(values(former_.form({1, 2})), (std::vector<float>{3, -3}));
}

TEST_F(FormerTest, MixturesThatAreNoSums) {
  const Checkpoint& first = former_.form({0, 0, 1, 1, 1});
  former_.look_ahead({0, 0, 0, 3});
  const Checkpoint& second = former_.form({0, 0, 0, 3});
  EXPECT_EQ(values(first), (std::vector<float>{1.6F, -1.6F}));
  EXPECT_EQ(values(second), (std::vector<float>{2.75F, -2.75F}));
}

/// Takes the place of what looks at pictures: its own name, same values.
class Renamed : public BatchNormStatistics {
 public:
  CheckpointPtr recompute(const Checkpoint& checkpoint) override {
    ++calls;
    auto made = std::make_unique<MemoryCheckpoint>(
        "renewed", std::vector<TensorInfo>(checkpoint.tensors().begin(),
                                           checkpoint.tensors().end()));
    const TensorData data = checkpoint.read(0);
    std::copy(data.bytes().begin(), data.bytes().end(),
              made->mutable_bytes(0).begin());
    return made;
  }
  std::map<std::string, std::string> identity() const override { return {}; }

  int calls = 0;
};

TEST_F(FormerTest, WeightsMayBeGiven) {
  former_.form({0, 1});
  former_.look_ahead({0, 2});
  const Checkpoint& first = former_.form({0, 3}, {0.75, 0.25});
  EXPECT_EQ(values(first), (std::vector<float>{2.75F, -2.75F}));
  EXPECT_EQ(&former_.form({0, 3}, {0.75, 0.25}), &first);
  EXPECT_EQ(values(former_.form({0, 3}, {2, -1})), (std::vector<float>{-6, 6}));
  EXPECT_EQ(values(former_.form({0, 2})), (std::vector<float>{2.5F, -2.5F}));
  EXPECT_EQ(values(former_.form({0, 3}, {2, -1})), (std::vector<float>{-6, 6}));
}

TEST_F(FormerTest, MixturesAreRenewedAndSingleOnesAreNot) {
  Renamed renamed;
  Former former(zoo_, recipe_, &renamed);
  EXPECT_EQ(&former.form({1}), zoo_[1].get());
  const Checkpoint& first = former.form({0, 1});
  EXPECT_EQ(first.path(), "renewed");
  former.look_ahead({0, 2});
  const Checkpoint& second = former.form({0, 2});
  EXPECT_EQ(values(first), (std::vector<float>{1.5F, -1.5F}));
  EXPECT_EQ(values(second), (std::vector<float>{2.5F, -2.5F}));
  EXPECT_EQ(former.form({0, 0, 3}).path(), "renewed");
}

// As for the parts of one evaluation.
TEST_F(FormerTest, TheSameAgainCostsNothing) {
  Renamed renamed;
  Former former(zoo_, recipe_, &renamed);
  const Checkpoint& first = former.form({0, 1});
  former.look_ahead({0, 2});
  EXPECT_EQ(&former.form({0, 1}), &first);
  EXPECT_EQ(values(former.form({0, 2})), (std::vector<float>{2.5F, -2.5F}));
  EXPECT_EQ(renamed.calls, 2);
}

TEST_F(FormerTest, AnErrorIsThrownWhereItIsAskedFor) {
  former_.form({0, 1});
  former_.look_ahead({0, 4});
  EXPECT_EQ(values(former_.form({0, 2})), (std::vector<float>{2.5F, -2.5F}));
  former_.look_ahead({0, 4});
  expect_error<Error>([&] { former_.form({0, 4}); }, "non-finite");
  EXPECT_EQ(values(former_.form({0, 3})), (std::vector<float>{4.5F, -4.5F}));
}

}  // namespace
}  // namespace soup
