#pragma once

#include <cstdint>
#include <filesystem>
#include <limits>
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

/// Numbers a rule is told, by name (`density`, `t`, ...); truths are 0 and 1.
using Settings = std::map<std::string, double>;

struct MergeConfig;  // src/recipe/merge_config.h
struct Recipe;

/// A LoRA adapter (PEFT's folder) and how much it counts in an average.
struct AdapterShare {
  std::filesystem::path path;
  double weight = 1.0;
};

struct Ingredient {
  /// A file or a folder; empty where `made` is set, and for adapters alone.
  std::filesystem::path path;
  double weight = 1.0;
  /// Content hash (see MixResult), empty when unknown.
  std::string hash = {};
  /// Of this model alone; names per RuleSetting::per_model.
  Settings settings = {};
  /// Weights of single tensors, by name; others have `weight`.
  std::map<std::string, double> tensor_weights = {};
  /// LoRA adapters whose average is merged in; with neither `path` nor `made`
  /// the ingredient is that average, itself an adapter.
  std::vector<AdapterShare> adapters = {};
  /// A soup that is made as it is read: a stage of a merge of merges.
  std::shared_ptr<const Recipe> made = {};
};

/// What to do where integer tensors of the ingredients differ.
enum class IntPolicy { kEqual, kFirst };

/// How the experts of a Mixtral are stored (src/recipe/experts.h).
enum class ExpertLayout { kKeep, kSeparate, kFused };

/// Where values are rounded.
enum class Numerics {
  kDefault,   ///< once, at the end; float64 until then
  kMergekit,  ///< after every operation, as mergekit 0.1.5 does
};

/// A soup as a value: files and numbers. Can be written, read, edited and made
/// again without data or GPU.
struct Recipe {
  std::string rule = "linear";
  std::vector<Ingredient> ingredients;
  /// Index of the ingredient that is the base model (what the others were
  /// trained from), for rules on task vectors; nullopt: none.
  std::optional<size_t> base = {};
  Settings settings = {};  ///< of the rule
  uint64_t seed = 0;       ///< of rules that draw
  Numerics numerics = Numerics::kDefault;
  /// Type that Numerics::kMergekit rounds inputs and results to; keep: the
  /// inputs' common one; empty: `dtype`.
  std::string work_dtype = {};
  /// keep, or the type of all floats: f64, f32, bf16, f16, f8_e4m3, f8_e5m2,
  /// f8_e4m3fnuz, f8_e5m2fnuz. Complex numbers keep theirs.
  std::string dtype = "keep";
  std::string include;  ///< regex of names to mix; empty: all
  std::string exclude;  ///< regex of names copied from the first
  IntPolicy ints = IntPolicy::kEqual;
  bool allow_nonfinite = false;
  ExpertLayout experts = ExpertLayout::kKeep;  ///< of the output
  OpenOptions open;
  /// What mergekit's recipes say: slices, parameters over layers and names,
  /// tokenizer. Where it is set it decides rule, weights and settings of every
  /// tensor, and `ingredients` only says what its models are.
  std::shared_ptr<const MergeConfig> merge = {};
};

/// Reads a recipe: our JSON, mergekit's YAML, or a soup (its metadata or
/// sidecar). Ingredient paths come back relative to the current folder. Throws
/// Error (cannot be read) or UsageError (unknown key, wrong type), with the
/// file's name and the nearest known key.
Recipe read_recipe(const std::filesystem::path&);
/// The same from text; `where` names it in messages, `folder` is what relative
/// paths are relative to.
Recipe parse_recipe(std::string_view text, const std::string& where,
                    const std::filesystem::path& folder);
/// JSON of a recipe, paths written relative to `folder`. parse_recipe of the
/// result gives the recipe back.
nlohmann::ordered_json recipe_json(const Recipe&,
                                   const std::filesystem::path& folder);

/// `default` or `mergekit`. Throws UsageError for another name.
Numerics find_numerics(const std::string& name);

/// `keep`, `separate` or `fused`. Throws UsageError for another name.
ExpertLayout find_expert_layout(const std::string& name);

/// Throws Error, with every path that is concerned, unless all that `recipe`
/// reads lies in `folders` or in the Hugging Face cache, links followed.
void check_recipe_paths(const Recipe& recipe,
                        std::span<const std::filesystem::path> folders);

/// A tensor of an ingredient and its weight.
struct Source {
  size_t ingredient = 0;
  size_t tensor = 0;
  DType dtype = DType::kF32;
  double weight = 1.0;     ///< 1 where all weights are equal
  Settings settings = {};  ///< per-model settings, defaults filled in
};

struct Rule;
struct Piece;

/// One output tensor: how it is made of which sources.
struct PlannedTensor {
  TensorInfo out;
  const Rule* rule = nullptr;  ///< null where `out` is tied: made once
  std::vector<Source> sources;
  std::optional<size_t> base = {};  ///< index in `sources` of the base model
  Settings settings = {};           ///< of the rule, defaults filled in
  uint64_t seed = 0;
  Numerics numerics = Numerics::kDefault;
  DType work = DType::kF32;  ///< what Numerics::kMergekit computes in
};

struct Plan {
  std::vector<PlannedTensor> tensors;
  int64_t bytes_read = 0;
  int64_t bytes_write = 0;
  int64_t peak_memory = 0;  ///< anonymous memory of the mixing loop
  bool allow_nonfinite = false;
  /// What the user should know before it is mixed; make_soup() logs them.
  std::vector<std::string> notices;
  /// How the models' names were understood: layers, embeddings, heads.
  std::vector<std::string> inferred;
};

/// A setting that a rule knows.
struct RuleSetting {
  std::string_view name = {};
  std::optional<double> otherwise = {};  ///< default; nullopt: must be given
  bool per_model = false;  ///< given for each model, or once for all of them
  double least = -std::numeric_limits<double>::infinity();
  double most = std::numeric_limits<double>::infinity();
  bool whole = false;  ///< an integer; with 0 and 1 as limits: a truth
};

/// What a rule does with a base model.
enum class BaseModel {
  kIgnored,   ///< nothing: it is one more input
  kOptional,  ///< works on the differences from it where there is one
  kNeeded,
};

/// What a first pass over a whole tensor found (src/recipe/whole.h).
struct Prepared {
  virtual ~Prepared() = default;
};
class WholeTensor;

/// A row of the table of rules: how one output tensor is made of its sources.
struct Rule {
  std::string_view name = {};
  std::string_view summary = {};
  bool (*makes)(DType) = nullptr;  ///< types it can make
  void (*make)(Piece&) =
      nullptr;  ///< makes a run of values (src/recipe/piece.h)
  std::span<const RuleSetting> settings = {};
  BaseModel base = BaseModel::kIgnored;
  size_t least = 1;  ///< inputs, the base not counted where it is used
  size_t most = std::numeric_limits<size_t>::max();
  /// First pass over the sources as a whole, before make(); null: none.
  std::unique_ptr<const Prepared> (*prepare)(const WholeTensor&) = nullptr;
  bool copies = false;  ///< takes bytes as they are: cannot change the dtype
  /// The second half of the inputs says how much the values of the first half
  /// count: fisher's diagonals.
  bool has_companions = false;
  /// Wants PlannedTensor::settings["depth"]: 0 for the first block of a
  /// network to 1 for the last, -1 for what is outside of blocks.
  bool by_depth = false;
  bool weighted = false;  ///< Source::weight means something
  double least_weight = -std::numeric_limits<double>::infinity();
  bool per_op = false;      ///< knows Numerics::kMergekit
  bool one_thread = false;  ///< prepare() cannot use more than one
  /// Bytes that what prepare() returns holds, and what it needs; null: none
  /// worth counting.
  int64_t (*memory)(const PlannedTensor&) = nullptr;
  /// Adds to `mistakes` (each starting with `where`) what is wrong about the
  /// settings of a model as a whole; null: nothing can be.
  void (*check)(const Settings&, const std::string& where,
                std::vector<std::string>& mistakes) = nullptr;
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
  /// Ingredients that do not look like fine-tunes of the same model as the
  /// others, with figures; make_soup() logs them.
  std::vector<std::string> notices;
};

/// Makes every tensor of `plan`, tile by tile. `linear` is
/// (sum w_i x_i) / (sum w_i) in float64, rounded once to nearest even; the
/// bytes depend on nothing but the values (not on threads, tiles or the CPU).
/// Throws Error naming file, tensor and count on non-finite input (unless
/// allowed) and on integer tensors that differ.
MixResult mix(const Plan& plan, std::span<const Checkpoint* const> ingredients,
              Sink& sink, const MixOptions& = {});

/// Mixes `recipe` into memory: the very values that make_soup() writes.
CheckpointPtr soup_in_memory(const Recipe& recipe,
                             std::span<const Checkpoint* const> ingredients);

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
  /// The result is valid until the call after the next one.
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

/// Sum of the products of their values, in float64; both have as many. 0 where
/// one cannot be read as numbers.
double inner_product(const TensorInfo& a, const TensorData& va,
                     const TensorInfo& b, const TensorData& vb);

/// Writes `checkpoint` to `out` in another format or dtype (`keep`, f32, ...):
/// floats are rounded once to nearest even, everything else is copied. The
/// metadata is kept, but for the recipe of a soup whose values change.
MakeResult convert_checkpoint(const Checkpoint& checkpoint,
                              const std::filesystem::path& out,
                              const std::string& dtype, const WriteOptions&,
                              const MixOptions& = {});

/// `base` with the average of LoRA adapters (at least one) in it: every changed
/// weight is W + sum_k w_k s_k B_k A_k / sum_k w_k, s = alpha / r (rslora:
/// alpha / sqrt(r)), summed in float64 and rounded once, to `dtype` (keep: the
/// base's), when it is read. An adapter without a module changes it by zero.
/// Throws Error naming the factors that do not fit, and adapters of another
/// kind (DoRA); UsageError for weights that sum to zero.
CheckpointPtr merge_adapters(CheckpointPtr base,
                             std::span<const AdapterShare> adapters,
                             const std::string& dtype = "keep");

/// One adapter whose change is the average of those of `adapters` (at least
/// one): factors lie side by side, so the ranks add up. Factors are rounded
/// only where w_k s_k differs between the adapters, or to `dtype`. make_soup()
/// writes it as PEFT's folder. Throws as merge_adapters.
CheckpointPtr join_adapters(std::span<const AdapterShare> adapters,
                            const std::string& dtype = "keep");

/// Where all ingredients of `recipe` are LoRA adapters they become one
/// ingredient, their average, merged into the model `base` unless that is
/// empty. Returns whether they are. Throws UsageError for adapters among
/// models, and for what a recipe says that adapters cannot have (another rule,
/// include, exclude).
bool gather_adapters(Recipe& recipe, const std::filesystem::path& base = {});

}  // namespace soup
