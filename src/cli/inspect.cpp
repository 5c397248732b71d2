#include "cli/commands.h"
#include "cli/describe.h"
#include "cli/options.h"
#include "core/text.h"

namespace soup {
namespace {

class Inspect : public Task {
 public:
  explicit Inspect(CLI::App& app) {
    checkpoints_.add_to(app);
    app.add_flag("--tensors", tensors_,
                 "list tensors, also of more than one checkpoint");
  }

  int run(const Output& output) override {
    checkpoints_.options.keep_duplicates = true;
    const auto checkpoints = checkpoints_.collect();
    for (const CheckpointPtr& c : checkpoints) {
      output.object(describe_checkpoint(*c));
      if (tensors_ || checkpoints.size() == 1) list_tensors(*c, output);
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

  static void list_tensors(const Checkpoint& checkpoint, const Output& output) {
    std::vector<std::vector<std::string>> rows;
    for (const TensorInfo& tensor : checkpoint.tensors()) {
      output.object(describe_tensor(checkpoint, tensor));
      rows.push_back({tensor.name, std::string(name(tensor.dtype)),
                      shape_text(tensor.shape), bytes_text(tensor.bytes())});
    }
    print_table(output,
                {{"tensor", 0, false},
                 {"dtype", 0, false},
                 {"shape", 0, false},
                 {"size", 0, true}},
                rows);
    output.line("");
  }

  CheckpointArguments checkpoints_;
  bool tensors_ = false;
};

}  // namespace

std::unique_ptr<Task> make_inspect(CLI::App& app) {
  return std::make_unique<Inspect>(app);
}

}  // namespace soup
