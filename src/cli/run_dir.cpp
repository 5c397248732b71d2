#include "cli/run_dir.h"

namespace soup {

void add_run_options(CLI::App& app, SearchOptions& search) {
  app.add_option("--run-dir", search.run_dir,
                 "folder of the journal: the same command goes on where it "
                 "stopped (default: OUT.run)");
  app.add_flag("--fresh", search.fresh,
               "forget what the journal holds and start anew");
}

void complete_run_dir(SearchOptions& search, std::filesystem::path out) {
  if (!search.run_dir.empty()) return;
  if (!out.has_filename()) out = out.parent_path();  // a folder: "out/"
  search.run_dir = out += ".run";
}

}  // namespace soup
