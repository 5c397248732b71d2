#include "model/model_file.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <fstream>

#include "model/self_test.h"
#include "soup/error.h"
#include "support/expect_error.h"
#include "support/temp_folder.h"

namespace soup {
namespace {

using testing::expect_error;

TEST(ExportedFile, RefusesWhatIsNone) {
  const testing::TempFolder folder;
  const std::string noise = (folder / "noise.pt2").string();
  std::ofstream(noise) << "no package";
  expect_error<Error>(
      [&] { make_model(noise, MemoryCheckpoint("x", {}), at::kCPU); },
      "noise.pt2: cannot be loaded");
  expect_error<Error>(
      [&] { make_model(noise, MemoryCheckpoint("x", {}), at::kCPU); },
      "must be a file of scripts/export_model.py --device cpu");
}

TEST(ModelFile, UnusedAreWholeNamesOfAnyNumber) {
  EXPECT_FALSE(one_of({})(""));
  std::vector<std::string> names = {"a.b", "c*"};
  for (int i = 0; i < 2000; ++i) {
    names.push_back("layer" + std::to_string(i) + ".num_batches_tracked");
  }
  const Unused unused = one_of(names);
  for (const std::string& name : names) EXPECT_TRUE(unused(name));
  for (const char* other : {"a-b", "cc", "a", "a.b.c", ""}) {
    EXPECT_FALSE(unused(other));
  }
}

/// A model of one matrix that notes what it is asked.
class Noting : public Model {
 public:
  std::string_view name() const override { return "noting"; }
  std::string identity() const override { return {}; }
  const ModelInput& input() const override { return taken; }
  int64_t classes() const override { return 2; }
  const at::Device& device() const override { return device_; }
  int64_t unit() const override { return batch; }
  void load(const Checkpoint& weights) override {
    if (baked && weight_.defined()) return;
    weight_ = to_tensor(weights.tensors()[0], weights.read(0));
  }
  at::Tensor forward(at::TensorList inputs) const override {
    at::Tensor rows = inputs.front().flatten(1);
    for (const at::Tensor& more : inputs.slice(1)) {
      rows = rows + more.flatten(1).to(at::kFloat);
    }
    at::Tensor logits = rows.matmul(weight_.t());
    seen = inputs.vec();
    if (rows.size(0) == wrong) logits = logits + 1;
    const at::Tensor row = logits.to(at::kDouble).flatten();
    said.emplace_back(row.data_ptr<double>(),
                      row.data_ptr<double>() + row.numel());
    return logits;
  }

  bool baked = false;
  int64_t batch = 1;
  int64_t wrong = 0;  ///< the number of examples of which it says otherwise
  mutable std::vector<at::Tensor> seen;  ///< last
  mutable TestLogits said;
  ModelInput taken = tiny();

 private:
  static ModelInput tiny() {
    ModelInput made;
    made.channels = 1;
    made.height = made.width = 2;
    return made;
  }

  at::Device device_ = at::kCPU;
  at::Tensor weight_;
};

TEST(SelfTest, TellsBakedWeights) {
  const std::vector<Slot> slots = {same_slot("weight", {2, 4})};
  TestLogits expected(2, std::vector<double>(6));
  for (size_t set = 0; set < 2; ++set) {  // what it says, one set after another
    Noting model;
    EXPECT_THROW(self_test(model, slots, expected, "x"), Error);
    expected[set] = model.said.back();
    EXPECT_EQ(model.seen[0].size(0), 3);
  }
  Noting good;
  self_test(good, slots, expected, "x");
  EXPECT_NE(good.said[0], good.said[1]);
  Noting baked;
  baked.baked = true;
  expect_error<Error>([&] { self_test(baked, slots, expected, "net.pt2"); },
                      "net.pt2: gives other logits");
}

TEST(SelfTest, IsOfFewExamplesAndOfAWholeBatch) {
  const std::vector<Slot> slots = {same_slot("weight", {2, 4})};
  TestLogits expected(2, std::vector<double>(4));
  for (size_t set = 0; set < 2; ++set) {
    Noting model;
    EXPECT_THROW(self_test(model, slots, expected, "x"), Error);
    expected[set] = model.said.back();
  }
  for (const int64_t wrong : {2, 8, 0}) {
    Noting model;
    model.batch = 8;
    model.wrong = wrong;
    const auto test = [&] { self_test(model, slots, expected, "net.pt2"); };
    if (wrong == 0) {
      test();
    } else {
      expect_error<Error>(test, "net.pt2: gives other logits");
    }
  }
}

TEST(SelfTest, IdsLieBelowTheirLimit) {
  const std::vector<Slot> slots = {same_slot("weight", {2, 4})};
  Noting model;
  model.taken.tensors = {{.name = "ids", .shape = {4}, .limit = 30},
                         {.name = "age", .shape = {4}}};
  const TestLogits any(2, std::vector<double>(2 * 100));
  EXPECT_THROW(self_test(model, slots, any, "x"), Error);
  ASSERT_EQ(model.seen.size(), 2U);
  EXPECT_EQ(model.seen[0].scalar_type(), at::kLong);
  EXPECT_EQ(model.seen[0].min().item<int64_t>(), 0);
  EXPECT_EQ(model.seen[0].max().item<int64_t>(), 29);
  EXPECT_EQ(model.seen[1].scalar_type(), at::kFloat);
  EXPECT_LT(model.seen[1].min().item<float>(), -0.9);
}

// scripts/export_model.py: 2 * noise(4, 0).
TEST(SelfTest, DrawsTheNumbersOfTheExporter) {
  Noting model;
  const std::vector<Slot> slots = {same_slot("weight", {2, 4})};
  const TestLogits expected(2, std::vector<double>(2));
  EXPECT_THROW(self_test(model, slots, expected, "x"), Error);
  const at::Tensor first = model.seen.front().flatten();
  EXPECT_FLOAT_EQ(first[0].item<float>(), 0.76662159F);
  EXPECT_FLOAT_EQ(first[3].item<float>(), 0.94176388F);
}

}  // namespace
}  // namespace soup
