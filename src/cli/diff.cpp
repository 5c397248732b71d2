#include <cmath>

#include "cli/commands.h"
#include "cli/describe.h"
#include "cli/options.h"
#include "soup/checkpoint.h"
#include "soup/recipe.h"

namespace soup {
namespace {

/// What was found about one tensor name.
struct Row {
  std::string name;
  std::string status;
  std::optional<TensorDifference> numbers = {};
};

ordered_json finite_or_null(double value) {
  return std::isfinite(value) ? ordered_json(value) : ordered_json(nullptr);
}

ordered_json describe(const Row& row) {
  ordered_json object = {
      {"kind", "diff"}, {"name", row.name}, {"status", row.status}};
  const bool has = row.numbers.has_value();
  object["max_abs"] = has ? finite_or_null(row.numbers->max_abs) : nullptr;
  object["mean_abs"] = has ? finite_or_null(row.numbers->mean_abs) : nullptr;
  object["cosine"] = has ? finite_or_null(row.numbers->cosine) : nullptr;
  return object;
}

class Diff : public Task {
 public:
  explicit Diff(CLI::App& app) {
    app.add_option("A", a_, "a checkpoint")->required();
    app.add_option("B", b_, "another one")->required();
    add_open_options(app, open_);
    add_prefix_option(app, open_);
    app.add_flag("--all", all_, "in a table, show equal tensors too");
  }

  int run(const Output& output) override {
    const CheckpointPtr a = open_checkpoint(a_, open_);
    const CheckpointPtr b = open_checkpoint(b_, open_);
    int64_t equal = 0;
    int64_t different = 0;
    std::vector<std::vector<std::string>> cells;
    const auto add = [&](const Row& row) {
      ++(row.status == "equal" ? equal : different);
      output.object(describe(row));
      if (all_ || row.status != "equal") cells.push_back(texts(row));
    };
    for (size_t i = 0; i < a->tensors().size(); ++i) add(compare(*a, i, *b));
    for (const TensorInfo& tensor : b->tensors()) {
      if (!a->find(tensor.name)) add({tensor.name, "only_b"});
    }
    if (!cells.empty()) {
      print_table(output,
                  {{"tensor"},
                   {"status"},
                   {"max abs", 0, true},
                   {"mean abs", 0, true},
                   {"cosine", 0, true}},
                  cells);
    }
    output.line(std::to_string(equal) + " tensors are equal, " +
                std::to_string(different) + " are not");
    return different == 0 ? 0 : 1;
  }

 private:
  static Row compare(const Checkpoint& a, size_t i, const Checkpoint& b) {
    const TensorInfo& left = a.tensors()[i];
    const std::optional<size_t> j = b.find(left.name);
    if (!j) return {left.name, "only_a"};
    const TensorInfo& right = b.tensors()[*j];
    if (left.shape != right.shape) return {left.name, "shape"};
    const TensorDifference found =
        tensor_difference(left, a.read(i), right, b.read(*j));
    if (left.dtype != right.dtype) return {left.name, "dtype", found};
    return {left.name, found.equal ? "equal" : "differs", found};
  }

  static std::vector<std::string> texts(const Row& row) {
    if (!row.numbers) return {row.name, row.status, "", "", ""};
    return {row.name, row.status, short_number(row.numbers->max_abs),
            short_number(row.numbers->mean_abs),
            short_number(row.numbers->cosine)};
  }

  std::filesystem::path a_;
  std::filesystem::path b_;
  OpenOptions open_;
  bool all_ = false;
};

}  // namespace

std::unique_ptr<Task> make_diff(CLI::App& app) {
  return std::make_unique<Diff>(app);
}

}  // namespace soup
