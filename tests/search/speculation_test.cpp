#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <random>
#include <thread>

#include "search/journal_records.h"
#include "search/table_evaluator.h"
#include "soup/search.h"
#include "support/expect_error.h"
#include "support/memory_store.h"
#include "support/temp_folder.h"

namespace soup {
namespace {

using nlohmann::ordered_json;
using testing::expect_error;
using testing::MemoryStore;
using testing::records;
using testing::TableEvaluator;
using testing::TempFolder;
using testing::vector_checkpoint;

constexpr int64_t kExamples = 40;

std::vector<CheckpointPtr> random_zoo(uint32_t seed) {
  std::mt19937 engine(seed);
  std::uniform_int_distribution<int> draw(-4, 6);
  std::vector<CheckpointPtr> all;
  for (int k = 0; k < 12; ++k) {
    std::vector<float> margins(kExamples);
    for (float& m : margins) m = static_cast<float>(draw(engine));
    all.push_back(vector_checkpoint("model_" + std::to_string(k), margins));
  }
  return all;
}

/// An evaluator and a guard that ask for other parts of the same weights.
struct Device {
  explicit Device(bool loss) {
    evaluator.loss = guard.loss = loss;
    guard.first = kExamples - 10;
  }
  TableEvaluator evaluator{kExamples - 10};
  TableEvaluator guard{10, 3, "guard"};
};

/// A way to search.
struct Way {
  std::string search = "greedy";
  bool loss = false;
  bool guarded = false;
  SearchOptions options = {};
};

std::vector<Way> ways() {
  return {
      {},
      {.loss = true},
      {.guarded = true},
      {.search = "pruned"},
      {.search = "replacement"},
      {.search = "replacement", .loss = true, .guarded = true},
      {.options = {.order = Order::kRandom, .orders = 3}},
      {.options = {.accept_equal = false, .min_gain = 1, .sweeps = 3}},
      {.options = {.max_ingredients = 3, .full = true, .leave_one_out = true}},
      {.search = "pruned", .guarded = true, .options = {.leave_one_out = true}},
      {.options = {.optimism_folds = 3}},
      {.options = {.lazy = true}},
      {.options = {.accept_equal = false, .full = true, .lazy = true}},
  };
}

class SpeculationTest : public ::testing::Test {
 protected:
  /// Everything that a search says and writes, but for times.
  struct Said {
    std::vector<ordered_json> journal;
    std::vector<ordered_json> lines;
    bool operator==(const Said&) const = default;
  };

  static SearchOptions options_of(const Way& way, Device& device) {
    SearchOptions options = way.options;
    if (way.guarded) options.guards = {&device.guard};
    return options;
  }

  Said search(const Way& way, SearchOptions options, Device& device) {
    Said said;
    options.run_dir = folder_.path() / std::to_string(runs_++);
    options.on_score = [&](const std::filesystem::path& path, const Score& s) {
      said.lines.push_back({path.string(), s.value});
    };
    options.on_candidate = [&](const Candidate& c) {
      said.lines.push_back(candidate_json(c));
      said.lines.back().erase("seconds");
    };
    const SearchResult result =
        find_search(way.search).run(zoo_, &device.evaluator, options);
    for (const Ingredient& i : result.recipe.ingredients) {
      said.lines.push_back({i.path.string(), i.weight});
    }
    for (const auto& score : result.without) {
      said.lines.push_back(score ? score->value : -1);
    }
    said.journal = records(options.run_dir);
    return said;
  }

  /// As rank 0 of two processes.
  Said search_with_another(Store& store, std::function<bool()> ready = {}) {
    Device device(false);
    device.evaluator.ready = std::move(ready);
    SearchOptions options;
    options.others = {.store = &store, .processes = 2};
    return search({}, options, device);
  }

  Said search_on(const Way& way, size_t devices) {
    std::vector<std::unique_ptr<Device>> all;
    for (size_t i = 0; i < devices; ++i) {
      all.push_back(std::make_unique<Device>(way.loss));
    }
    SearchOptions options = options_of(way, *all.front());
    for (size_t i = 1; i < devices; ++i) {
      std::vector<Evaluator*> device = {&all[i]->evaluator};
      if (way.guarded) device.push_back(&all[i]->guard);
      options.others.devices.push_back(std::move(device));
    }
    return search(way, options, *all.front());
  }

  Said search_by(const Way& way, int64_t processes) {
    MemoryStore store;
    std::vector<std::jthread> others;
    for (int64_t rank = 1; rank < processes; ++rank) {
      others.emplace_back([&, rank] { take_part_in(way, store, rank); });
    }
    Device device(way.loss);
    SearchOptions options = options_of(way, device);
    options.others = {.store = &store, .processes = processes};
    Said said = search(way, options, device);
    others.clear();
    return said;
  }

  void take_part_in(const Way& way, Store& store, int64_t rank) const {
    Device device(way.loss);
    Participant(store, rank)
        .take_part(way.search, zoo_, device.evaluator, options_of(way, device));
  }

  TempFolder folder_;
  std::vector<CheckpointPtr> zoo_;
  int runs_ = 0;
};

TEST_F(SpeculationTest, AnyNumberOfDevicesSaysAndWritesTheSame) {
  for (const uint32_t seed : {1, 2}) {
    zoo_ = random_zoo(seed);
    int way_number = 0;
    for (const Way& way : ways()) {
      const Said alone = search_on(way, 1);
      EXPECT_GT(alone.journal.size(), 13U);
      for (const size_t devices : {2, 3, 7}) {
        EXPECT_EQ(search_on(way, devices), alone)
            << "seed " << seed << ", way " << way_number << ", " << devices;
      }
      ++way_number;
    }
  }
}

TEST_F(SpeculationTest, AnyNumberOfProcessesSaysAndWritesTheSame) {
  zoo_ = random_zoo(9);
  int way_number = 0;
  for (const Way& way : ways()) {
    const Said alone = search_on(way, 1);
    for (const int64_t processes : {2, 4}) {
      EXPECT_EQ(search_by(way, processes), alone)
          << "way " << way_number << ", " << processes;
    }
    ++way_number;
  }
}

TEST_F(SpeculationTest, DevicesGoOnFromWhatOneWrote) {
  zoo_ = random_zoo(3);
  const Said alone = search_on({}, 1);
  for (const int64_t known : {1, 5, 13, 16, 20}) {
    const auto run = folder_.path() / std::to_string(runs_);
    std::filesystem::create_directory(run);
    std::ifstream from(folder_.path() / "0" / "journal.jsonl");
    std::ofstream to(run / "journal.jsonl");
    std::string line;
    for (int64_t i = 0; i < known && std::getline(from, line); ++i) {
      to << line << "\n";
    }
    to.close();
    EXPECT_EQ(search_on({}, 3), alone) << known;
  }
}

TEST_F(SpeculationTest, AProcessThatWasGivenSomethingElseIsRefused) {
  zoo_ = random_zoo(4);
  const Said alone = search_on({}, 1);
  MemoryStore store;
  std::atomic<bool> refused = false;
  std::jthread other([&] {
    Device device(false);
    expect_error<Error>(
        [&] {
          Participant(store, 1).take_part("greedy", zoo_, device.evaluator,
                                          {.accept_equal = false});
        },
        "was given something else than rank 0: --accept was ge, is gt");
    refused = true;
  });
  EXPECT_EQ(search_with_another(store, [&] { return refused.load(); }), alone);
}

TEST_F(SpeculationTest, ABadCheckpointOfAnotherProcessIsNoticed) {
  zoo_ = random_zoo(5);
  const Said alone = search_on({}, 1);
  std::vector<CheckpointPtr> theirs = random_zoo(5);
  theirs[3] = vector_checkpoint("model_3", std::vector<float>(kExamples, 1));
  MemoryStore store;
  std::jthread other([&] {
    Device device(false);
    Participant(store, 1).take_part("greedy", theirs, device.evaluator, {});
  });
  EXPECT_EQ(search_with_another(store), alone);
}

TEST_F(SpeculationTest, AProcessWhoseStoreHasGoneFails) {
  zoo_ = random_zoo(6);
  MemoryStore store;
  Device device(false);
  Participant one(store, 1);
  store.close();
  expect_error<Error>(
      [&] { one.take_part("greedy", zoo_, device.evaluator, {}); },
      "the store is closed");
}

}  // namespace
}  // namespace soup
