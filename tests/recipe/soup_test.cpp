#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "core/file.h"
#include "core/text.h"
#include "recipe/values.h"
#include "soup/error.h"
#include "soup/recipe.h"
#include "support/expect_error.h"
#include "support/temp_folder.h"

namespace soup {
namespace {

namespace fs = std::filesystem;
using testing::checkpoint;
using testing::Entry;
using testing::expect_error;
using testing::floats;
using testing::integers;
using testing::TempFolder;

// Two models on disk and the soup of them.
class SoupOnDisk : public ::testing::Test {
 protected:
  void SetUp() override {
    fs::create_directories(folder_ / "models");
    for (uint64_t k = 0; k < 2; ++k) save(k, testing::random_weights(3000, k));
  }

  fs::path model(uint64_t k) const {
    return folder_ / ("models/m" + std::to_string(k) + ".safetensors");
  }

  void save(uint64_t k, const std::vector<double>& values) {
    const Entry embed = floats("embed", DType::kF32, values, {3, 1000});
    const auto made = checkpoint(
        "m", {embed, integers("ids", {1, 2}),
              floats("scale", DType::kBF16, {static_cast<double>(k)})});
    save_checkpoint(*made, model(k), {}, {.force = true});
  }

  Recipe recipe() const {
    Recipe recipe;
    for (uint64_t k = 0; k < 2; ++k) {
      recipe.ingredients.push_back({.path = model(k),
                                    .weight = 1.0 + static_cast<double>(k),
                                    .hash = ""});
    }
    return recipe;
  }

  MakeResult make(const fs::path& out, const Recipe& recipe) {
    const auto opened = open_ingredients(recipe);
    std::vector<const Checkpoint*> ingredients;
    for (const auto& i : opened) ingredients.push_back(i.get());
    return make_soup(recipe, ingredients, out, {.force = true});
  }

  std::string difference(const fs::path& file) {
    const VerifyResult result = verify_soup(file);
    EXPECT_EQ(result.same, result.difference.empty());
    const std::string folder = folder_.path().string() + "/";
    std::string text = result.difference;
    for (size_t at; (at = text.find(folder)) != std::string::npos;) {
      text.erase(at, folder.size());
    }
    return text;
  }

  TempFolder folder_;
};

TEST_F(SoupOnDisk, CarriesItsRecipe) {
  const fs::path out = folder_ / "s.safetensors";
  const MakeResult made = make(out, recipe());
  EXPECT_EQ(made.bytes_read, 2 * (12000 + 16 + 2));
  EXPECT_EQ(made.bytes_written, static_cast<int64_t>(fs::file_size(out)));
  const CheckpointPtr soup = open_checkpoint(out);
  EXPECT_EQ(soup->metadata().at("format"), "pt");
  const auto json = nlohmann::json::parse(soup->metadata().at("soup.recipe"));
  EXPECT_EQ(json["ingredients"][1]["path"], "models/m1.safetensors");
  EXPECT_EQ(json["ingredients"][1]["weight"], 2);
  const std::string hash = json["ingredients"][1]["hash"];
  EXPECT_EQ(hash.size(), 32U);
  EXPECT_NE(hash, std::string(32, '0'));
  EXPECT_NE(hash, json["ingredients"][0]["hash"]);
  EXPECT_EQ(difference(out), "");
}

TEST_F(SoupOnDisk, IsTheSameFileEveryTime) {
  make(folder_ / "a.safetensors", recipe());
  make(folder_ / "b.safetensors", recipe());
  EXPECT_EQ(read_text(folder_ / "a.safetensors", 1 << 20),
            read_text(folder_ / "b.safetensors", 1 << 20));
}

TEST_F(SoupOnDisk, CanBeMadeAgainFromItself) {
  Recipe first = recipe();
  first.dtype = "f16";
  first.exclude = "scale";
  make(folder_ / "a.safetensors", first);
  make(folder_ / "b.safetensors", read_recipe(folder_ / "a.safetensors"));
  EXPECT_EQ(read_text(folder_ / "a.safetensors", 1 << 20),
            read_text(folder_ / "b.safetensors", 1 << 20));
}

TEST_F(SoupOnDisk, CanBeMovedWithItsModels) {
  make(folder_ / "s.safetensors", recipe());
  fs::create_directories(folder_ / "moved");
  fs::rename(folder_ / "models", folder_ / "moved/models");
  fs::rename(folder_ / "s.safetensors", folder_ / "moved/s.safetensors");
  EXPECT_EQ(difference(folder_ / "moved/s.safetensors"), "");
}

TEST_F(SoupOnDisk, VerifyNamesTheByteThatDiffers) {
  const fs::path out = folder_ / "s.safetensors";
  make(out, recipe());
  const std::string text = read_text(out, 1 << 20);
  const CheckpointPtr soup = open_checkpoint(out);
  const size_t values = text.size() - (12000 + 16 + 2);
  // F32 comes after I64 and before BF16 in a safetensors file.
  std::fstream file(out, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(static_cast<std::streamoff>(values + 16 + 1234));
  file.put(static_cast<char>(~text[values + 16 + 1234]));
  file.close();
  EXPECT_EQ(difference(out),
            "s.safetensors: 'embed' differs from what its recipe gives, first "
            "at byte 1234");
}

TEST_F(SoupOnDisk, VerifyNamesAChangedIngredient) {
  make(folder_ / "s.safetensors", recipe());
  save(1, testing::random_weights(3000, 9));
  const std::string found = difference(folder_ / "s.safetensors");
  EXPECT_NE(found.find("m1.safetensors: has changed since the soup was made "
                       "(content hash "),
            std::string::npos)
      << found;
}

TEST_F(SoupOnDisk, InMemoryItHasTheValuesThatAreWritten) {
  make(folder_ / "s.safetensors", recipe());
  const CheckpointPtr written = open_checkpoint(folder_ / "s.safetensors");
  const auto opened = open_ingredients(recipe());
  const std::vector<const Checkpoint*> both = {opened[0].get(),
                                               opened[1].get()};
  const CheckpointPtr made = soup_in_memory(recipe(), both);
  ASSERT_EQ(made->tensors().size(), written->tensors().size());
  for (size_t i = 0; i < made->tensors().size(); ++i) {
    const auto other = written->find(made->tensors()[i].name);
    EXPECT_TRUE(std::ranges::equal(made->read(i).bytes(),
                                   written->read(other.value()).bytes()));
  }
}

TEST_F(SoupOnDisk, VerifyNamesWhatIsMissingOrOther) {
  make(folder_ / "s.safetensors", recipe());
  const auto metadata = open_checkpoint(folder_ / "s.safetensors")->metadata();
  const Entry embed = floats("embed", DType::kF32, {1, 2, 3});
  save_checkpoint(*checkpoint("x", {embed}), folder_ / "other.safetensors",
                  metadata);
  EXPECT_EQ(difference(folder_ / "other.safetensors"),
            "other.safetensors: 'ids' is missing");
  save_checkpoint(*checkpoint("x", {embed, integers("ids", {1, 2}),
                                    floats("scale", DType::kBF16, {1})}),
                  folder_ / "shape.safetensors", metadata);
  EXPECT_EQ(difference(folder_ / "shape.safetensors"),
            "shape.safetensors: 'embed' is F32 [3], its recipe gives F32 [3, "
            "1000]");
}

TEST_F(SoupOnDisk, AFailureLeavesTheOldFile) {
  const fs::path out = folder_ / "s.safetensors";
  write_text(out, "old", false);
  save(1, std::vector<double>(3000, INFINITY));
  expect_error<Error>([&] { make(out, recipe()); },
                      "m1.safetensors: 'embed' has 3000 non-finite values");
  EXPECT_EQ(read_text(out, 100), "old");
  size_t files = 0;
  for (const auto& entry : fs::directory_iterator(folder_.path())) {
    files += entry.is_regular_file() ? 1 : 0;
  }
  EXPECT_EQ(files, 1U);
}

TEST_F(SoupOnDisk, TiedTensorsStayTied) {
  const Entry embed = floats("embed", DType::kF32, {1, 2});
  const auto tied =
      checkpoint("m", {embed, testing::tied("head", embed.tensor, 0)});
  save_checkpoint(*tied, folder_ / "t.safetensors");
  Recipe recipe;
  recipe.ingredients = {
      {.path = folder_ / "t.safetensors", .weight = 1, .hash = ""}};
  make(folder_ / "s.safetensors", recipe);
  const CheckpointPtr soup = open_checkpoint(folder_ / "s.safetensors");
  ASSERT_EQ(soup->tensors().size(), 2U);
  EXPECT_EQ(soup->tensors()[*soup->find("head")].tied_to,
            static_cast<int64_t>(*soup->find("embed")));
  EXPECT_EQ(difference(folder_ / "s.safetensors"), "");
}

TEST_F(SoupOnDisk, PtSoupsAreVerifiedToo) {
  const fs::path out = folder_ / "s.pt";
  make(out, recipe());
  EXPECT_EQ(read_recipe(out).ingredients.size(), 2U);
  EXPECT_EQ(difference(out), "");
}

}  // namespace
}  // namespace soup
