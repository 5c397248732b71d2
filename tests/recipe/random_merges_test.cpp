#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "recipe/merge_fixture.h"

/// Recipes drawn at random from what published ones are made of: stacked
/// slices, gradients, filters, zero weights, tokenizers, types. Whatever comes
/// out verifies, can be read, and says of itself what it is.
namespace soup {
namespace {

using nlohmann::json;
using testing::Entry;
using testing::floats;

constexpr int kLayers = 5;

class RandomMerges : public testing::MergeFixture {
 protected:
  void SetUp() override {
    for (int m = 0; m < 3; ++m) {
      write_model("same" + std::to_string(m), m, {"a", "b", "c"});
    }
    write_model("other0", 3, {"a", "b", "c"});
    write_model("other1", 4, {"a", "c"});
    write_model("other2", 5, {"d", "b", "a", "e"});
  }

  void write_model(const std::string& name, uint64_t seed,
                   const std::vector<std::string>& tokens) const {
    const int64_t rows = std::ssize(tokens);
    const auto drawn = [&](const std::string& tensor, uint64_t of,
                           std::vector<int64_t> shape) {
      size_t n = 1;
      for (int64_t size : shape) n *= static_cast<size_t>(size);
      std::vector<double> values = testing::random_weights(n, of);
      const std::vector<double> own =
          testing::random_weights(n, 1000 * (seed + 1) + of);
      for (size_t i = 0; i < n; ++i) values[i] += 0.1 * own[i];
      return floats(tensor, DType::kBF16, values, std::move(shape));
    };
    std::vector<Entry> entries = {
        drawn("model.embed_tokens.weight", 1, {rows, 4}),
        drawn("lm_head.weight", 2, {rows, 4}),
        drawn("model.norm.weight", 3, {4})};
    for (uint64_t l = 0; l < kLayers; ++l) {
      const std::string at = "model.layers." + std::to_string(l);
      entries.push_back(drawn(at + ".self_attn.q_proj.weight", 10 + l, {4, 4}));
      entries.push_back(drawn(at + ".mlp.up_proj.weight", 20 + l, {6, 4}));
    }
    write(name, entries,
          {{"num_hidden_layers", kLayers},
           {"vocab_size", rows},
           {"tie_word_embeddings", false},
           {"torch_dtype", "bfloat16"}});
    json vocab;
    for (size_t i = 0; i < tokens.size(); ++i) vocab[tokens[i]] = i;
    std::ofstream(folder_ / (name + "/tokenizer.json"))
        << json{{"model", {{"type", "BPE"}, {"vocab", vocab}, {"merges", {}}}}};
  }
};

// The text of a recipe, and what is known of its result.
class Draw {
 public:
  explicit Draw(uint64_t seed) : random_(seed) {
    const bool tokenizer = chance(2);
    const std::string family = tokenizer && chance(2) ? "other" : "same";
    method_ = pick({"linear", "linear", "linear", "slerp", "task_arithmetic",
                    "ties", "dare_ties", "della", "breadcrumbs", "model_stock",
                    "passthrough"});
    for (int i = 0; i < 3; ++i) models_.push_back(family + std::to_string(i));
    const bool needs_base = method_ != "linear" && method_ != "passthrough";
    const size_t count = method_ == "passthrough" ? 1
                         : method_ == "slerp"     ? 2
                                                  : 3;
    models_.resize(count);
    text_ = "merge_method: " + method_ + "\n";
    if (needs_base) text_ += "base_model: " + models_.front() + "\n";
    if (method_ == "slerp") text_ += "parameters: {t: " + number() + "}\n";
    if (chance(2)) {
      add_slices();
    } else {
      text_ += "models:\n";
      for (const std::string& model : models_) {
        text_ += "  - {model: " + model + parameters(model) + "}\n";
      }
      layers_ = kLayers;
    }
    const std::string dtype = pick({"bfloat16", "float16", "float32"});
    text_ += "dtype: " + dtype + "\n";
    config_dtype_ = dtype;
    if (chance(3)) {
      config_dtype_ = "float32";
      text_ += "out_dtype: float32\n";
    }
    if (tokenizer) {
      text_ += "tokenizer_source: " +
               pick({"union", "model:" + models_.back(), models_.front()}) +
               "\n";
    }
    if (chance(3)) text_ += "chat_template: chatml\n";
  }

  const std::string& text() const { return text_; }
  int layers() const { return layers_; }
  const std::string& dtype() const { return config_dtype_; }
  bool per_operation() {
    return method_ != "slerp" && method_ != "model_stock" &&
           method_ != "passthrough" && chance(3);
  }

 private:
  bool chance(int64_t of) { return random_.between(1, of) == 1; }
  std::string pick(const std::vector<std::string>& from) {
    return from[static_cast<size_t>(
        random_.between(0, static_cast<int64_t>(from.size()) - 1))];
  }
  // A number, a gradient, or one for some of the tensors.
  std::string number() {
    const auto plain = [&] {
      return "0." + std::to_string(random_.between(1, 9));
    };
    if (chance(3)) return "[" + plain() + ", " + plain() + ", 0.5]";
    if (chance(3)) {
      return "[{filter: mlp, value: " + plain() + "}, {value: " + plain() +
             "}]";
    }
    return plain();
  }
  std::string parameters(const std::string& model) {
    if (method_ == "slerp" || method_ == "model_stock") return "";
    if (method_ == "passthrough") return "";
    if (model == models_.front() && method_ != "linear") return "";
    if (model == models_.back() && method_ == "linear" && chance(3)) {
      return ", parameters: {weight: 0}";
    }
    std::string text = ", parameters: {weight: " + number();
    const bool thinned = method_ != "linear" && method_ != "task_arithmetic";
    if (thinned) text += ", density: 0.5";
    return text + "}";
  }
  void add_slices() {
    text_ += "slices:\n";
    const int64_t slices = random_.between(1, 3);
    for (int64_t s = 0; s < slices; ++s) {
      const int64_t count = random_.between(1, kLayers);
      layers_ += static_cast<int>(count);
      text_ += "  - sources:\n";
      for (const std::string& model : models_) {
        const int64_t begin = random_.between(0, kLayers - count);
        text_ += "      - {model: " + model + ", layer_range: [" +
                 std::to_string(begin) + ", " + std::to_string(begin + count) +
                 "]" + parameters(model) + "}\n";
      }
    }
  }

  testing::Random random_;
  std::string method_;
  std::vector<std::string> models_;
  std::string text_;
  std::string config_dtype_;
  int layers_ = 0;
};

TEST_F(RandomMerges, VerifyAndLoad) {
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    Draw draw(seed);
    SCOPED_TRACE("seed " + std::to_string(seed) + "\n" + draw.text());
    Recipe made = recipe(draw.text());
    made.seed = seed;
    if (draw.per_operation()) made.numerics = Numerics::kMergekit;
    const auto opened = open_ingredients(made);
    make_soup(made, pointers(opened), folder_.path() / "out/", {.force = true});
    const VerifyResult verified = verify_soup(folder_ / "out");
    ASSERT_TRUE(verified.same) << verified.difference;

    const CheckpointPtr out = open_checkpoint(folder_ / "out");
    for (const TensorInfo& tensor : out->tensors()) {
      for (double x : values(*out, tensor.name)) ASSERT_TRUE(std::isfinite(x));
    }
    const int layers = draw.layers();
    EXPECT_EQ(std::ssize(out->tensors()), 3 + 2 * layers);
    const json config = this->config();
    EXPECT_EQ(config["num_hidden_layers"], layers);
    EXPECT_EQ(config["torch_dtype"], draw.dtype());
    const TensorInfo& embedding =
        out->tensors()[out->find("model.embed_tokens.weight").value()];
    EXPECT_EQ(config["vocab_size"], embedding.shape[0]);
    std::ifstream tokenizer(folder_ / "out/tokenizer.json");
    EXPECT_EQ(json::parse(tokenizer)["model"]["vocab"].size(),
              static_cast<size_t>(embedding.shape[0]));
  }
}

}  // namespace
}  // namespace soup
