#include "cli/commands.h"
#include "cli/selection.h"
#include "cli/soup_command.h"

namespace soup {
namespace {

class Greedy : public Task {
 public:
  explicit Greedy(CLI::App& app) {
    arguments_.checkpoints.add_to(app);
    arguments_.output.add_to(app);
    arguments_.recipe.add_to(app);
    arguments_.eval.add_to(app, true);
    arguments_.mix.add_to(app);
    selection_.add_to(app, arguments_.search);
    app.add_option("--guard", arguments_.eval.guard,
                   "more held-out data, on which no step may lower the score "
                   "(repeatable)")
        ->allow_extra_args(false);
    SearchOptions& search = arguments_.search;
    app.add_option("--run-dir", search.run_dir,
                   "folder of the journal: the same command goes on where it "
                   "stopped (default: OUT.run)");
    app.add_flag("--fresh", search.fresh,
                 "forget what the journal holds and start anew");
  }

  int run(const Output& output) override {
    const Search& search = selection_.choose(arguments_.search);
    if (arguments_.search.run_dir.empty()) {
      arguments_.search.run_dir = default_run_dir();
    }
    return run_search(search, arguments_, output);
  }

 private:
  std::filesystem::path default_run_dir() const {
    std::filesystem::path out = arguments_.output.out;
    if (!out.has_filename()) out = out.parent_path();  // a folder: "out/"
    return out += ".run";
  }

  SoupArguments arguments_;
  SelectionArguments selection_;
};

}  // namespace

std::unique_ptr<Task> make_greedy(CLI::App& app) {
  return std::make_unique<Greedy>(app);
}

}  // namespace soup
