#include <ATen/ATen.h>
#include <ATen/Context.h>
#include <gtest/gtest.h>

#include "soup/error.h"
#include "soup/model.h"
#include "support/expect_error.h"

namespace soup {
namespace {

using testing::expect_error;

TEST(Device, Cpu) { EXPECT_TRUE(find_device("cpu").is_cpu()); }

TEST(Device, AutoTakesACardWhereThereIsOne) {
  EXPECT_EQ(find_device("auto").is_cuda(), torch_info().gpus > 0);
}

TEST(Device, UnknownWordsAreUsageErrors) {
  for (const char* name : {"", "gpu", "cuda:", "cuda:x", "cuda:-1", "cuda:1x",
                           "cuda:99999999999999999999"}) {
    expect_error<UsageError>([&] { find_device(name); }, "unknown device");
  }
}

TEST(Device, AMissingCardIsAnError) {
  expect_error<Error>([] { find_device("cuda:100"); }, "--device cuda:100: ");
}

TEST(Device, GpuCanBeNamed) {
  if (torch_info().gpus == 0) GTEST_SKIP() << "no GPU";
  EXPECT_EQ(find_device("cuda"), at::Device(at::kCUDA, 0));
}

// Scores are float32's, and the same every time.
TEST(Device, ConvolutionsOnAGpuAreExact) {
  if (torch_info().gpus == 0) GTEST_SKIP() << "no GPU";
  find_device("cuda");
  EXPECT_FALSE(at::globalContext().allowTF32CuDNN());
  EXPECT_TRUE(at::globalContext().deterministicCuDNN());
}

TEST(Device, VersionIsKnown) { EXPECT_FALSE(torch_info().version.empty()); }

}  // namespace
}  // namespace soup
