#include "checkpoint/wrappers.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "checkpoint/bytes.h"
#include "soup/checkpoint.h"
#include "soup/error.h"
#include "support/expect_error.h"

namespace soup {
namespace {

using testing::expect_error;
using testing::fixture;

std::vector<std::string> names(const OpenOptions& options,
                               const char* file = "training.ckpt") {
  const CheckpointPtr opened = open_checkpoint(fixture(file), options);
  std::vector<std::string> out;
  for (const TensorInfo& tensor : opened->tensors()) {
    out.push_back(tensor.name);
  }
  return out;
}

using Names = std::vector<std::string>;

TEST(Wrappers, TakeTheTrainedWeightsByDefault) {
  const Names expected{"module.w", "module.b"};
  EXPECT_EQ(names({.keep_prefixes = true}), expected);
  EXPECT_EQ(names({.keep_prefixes = true}, "training_legacy.ckpt"), expected);
}

TEST(Wrappers, TakeTheAverageOnRequest) {
  EXPECT_EQ(names({.ema = true}), (Names{"w", "b"}));
}

TEST(Wrappers, TakeTheGivenKey) {
  EXPECT_EQ(names({.key = "state_dict_ema.module"}), (Names{"w", "b"}));
  EXPECT_EQ(names({.key = "parts"}),
            (Names{"encoder.w", "encoder.b", "head.x"}));
  EXPECT_EQ(names({.key = "parts.head"}), Names{"x"});
  expect_error<Error>([] { names({.key = "net"}); },
                      "training.ckpt: has no 'net'; top-level keys are "
                      "'epoch', 'arch', 'metric',");
  expect_error<Error>([] { names({.key = "args"}); },
                      "'args' is no state dict");
  expect_error<Error>([] { names({.key = "optimizer"}); },
                      "'optimizer' is no state dict");
}

TEST(Wrappers, DescribeWhatLiesAround) {
  const CheckpointPtr file = open_checkpoint(fixture("training.ckpt"));
  const auto& metadata = file->metadata();
  EXPECT_EQ(metadata.at("epoch"), "7");
  EXPECT_EQ(metadata.at("arch"), "vit_tiny");
  EXPECT_EQ(metadata.at("metric"), "0.5");
  EXPECT_EQ(metadata.at("best"), "true");
  EXPECT_EQ(metadata.at("big"), "1099511627776");
  EXPECT_FALSE(metadata.contains("args"));
  EXPECT_FALSE(metadata.contains("state_dict"));
}

// Shown, never made.
TEST(Wrappers, NameWhatElseThereIs) {
  for (const char* name : {"training.ckpt", "training_legacy.ckpt"}) {
    const auto all = open_checkpoint(fixture(name))->extras();
    const std::map<std::string, std::string> extras(all.begin(), all.end());
    EXPECT_EQ(extras.at("epoch"), "7") << name;
    EXPECT_EQ(extras.at("args"), "argparse.Namespace") << name;
    EXPECT_EQ(extras.at("optimizer"), "a dict of 2 keys") << name;
    EXPECT_FALSE(extras.contains("state_dict")) << name;
  }
}

TEST(Wrappers, RefuseWholeModules) {
  const std::string part = "holds a whole Python module (class '__main__.Net')";
  expect_error<Error>([] { names({}, "module.pt"); }, part);
  expect_error<Error>([] { names({}, "module_legacy.pt"); }, part);
  expect_error<Error>([] { names({.key = "module"}, "refused.pt"); }, part);
}

TEST(Wrappers, RefuseTensorsWithoutPlainValues) {
  const std::vector<std::pair<std::string, std::string>> expected = {
      {"sparse", "'w' is a sparse tensor; only dense tensors"},
      {"csr", "'w' is a sparse tensor"},
      {"quantised", "'w' is a quantised tensor"},
      {"packed", "'p' holds tensors without names"},
      {"conj", "'w' is stored before its conjugation"},
      {"neg", "'w' is stored before its conjugation or negation"},
      {"meta", "'w' is a meta tensor"},
      {"list", "'list' is no state dict"},
      {"optimizer", "'optimizer' is no state dict"},
      {"numbers", "'numbers' is no state dict"}};
  for (const auto& [key, part] : expected) {
    SCOPED_TRACE(key);
    expect_error<Error>([&] { names({.key = key}, "refused.pt"); }, part);
  }
}

TEST(Wrappers, SayWhatThereIsWhenNothingIsFound) {
  expect_error<Error>([] { names({.ema = true}, "plain.pt"); },
                      "no averaged copy");
}

}  // namespace
}  // namespace soup
