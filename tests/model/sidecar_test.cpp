#include "model/sidecar.h"

#include <gtest/gtest.h>

#include "core/file.h"
#include "core/json.h"
#include "soup/error.h"
#include "support/expect_error.h"
#include "support/temp_folder.h"

namespace soup {
namespace {

using testing::expect_error;
using testing::TempFolder;

MemoryCheckpoint at_path(const std::filesystem::path& path) {
  return {path, {}};
}

TEST(Sidecar, LiesBesideAFileOrInAFolder) {
  const TempFolder folder;
  EXPECT_TRUE(read_sidecar(at_path(folder / "a.safetensors")).config.is_null());
  write_text(folder / "config.json", R"({"num_heads": 3})", false);
  for (const auto& path : {folder / "a.safetensors", folder.path()}) {
    const Sidecar sidecar = read_sidecar(at_path(path));
    EXPECT_EQ(integer_argument(sidecar.config, "num_heads"), 3);
  }
}

TEST(Sidecar, MustBeAJsonObject) {
  const TempFolder folder;
  write_text(folder / "config.json", "[1, 2]", false);
  expect_error<Error>([&] { read_sidecar(at_path(folder / "a.pt")); },
                      "config.json: expected a JSON object, found array");
  write_text(folder / "config.json", "{", true);
  expect_error<Error>([&] { read_sidecar(at_path(folder / "a.pt")); },
                      "config.json");
}

TEST(Sidecar, FilesOfThreeLibraries) {
  const TempFolder folder;
  write_text(folder / "open_clip_config.json",
             R"({"model_cfg": {"vision_cfg": {"head_width": 7},
                 "quick_gelu": true}})",
             false);
  write_text(folder / "preprocessor_config.json", R"({"size": 3})", false);
  Sidecar sidecar = read_sidecar(at_path(folder / "a.pt"));
  EXPECT_EQ(integer_argument(sidecar.config, "head_width"), 7);
  EXPECT_TRUE(*find_argument(sidecar.config, "quick_gelu") == true);
  EXPECT_EQ(sidecar.preprocessor["size"], 3);
  EXPECT_EQ(sidecar.architecture, "");
  write_text(folder / "config.json",
             R"({"architecture": "resnet50", "eps": 1e-3,
                 "vision_config": {"num_attention_heads": 5}})",
             false);
  sidecar = read_sidecar(at_path(folder / "a.pt"));
  EXPECT_EQ(sidecar.architecture, "resnet50");
  EXPECT_EQ(integer_argument(sidecar.config, "num_attention_heads"), 5);
  EXPECT_EQ(positive_argument(sidecar.config, {"x", "eps"}), 1e-3);
}

TEST(Sidecar, NumbersMustBePositive) {
  for (const char* text : {R"({"eps": 0})", R"({"eps": "1"})"}) {
    expect_error<Error>(
        [&] { positive_argument(parse_json(text, "config.json"), {"eps"}); },
        "config.json: 'eps' is no number above 0");
  }
}

TEST(Sidecar, ArgumentsMayBeOddlyTyped) {
  const auto json = parse_json(R"({"model_args": [], "x": 4})", "config.json");
  EXPECT_EQ(integer_argument(json, "x"), 4);
  EXPECT_EQ(integer_argument({}, "x"), std::nullopt);
}

}  // namespace
}  // namespace soup
