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
  /// keep, or the type of all floats: f64, f32, bf16, f16, f8_e4m3, f8_e5m2,
  /// f8_e4m3fnuz, f8_e5m2fnuz. Complex numbers keep theirs.
  std::string dtype = "keep";
  std::string include;  ///< regex of names to mix; empty: all
  std::string exclude;  ///< regex of names copied from the first
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
  DType dtype = DType::kF32;
  double weight = 1.0;  ///< 1 where all weights are equal
};

struct Rule;
struct Piece;

/// One output tensor: how it is made of which sources.
struct PlannedTensor {
  TensorInfo out;
  const Rule* rule = nullptr;  ///< null where `out` is tied: made once
  std::vector<Source> sources;
};

struct Plan {
  std::vector<PlannedTensor> tensors;
  int64_t bytes_read = 0;
  int64_t bytes_write = 0;
  int64_t peak_memory = 0;  ///< anonymous memory of the mixing loop
  bool allow_nonfinite = false;
  /// What the user should know before it is mixed; make_soup() logs them.
  std::vector<std::string> notices;
};

/// A row of the table of rules: how one output tensor is made of its sources.
struct Rule {
  std::string_view name;
  std::string_view summary;
  bool (*makes)(DType);  ///< types it can make
  void (*make)(Piece&);  ///< makes a run of values (src/recipe/piece.h)
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
  /// Adds an ingredient for good. It must outlive this object. After an Error
  /// of reading values the sum is incomplete: only the destructor may follow.
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

/// Numbers about the values of one tensor, in float64; of the parts of complex
/// numbers. Non-finite values count in `nonfinite` only.
struct TensorStats {
  double min = 0;
  double max = 0;
  double mean = 0;
  double std = 0;   ///< of the population
  double norm = 0;  ///< square root of the sum of squares
  int64_t nonfinite = 0;
  int64_t zeros = 0;
};
/// nullopt for types that cannot be read as numbers (sub-byte floats).
std::optional<TensorStats> tensor_stats(const TensorInfo&, const TensorData&);

/// How two tensors of the same shape differ.
struct TensorDifference {
  bool equal = false;  ///< same dtype and bytes
  double max_abs = 0;  ///< NaN where a difference is none of numbers
  double mean_abs = 0;
  double cosine = 0;  ///< of the values as vectors; NaN for a zero vector
};
TensorDifference tensor_difference(const TensorInfo& a, const TensorData& va,
                                   const TensorInfo& b, const TensorData& vb);

/// Writes `checkpoint` to `out` in another format or dtype (`keep`, f32, ...):
/// floats are rounded once to nearest even, everything else is copied. The
/// metadata is kept, but for the recipe of a soup whose values change.
MakeResult convert_checkpoint(const Checkpoint& checkpoint,
                              const std::filesystem::path& out,
                              const std::string& dtype, const WriteOptions&,
                              const MixOptions& = {});

/// `base` with the LoRA adapter of a PEFT folder in it: every changed weight is
/// W + (alpha / r) * B * A (rslora: alpha / sqrt(r)), summed in float64 and
/// rounded once when it is read.
/// Throws Error naming the factors that do not fit, and adapters of another
/// kind (DoRA).
CheckpointPtr merge_adapter(CheckpointPtr base,
                            const std::filesystem::path& folder);

}  // namespace soup
