#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "soup/checkpoint.h"

/// Recipe -> Plan -> values: what to mix, what that means for every tensor of
/// the output, and the one loop that does it.
namespace soup {

struct Ingredient {
  std::filesystem::path path;
  double weight = 1.0;
  std::string hash = {};  ///< content hash (see MixResult), empty when unknown
};

/// What to do where integer tensors of the ingredients differ.
enum class IntPolicy { kEqual, kFirst };

/// A soup as a value: files and numbers. Can be written, read, edited and made
/// again without data or GPU.
struct Recipe {
  std::string rule = "linear";
  std::vector<Ingredient> ingredients;
  std::string dtype = "keep";  ///< keep, f32, f16, bf16, f64
  std::string include;         ///< regex of names to mix; empty: all
  std::string exclude;         ///< regex of names copied from the first
  IntPolicy ints = IntPolicy::kEqual;
  bool allow_nonfinite = false;
  OpenOptions open;
};

/// Reads a recipe: our JSON, or a soup (its metadata or sidecar). Ingredient
/// paths come back relative to the current folder.
/// Throws Error (cannot be read) or UsageError (unknown key, wrong type), with
/// the file's name and the nearest known key.
Recipe read_recipe(const std::filesystem::path&);
/// The same from text; `where` names it in messages, `folder` is what relative
/// paths are relative to.
Recipe parse_recipe(std::string_view text, const std::string& where,
                    const std::filesystem::path& folder);
/// JSON of a recipe, paths written relative to `folder`. parse_recipe of the
/// result gives the recipe back.
nlohmann::ordered_json recipe_json(const Recipe&,
                                   const std::filesystem::path& folder);

/// A tensor of an ingredient and its weight.
struct Source {
  size_t ingredient = 0;
  size_t tensor = 0;
  double weight = 1.0;
};

struct Rule;

/// One output tensor: how it is made of which sources.
struct PlannedTensor {
  TensorInfo out;
  const Rule* rule = nullptr;
  std::vector<Source> sources;
};

struct Plan {
  std::vector<PlannedTensor> tensors;
  int64_t bytes_read = 0;
  int64_t bytes_write = 0;
  int64_t peak_memory = 0;  ///< anonymous memory of the mixing loop
  bool allow_nonfinite = false;
};

/// A row of the table of rules: how one output tensor is made of its sources.
struct Rule {
  std::string_view name;
  std::string_view summary;
};

std::span<const Rule> rules();

/// Plans `recipe` over its opened ingredients (same order). Reads headers only.
/// Throws Error listing every mistake at once: missing and extra tensors,
/// shapes, dtypes; UsageError for an unknown rule or a bad regex.
Plan make_plan(const Recipe& recipe,
               std::span<const Checkpoint* const> ingredients);

/// Where mixed values go.
class Sink {
 public:
  virtual ~Sink() = default;
  /// Values of plan tensor `index` from byte `offset` on. Called from several
  /// threads for ranges that do not overlap.
  virtual void write(size_t index, int64_t offset,
                     std::span<const std::byte> data) = 0;
};

struct MixOptions {
  int threads = 0;    ///< 0: all that the machine gives
  bool hash = false;  ///< compute content hashes
  bool progress = false;
};

struct MixResult {
  /// One per ingredient (32 hex digits), when asked for: XXH3-128 over name,
  /// dtype, shape and the XXH3-128 of every MiB of values, of the tensors the
  /// plan reads, in order of their names.
  std::vector<std::string> hashes;
  int64_t bytes_read = 0;
};

/// Makes every tensor of `plan`, tile by tile. `linear` is
/// (sum w_i x_i) / (sum w_i) in float64, rounded once to nearest even; the
/// bytes depend on nothing but the values (not on threads, tiles or the CPU).
/// Throws Error naming file, tensor and count on non-finite input (unless
/// allowed) and on integer tensors that differ.
MixResult mix(const Plan& plan, std::span<const Checkpoint* const> ingredients,
              Sink& sink, const MixOptions& = {});

/// The sum of accepted ingredients, kept in float64, so that a candidate of a
/// greedy search costs one read of one model. Gives the very bytes that
/// mix() gives for the uniform recipe over the same ingredients in the same
/// order.
class RunningSum {
 public:
  /// `recipe`: rule linear with equal weights; its ingredients are ignored.
  explicit RunningSum(Recipe recipe);
  ~RunningSum();
  /// The mean of what was added and `next`, in the output's dtype.
  /// The result is valid until the next call.
  const Checkpoint& candidate(const Checkpoint& next);
  /// Adds an ingredient for good. It must outlive this object.
  void add(const Checkpoint& ingredient);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Opens the ingredients of a recipe in order.
std::vector<CheckpointPtr> open_ingredients(const Recipe&);

struct MakeResult {
  int64_t bytes_read = 0;
  int64_t bytes_written = 0;
};

/// Plans, mixes and writes `recipe` to `out`, which carries the recipe with
/// content hashes in its metadata (`.pt`: in the sidecar OUT.recipe.json).
MakeResult make_soup(const Recipe& recipe,
                     std::span<const Checkpoint* const> ingredients,
                     const std::filesystem::path& out, const WriteOptions&,
                     const MixOptions& = {});

/// What verify found.
struct VerifyResult {
  bool same = false;
  std::string difference;  ///< one sentence, empty when the same
};

/// Makes the soup `file` again from the recipe it carries and compares values
/// byte for byte, and the ingredients' content hashes.
VerifyResult verify_soup(const std::filesystem::path& file,
                         const MixOptions& = {});

}  // namespace soup
