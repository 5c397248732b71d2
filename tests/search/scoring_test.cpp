#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <random>
#include <thread>

#include "search/remote.h"
#include "search/table_evaluator.h"
#include "soup/search.h"
#include "support/expect_error.h"
#include "support/memory_store.h"

namespace soup {
namespace {

using testing::expect_error;
using testing::MemoryStore;
using testing::TableEvaluator;
using testing::vector_checkpoint;

constexpr int64_t kFirst = 100;
constexpr int64_t kSecond = 31;

/// Evaluators of two data sets.
struct Device {
  Device() {
    second.loss = true;
    second.first = kFirst;
  }
  std::vector<Evaluator*> all() { return {&first, &second}; }
  TableEvaluator first{kFirst};
  TableEvaluator second{kSecond, 3, "second"};
};

/// Everything that scoring says, but for times.
struct Said {
  std::vector<double> scores;
  std::vector<int64_t> examples;  ///< as watched
  std::vector<float> margins;
  std::vector<float> logits;
  bool operator==(const Said&) const = default;
};

class ScoringTest : public ::testing::Test {
 protected:
  explicit ScoringTest(size_t models = 2) {
    std::mt19937 engine(1);
    std::normal_distribution<float> draw;
    for (size_t k = 0; k < models; ++k) {
      std::vector<float> margins(kFirst + kSecond);
      for (float& margin : margins) margin = draw(engine);
      zoo_.push_back(vector_checkpoint("model_" + std::to_string(k), margins));
    }
  }

  Said score(const Others& others, bool logits,
             const std::vector<Evaluator*>& evaluators) {
    Said said;
    Scoring scoring("eval", zoo_, evaluators, others);
    std::vector<Scoring::Item> items;
    for (size_t c = 0; c < zoo_.size(); ++c) {
      for (size_t set = 0; set < 2; ++set) items.push_back({c, set});
    }
    scoring.expect(items, logits);
    for (const Scoring::Item& item : items) {
      EvaluateOptions options;
      options.watch = [&](std::span<const Verdict> batch) {
        for (const Verdict& verdict : batch) {
          said.examples.push_back(verdict.example);
          said.margins.push_back(verdict.margin);
        }
        return true;
      };
      if (logits) {
        options.logits = [&](std::span<const Verdict>,
                             std::span<const float> rows) {
          said.logits.insert(said.logits.end(), rows.begin(), rows.end());
        };
      }
      const Score score = scoring.score(item, options);
      EXPECT_EQ(score.dataset, item.set == 0 ? "table" : "second");
      said.scores.push_back(score.value);
    }
    return said;
  }

  Said score_on(size_t devices, bool logits) {
    std::vector<std::unique_ptr<Device>> all;
    for (size_t i = 0; i < devices; ++i) {
      all.push_back(std::make_unique<Device>());
    }
    Others others;
    for (size_t i = 1; i < devices; ++i) {
      others.devices.push_back(all[i]->all());
    }
    Said said = score(others, logits, all.front()->all());
    int64_t seen = 0;
    for (const auto& device : all) {
      seen += device->first.seen + device->second.seen;
    }
    EXPECT_EQ(seen, std::ssize(zoo_) * (kFirst + kSecond));  // each once
    return said;
  }

  void take_part(Store& store, int64_t rank) {
    Device device;
    SearchOptions options;
    options.guards = {&device.second};
    Participant(store, rank).take_part("eval", zoo_, device.first, options);
    EXPECT_LT(device.first.seen, std::ssize(zoo_) * kFirst);
  }

  Said score_by(int64_t processes, bool logits) {
    MemoryStore store;
    std::vector<std::jthread> others;
    for (int64_t rank = 1; rank < processes; ++rank) {
      others.emplace_back([&, rank] { take_part(store, rank); });
    }
    Device device;
    return score({.store = &store, .processes = processes}, logits,
                 device.all());
  }

  std::vector<CheckpointPtr> zoo_;
};

class ManyModels : public ScoringTest {
 protected:
  ManyModels() : ScoringTest(20) {}
};

TEST_F(ScoringTest, IsThatOfOneWhoeverLooks) {
  for (const bool logits : {false, true}) {
    const Said alone = score_on(1, logits);
    EXPECT_EQ(alone.examples.size(), 2U * (kFirst + kSecond));
    EXPECT_EQ(alone.logits.size(), logits ? 4U * (kFirst + kSecond) : 0U);
    for (const size_t devices : {2, 5}) {
      EXPECT_EQ(score_on(devices, logits), alone) << devices;
    }
    for (const int64_t processes : {2, 4}) {
      EXPECT_EQ(score_by(processes, logits), alone) << processes;
    }
  }
}

TEST_F(ManyModels, AreNotCut) {
  const Said alone = score_on(1, false);
  Device own;
  Device other;
  const Others others{.devices = {other.all()}};
  EXPECT_EQ(score(others, false, own.all()), alone);
  EXPECT_EQ(own.first.passes + other.first.passes, 20);
}

TEST_F(ScoringTest, LogitsAreThoseOfAll) {
  Device own;
  Device other;
  const std::vector<Evaluator*> evaluators = own.all();
  Scoring scoring("eval", zoo_, evaluators, {.devices = {other.all()}});
  const CheckpointPtr kept = scoring.logits({1, 0}, nullptr);
  EXPECT_TRUE(holds_logits(*kept));
  EXPECT_EQ(kept->path(), "model_1");
  const auto judge = make_logits_evaluator(*kept, "kept", "top1");
  EXPECT_EQ(judge->evaluate(*kept)->correct, scoring.score({1, 0}, {}).correct);
}

// One that is given a part and is not heard any more.
TEST_F(ScoringTest, ThePartOfALostProcessIsHandedOutAgain) {
  const Said alone = score_on(1, true);
  MemoryStore store;
  store.set("hello/1", "mute");
  store.set("mute/answer/0", "{}");
  Device device;
  device.first.ready = [&] { return store.get("mute/job/1").has_value(); };
  EXPECT_EQ(score({.store = &store, .processes = 2}, true, device.all()),
            alone);
}

TEST_F(ScoringTest, AProcessOfAnotherCommandIsRefused) {
  MemoryStore store;
  std::atomic<bool> refused = false;
  std::jthread other([&] {
    Device device;
    SearchOptions options;
    options.guards = {&device.second};
    expect_error<Error>(
        [&] {
          Participant(store, 1).take_part("ensemble", zoo_, device.first,
                                          options);
        },
        "was given something else than rank 0: the search was eval, is "
        "ensemble");
    refused = true;
  });
  Device device;
  device.first.ready = [&] { return refused.load(); };
  EXPECT_EQ(score({.store = &store, .processes = 2}, false, device.all()),
            score_on(1, false));
}

TEST_F(ScoringTest, OneThatComesTooLateEndsInOrder) {
  MemoryStore store;
  store.set(late_key(1), "");
  Device device;
  Participant(store, 1).take_part("eval", zoo_, device.first, {});
  EXPECT_EQ(device.first.seen, 0);
}

}  // namespace
}  // namespace soup
