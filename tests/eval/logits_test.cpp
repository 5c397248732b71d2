#include <gtest/gtest.h>

#include <cstring>

#include "soup/eval.h"
#include "support/expect_error.h"

namespace soup {
namespace {

using testing::expect_error;

/// Logits of three classes.
CheckpointPtr logits(const std::vector<float>& values,
                     const std::vector<int64_t>& labels) {
  const auto examples = std::ssize(labels);
  std::vector<TensorInfo> tensors = {
      {.name = "logits", .dtype = DType::kF32, .shape = {examples, 3}},
      {.name = "labels", .dtype = DType::kI64, .shape = {examples}}};
  auto made = std::make_unique<MemoryCheckpoint>("x", std::move(tensors));
  std::memcpy(made->mutable_bytes(0).data(), values.data(),
              values.size() * sizeof(float));
  std::memcpy(made->mutable_bytes(1).data(), labels.data(),
              labels.size() * sizeof(int64_t));
  return made;
}

TEST(Logits, AreScoredAsAModelsAre) {
  const auto a = logits({3, 1, 2, 0, 5, 1, 2, 2, 0}, {0, 2, 1});
  const auto judge = make_logits_evaluator(*a, "cached", "top1");
  EXPECT_EQ(judge->examples(), 3);
  EXPECT_TRUE(judge->counts());
  const Score score = judge->evaluate(*a).value();
  EXPECT_EQ(score.dataset, "cached");
  EXPECT_EQ(score.metric, "top1");
  EXPECT_EQ(score.correct, 1);  // the last is a tie, which goes to class 0
  EXPECT_EQ(score.count, 3);
}

TEST(Logits, AreLookedAtInTheOrderAskedFor) {
  const auto a = logits({3, 1, 2, 0, 5, 1, 2, 2, 0}, {0, 2, 1});
  const auto judge = make_logits_evaluator(*a, "cached", "top1");
  const std::vector<int64_t> order = {2, 0, 1};
  std::vector<int64_t> seen;
  std::vector<float> margins;
  const auto watch = [&](std::span<const Verdict> batch) {
    for (const Verdict& verdict : batch) {
      seen.push_back(verdict.example);
      margins.push_back(verdict.margin);
    }
    return false;
  };
  EXPECT_FALSE(judge->evaluate(*a, {.order = order, .watch = watch}));
  EXPECT_EQ(seen, order);
  EXPECT_EQ(margins, (std::vector<float>{0, 1, -4}));
}

/// Two examples of three classes, of which several are right.
class SeveralLabels : public Evaluator {
 public:
  const std::string& dataset() const override { return name_; }
  int64_t examples() const override { return 2; }
  std::vector<int32_t> labels(int64_t example) const override {
    return example == 0 ? std::vector<int32_t>{2} : std::vector<int32_t>{2, 0};
  }
  bool counts() const override { return true; }
  std::optional<Score> evaluate(const Checkpoint&,
                                const EvaluateOptions&) override {
    return std::nullopt;
  }

 private:
  std::string name_ = "real";
};

TEST(Logits, AnyOfSeveralLabelsIsRight) {
  const std::vector<float> values = {0, 1, 2, 3, 2, 1};
  const CheckpointPtr kept = make_logits("x", values, SeveralLabels());
  EXPECT_TRUE(holds_logits(*kept));
  EXPECT_EQ(kept->tensors()[1].shape, (std::vector<int64_t>{2, 2}));
  const auto judge = make_logits_evaluator(*kept, "cached", "top1");
  EXPECT_EQ(judge->labels(0), std::vector<int32_t>{2});
  EXPECT_EQ(judge->labels(1), (std::vector<int32_t>{2, 0}));
  std::vector<int32_t> by;
  const auto watch = [&](std::span<const Verdict> batch) {
    for (const Verdict& verdict : batch) by.push_back(verdict.label);
    return true;
  };
  EXPECT_EQ(judge->evaluate(*kept, {.watch = watch})->correct, 2);
  EXPECT_EQ(by, (std::vector<int32_t>{2, 0}));
}

TEST(Logits, RefuseWhatIsNone) {
  const auto judge = [](const Checkpoint& like) {
    make_logits_evaluator(like, "cached", "top1");
  };
  const MemoryCheckpoint other("m.pt", {{.name = "logits", .shape = {2, 3}}});
  EXPECT_FALSE(holds_logits(other));
  expect_error<Error>([&] { judge(other); },
                      "m.pt: holds no logits; soup eval --logits writes such "
                      "files");
  expect_error<Error>(
      [&] {
        judge(*logits({0, 0, 0}, {3}));
      },
      "x: has the label 3, but logits of 3 classes");
  expect_error<Error>(
      [&] {
        judge(*logits({0, 0, 0}, {-1}));
      },
      "x: has the label -1, but logits of 3 classes");
}

}  // namespace
}  // namespace soup
