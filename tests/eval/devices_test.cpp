#include <gtest/gtest.h>

#include "soup/eval.h"
#include "support/expect_error.h"

namespace soup {
namespace {

using testing::expect_error;
using Devices = std::vector<std::string>;

Launch local(int64_t rank, int64_t size) {
  return {.rank = rank, .size = size, .local_rank = rank};
}

TEST(Devices, OneProcessTakesWhatIsAskedFor) {
  for (const char* one : {"auto", "cpu", "cuda", "cuda:1", "nonsense"}) {
    EXPECT_EQ(devices_of(one, 2, {}), Devices{one});
  }
  EXPECT_EQ(devices_of("cuda:0,2", 4, {}), (Devices{"cuda:0", "cuda:2"}));
  EXPECT_EQ(devices_of("all", 3, {}), (Devices{"cuda:0", "cuda:1", "cuda:2"}));
  EXPECT_EQ(devices_of("all", 0, {}), Devices{"cpu"});
  expect_error<UsageError>([] { devices_of("cuda:1,1", 2, {}); }, "1 twice");
}

TEST(Devices, ProcessesOfOneMachineTakeOneEach) {
  for (const char* several : {"auto", "all", "cuda"}) {
    EXPECT_EQ(devices_of(several, 2, local(0, 3)), Devices{"cuda:0"});
    EXPECT_EQ(devices_of(several, 2, local(1, 3)), Devices{"cuda:1"});
    EXPECT_EQ(devices_of(several, 2, local(2, 3)), Devices{"cuda:0"});
  }
  EXPECT_EQ(devices_of("cuda:1,3", 4, local(1, 2)), Devices{"cuda:3"});
  EXPECT_EQ(devices_of("cpu", 4, local(1, 2)), Devices{"cpu"});
  EXPECT_EQ(devices_of("auto", 0, local(1, 2)), Devices{"cpu"});
  EXPECT_EQ(devices_of("cuda", 0, local(1, 2)), Devices{"cuda"});
}

}  // namespace
}  // namespace soup
