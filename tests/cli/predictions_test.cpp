#include "cli/predictions.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "core/file.h"
#include "support/temp_folder.h"

namespace soup {
namespace {

/// Two examples, the first with three right labels, the second with a path.
class TwoExamples : public Evaluator {
 public:
  const std::string& dataset() const override { return name_; }
  int64_t examples() const override { return 2; }
  std::string path(int64_t example) const override {
    return example == 1 ? "cat/\xff.png" : "";
  }
  std::vector<int32_t> labels(int64_t example) const override {
    return example == 0 ? std::vector<int32_t>{1, 3, 2}
                        : std::vector<int32_t>{2};
  }
  bool counts() const override { return true; }
  std::optional<Score> evaluate(const Checkpoint&,
                                const EvaluateOptions&) override {
    return std::nullopt;
  }

 private:
  std::string name_ = "two";
};

class WritePredictions : public ::testing::Test {
 protected:
  WritePredictions() {
    const std::vector<Verdict> batch = {
        {.example = 0, .label = 3, .prediction = 3, .margin = 0.5F},
        {.example = 1, .label = 2, .prediction = -1, .margin = -1.25F}};
    predictions_.watch()(batch);
  }

  std::string written(const std::string& name) const {
    predictions_.write_predictions(folder_ / name, false, TwoExamples());
    return read_text(folder_ / name, 4096);
  }

  testing::TempFolder folder_;
  Predictions predictions_;
};

TEST_F(WritePredictions, OneLineAnExample) {
  EXPECT_EQ(written("p.jsonl"),
            "{\"index\":0,\"label\":3,\"labels\":[1,3,2],\"prediction\":3,"
            "\"margin\":0.5}\n"
            "{\"index\":1,\"path\":\"cat/\xef\xbf\xbd.png\",\"label\":2,"
            "\"prediction\":-1,\"margin\":-1.25}\n");
}

TEST_F(WritePredictions, NumPyRecords) {
  const std::string bytes = written("p.npy");
  EXPECT_EQ(bytes.substr(0, 8), std::string("\x93NUMPY\x01\0", 8));
  uint16_t length = 0;
  std::memcpy(&length, bytes.data() + 8, sizeof length);
  const size_t start = 10 + size_t{length};
  EXPECT_EQ(start % 64, 0U);
  ASSERT_EQ(bytes.size(), start + 2 * 20U);
  EXPECT_EQ(bytes[start - 1], '\n');
  const std::string header =
      "{'descr': [('index', '<i8'), ('label', '<i4'), ('prediction', '<i4'), "
      "('margin', '<f4')], 'fortran_order': False, 'shape': (2,), }";
  EXPECT_EQ(bytes.substr(10, header.size()), header);
  int64_t index = 0;
  int32_t classes[2] = {};
  float margin = 0;
  const char* second = bytes.data() + start + 20;
  std::memcpy(&index, second, 8);
  std::memcpy(classes, second + 8, 8);
  std::memcpy(&margin, second + 16, 4);
  EXPECT_EQ(index, 1);
  EXPECT_EQ(classes[0], 2);
  EXPECT_EQ(classes[1], -1);
  EXPECT_EQ(margin, -1.25F);
}

}  // namespace
}  // namespace soup
