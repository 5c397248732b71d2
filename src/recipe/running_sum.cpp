#include <algorithm>
#include <array>
#include <functional>
#include <optional>

#include "core/threads.h"
#include "recipe/findings.h"
#include "recipe/linear.h"
#include "recipe/open_sources.h"
#include "recipe/piece.h"
#include "recipe/portions.h"
#include "recipe/sinks.h"
#include "soup/error.h"
#include "soup/recipe.h"

namespace soup {
namespace {

// The sums of one output tensor over the accepted ingredients.
struct TensorSums {
  std::vector<double> values;    // empty before the first
  std::vector<BitRange> ranges;  // one per chunk
};

// True when candidates of this tensor are made from a running sum: the mean of
// all ingredients, in a precision that needs no more than the sum.
bool is_running(const PlannedTensor& tensor, size_t ingredients) {
  return tensor.rule != nullptr && tensor.rule->make == make_linear &&
         tensor.sources.size() == ingredients &&
         Linear(tensor).precision != Precision::kPair;
}

// The plan without the tensors for which `keep` is false.
Plan part_of(const Plan& plan, const std::vector<bool>& keep) {
  Plan part = plan;
  for (size_t i = 0; i < keep.size(); ++i) {
    if (!keep[i]) part.tensors[i].rule = nullptr;
  }
  return part;
}

// A chunk of one tensor: where its floats lie.
struct Chunk {
  size_t begin = 0;
  size_t count = 0;
};

void for_each_chunk(const Tile& tile, size_t parts,
                    const std::function<void(const Chunk&)>& work) {
  const size_t end = static_cast<size_t>(tile.end) * parts;
  for (size_t begin = static_cast<size_t>(tile.begin) * parts; begin < end;
       begin += kChunk) {
    work({begin, std::min(kChunk, end - begin)});
  }
}

}  // namespace

struct RunningSum::State {
  Recipe recipe;
  std::vector<const Checkpoint*> ingredients;
  std::vector<TensorSums> sums;  // by tensor of the first ingredient
  // By turns: the last one is still in use while the next is made.
  std::array<std::optional<MemoryCheckpoint>, 2> candidates;
  size_t turn = 0;

  MemoryCheckpoint& candidate() { return *candidates[turn]; }

  Plan plan() const;
  // Which tensors are made from running sums.
  std::vector<bool> running(const Plan& plan) const;
  void prepare(const Plan& plan);
  void make_running(const Plan& plan);
  void make_tile(const PlannedTensor& tensor, const Tile& tile,
                 const TensorData& last, FindingsOfPlan& findings);
  void add_last(const Plan& plan);
  // Calls `work` with the newest ingredient's values for every tile of `plan`.
  void with_last(
      const Plan& plan,
      const std::function<void(const Tile&, const TensorData&)>& work);
};

Plan RunningSum::State::plan() const {
  Recipe uniform = recipe;
  uniform.ingredients.clear();
  for (const Checkpoint* ingredient : ingredients) {
    uniform.ingredients.push_back({.path = ingredient->path()});
  }
  return make_plan(uniform, ingredients);
}

std::vector<bool> RunningSum::State::running(const Plan& plan) const {
  std::vector<bool> all;
  for (const PlannedTensor& tensor : plan.tensors) {
    all.push_back(is_running(tensor, ingredients.size()));
  }
  return all;
}

void RunningSum::State::prepare(const Plan& plan) {
  std::vector<TensorInfo> tensors = outputs_of(plan);
  const auto same = [](const TensorInfo& a, const TensorInfo& b) {
    return a.name == b.name && a.dtype == b.dtype && a.shape == b.shape &&
           a.tied_to == b.tied_to;
  };
  turn = 1 - turn;
  std::optional<MemoryCheckpoint>& place = candidates[turn];
  if (place &&
      std::equal(tensors.begin(), tensors.end(), place->tensors().begin(),
                 place->tensors().end(), same)) {
    return;
  }
  place.emplace("candidate", std::move(tensors));
}

void RunningSum::State::with_last(
    const Plan& plan,
    const std::function<void(const Tile&, const TensorData&)>& work) {
  Plan last = plan;
  for (PlannedTensor& tensor : last.tensors) {
    if (tensor.rule != nullptr) tensor.sources = {tensor.sources.back()};
  }
  const std::vector<Tile> work_list = tiles(last);
  OpenSources sources(last, ingredients);
  parallel_for(static_cast<int64_t>(work_list.size()), 0, [&](int64_t i) {
    const Tile& tile = work_list[static_cast<size_t>(i)];
    work(tile, sources.get(tile.tensor).front());
    sources.done(tile.tensor);
  });
}

void RunningSum::State::make_tile(const PlannedTensor& tensor, const Tile& tile,
                                  const TensorData& last,
                                  FindingsOfPlan& findings) {
  const Linear linear(tensor);
  const size_t newest = tensor.sources.size() - 1;
  const TensorSums none;  // before the first ingredient
  const TensorSums& sum = sums.empty() ? none : sums[tile.tensor];
  std::byte* out = candidate().mutable_bytes(tile.tensor).data();
  Findings found(tensor.sources.size());
  Sums sums_of_chunk;
  for_each_chunk(tile, linear.parts, [&](const Chunk& chunk) {
    const bool first = newest == 0;
    sums_of_chunk.range = {};
    if (!first) {
      std::copy_n(sum.values.begin() + static_cast<ptrdiff_t>(chunk.begin),
                  chunk.count, sums_of_chunk.values.begin());
      sums_of_chunk.range = sum.ranges[chunk.begin / kChunk];
    }
    // Earlier ingredients are read again only for values that need it.
    std::vector<TensorData> again;
    const auto source = [&](size_t k) {
      const Source& from = tensor.sources[k];
      const size_t offset =
          chunk.begin * format_bytes(float_format(from.dtype));
      if (k == newest) return last.bytes().data() + offset;
      again.push_back(ingredients[from.ingredient]->read(from.tensor));
      return again.back().bytes().data() + offset;
    };
    add_source(linear, newest, source(newest), chunk.count, first,
               sums_of_chunk.values.data(), sums_of_chunk.range);
    divide(linear, sums_of_chunk, chunk.count, source, found);
    narrow(linear, sums_of_chunk.values.data(), chunk.count,
           out + chunk.begin * format_bytes(linear.out));
  });
  findings.add(tile.tensor, found);
}

void RunningSum::State::make_running(const Plan& plan) {
  FindingsOfPlan findings(plan);
  with_last(plan, [&](const Tile& tile, const TensorData& last) {
    make_tile(plan.tensors[tile.tensor], tile, last, findings);
  });
  findings.check(ingredients);
}

void RunningSum::State::add_last(const Plan& plan) {
  sums.resize(plan.tensors.size());
  for (const Tile& tile : tiles(plan)) {
    const PlannedTensor& tensor = plan.tensors[tile.tensor];
    TensorSums& sum = sums[tile.tensor];
    const size_t floats =
        static_cast<size_t>(tensor.out.numel()) * Linear(tensor).parts;
    sum.values.resize(floats);
    sum.ranges.resize((floats + kChunk - 1) / kChunk);
  }
  with_last(plan, [&](const Tile& tile, const TensorData& last) {
    const PlannedTensor& tensor = plan.tensors[tile.tensor];
    const Linear linear(tensor);
    const size_t newest = tensor.sources.size() - 1;
    const size_t item =
        format_bytes(float_format(tensor.sources[newest].dtype));
    TensorSums& sum = sums[tile.tensor];
    for_each_chunk(tile, linear.parts, [&](const Chunk& chunk) {
      add_source(linear, newest, last.bytes().data() + chunk.begin * item,
                 chunk.count, newest == 0, &sum.values[chunk.begin],
                 sum.ranges[chunk.begin / kChunk]);
    });
  });
}

RunningSum::RunningSum(Recipe recipe) : state_(std::make_unique<State>()) {
  if (recipe.rule != "linear") {
    throw UsageError("a running sum needs the rule 'linear', not '" +
                     recipe.rule + "'");
  }
  state_->recipe = std::move(recipe);
}

RunningSum::~RunningSum() = default;

const Checkpoint& RunningSum::candidate(const Checkpoint& next) {
  State& s = *state_;
  s.ingredients.push_back(&next);
  try {
    const Plan plan = s.plan();
    s.prepare(plan);
    std::vector<bool> running = s.running(plan);
    s.make_running(part_of(plan, running));
    running.flip();
    MemorySink sink(s.candidate());
    mix(part_of(plan, running), s.ingredients, sink);
  } catch (...) {
    s.ingredients.pop_back();
    throw;
  }
  s.ingredients.pop_back();
  return s.candidate();
}

void RunningSum::add(const Checkpoint& ingredient) {
  State& s = *state_;
  s.ingredients.push_back(&ingredient);
  Plan plan;
  try {
    plan = s.plan();
  } catch (...) {
    s.ingredients.pop_back();
    throw;
  }
  s.add_last(part_of(plan, s.running(plan)));
}

}  // namespace soup
