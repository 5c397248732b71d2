#include "cli/commands.h"
#include "cli/soup_command.h"

namespace soup {
namespace {

class Uniform : public Task {
 public:
  explicit Uniform(CLI::App& app) {
    arguments_.checkpoints.add_to(app);
    arguments_.output.add_to(app);
    arguments_.recipe.add_to(app);
    arguments_.mix.add_to(app);
    arguments_.batch_norm.add_to(app);
    arguments_.eval.add_to(app, true);
    arguments_.checkpoints.options.adapters = true;
    app.add_option("--base", arguments_.adapter_base,
                   "CKPT are LoRA adapters: write this model with their "
                   "average merged in, not an adapter");
  }

  int run(const Output& output) override {
    return run_search(find_search("uniform"), arguments_, output);
  }

 private:
  SoupArguments arguments_;
};

}  // namespace

std::unique_ptr<Task> make_uniform(CLI::App& app) {
  return std::make_unique<Uniform>(app);
}

}  // namespace soup
