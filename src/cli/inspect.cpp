#include "cli/commands.h"
#include "cli/describe.h"
#include "cli/options.h"
#include "cli/tensor_tree.h"
#include "core/text.h"

namespace soup {
namespace {

class Inspect : public Task {
 public:
  explicit Inspect(CLI::App& app) {
    checkpoints_.add_to(app);
    add_prefix_option(app, checkpoints_.options.open);
    app.add_flag("--tensors", tensors_,
                 "list tensors, also of more than one checkpoint");
    CLI::Option* const stats =
        app.add_flag("--stats", stats_,
                     "read the values too: smallest, largest, mean, "
                     "deviation, norm, non-finite, zeros");
    app.add_flag("--tree", tree_,
                 "in a table, tensors by the parts of their names")
        ->excludes(stats);
  }

  int run(const Output& output) override {
    checkpoints_.options.any = true;
    const auto checkpoints = checkpoints_.collect();
    for (const CheckpointPtr& c : checkpoints) {
      output.object(describe_checkpoint(*c));
      if (tensors_ || stats_ || tree_ || checkpoints.size() == 1) {
        list_tensors(*c, output);
      }
    }
    print_table(output,
                {{"checkpoint", 0, false},
                 {"format", 0, false},
                 {"tensors", 0, true},
                 {"parameters", 0, true},
                 {"size", 0, true}},
                rows(checkpoints));
    return 0;
  }

 private:
  static std::vector<std::vector<std::string>> rows(
      std::span<const CheckpointPtr> checkpoints) {
    std::vector<std::vector<std::string>> rows;
    for (const CheckpointPtr& c : checkpoints) {
      rows.push_back({c->path().string(), std::string(c->format()),
                      std::to_string(c->tensors().size()),
                      std::to_string(total_parameters(*c)),
                      bytes_text(total_bytes(*c))});
    }
    return rows;
  }

  void list_tensors(const Checkpoint& checkpoint, const Output& output) const {
    std::vector<Column> columns = {
        {"tensor"}, {"dtype"}, {"shape"}, {"size", 0, true}};
    if (stats_) {
      for (const char* title :
           {"min", "max", "mean", "std", "norm", "nonfinite", "zeros"}) {
        columns.push_back({title, 0, true});
      }
    }
    std::vector<std::vector<std::string>> rows;
    for (size_t i = 0; i < checkpoint.tensors().size(); ++i) {
      const TensorInfo& tensor = checkpoint.tensors()[i];
      ordered_json object = describe_tensor(checkpoint, tensor);
      rows.push_back({tensor.name, std::string(name(tensor.dtype)),
                      shape_text(tensor.shape), bytes_text(tensor.bytes())});
      if (stats_) {
        add_stats(tensor_stats(tensor, checkpoint.read(i)), object,
                  rows.back());
      }
      output.object(object);
    }
    if (tree_) {
      print_tensor_tree(checkpoint, output);
    } else {
      print_table(output, columns, rows);
    }
    list_extras(checkpoint, output);
    output.line("");
  }

  // What else a training checkpoint holds.
  static void list_extras(const Checkpoint& checkpoint, const Output& output) {
    std::vector<std::vector<std::string>> rows;
    for (const auto& [name, kind] : checkpoint.extras()) {
      output.object({{"kind", "extra"},
                     {"path", checkpoint.path().string()},
                     {"name", name},
                     {"value", kind}});
      rows.push_back({name, kind});
    }
    if (rows.empty()) return;
    output.line("");
    print_table(output, {{"beside the weights"}, {"value"}}, rows);
  }

  static void add_stats(const std::optional<TensorStats>& stats,
                        ordered_json& object, std::vector<std::string>& row) {
    if (!stats) {
      row.resize(row.size() + 7);
      return;
    }
    for (const auto& [key, value] :
         {std::pair("min", stats->min), std::pair("max", stats->max),
          std::pair("mean", stats->mean), std::pair("std", stats->std),
          std::pair("norm", stats->norm)}) {
      object[key] = value;
      row.push_back(short_number(value));
    }
    object["nonfinite"] = stats->nonfinite;
    object["zeros"] = stats->zeros;
    row.push_back(std::to_string(stats->nonfinite));
    row.push_back(std::to_string(stats->zeros));
  }

  CheckpointArguments checkpoints_;
  bool tensors_ = false;
  bool stats_ = false;
  bool tree_ = false;
};

}  // namespace

std::unique_ptr<Task> make_inspect(CLI::App& app) {
  return std::make_unique<Inspect>(app);
}

}  // namespace soup
