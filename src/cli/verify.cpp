#include "cli/commands.h"
#include "core/log.h"
#include "soup/recipe.h"

namespace soup {
namespace {

class Verify : public Task {
 public:
  explicit Verify(CLI::App& app) {
    app.add_option("FILE", file_, "a soup")->required();
  }

  int run(const Output& output) override {
    const VerifyResult result = verify_soup(file_, {.progress = true});
    output.object({{"kind", "verify"},
                   {"path", file_.string()},
                   {"same", result.same},
                   {"difference", result.difference}});
    if (result.same) {
      output.line(file_.string() + ": the same, byte for byte");
      return 0;
    }
    log::error(result.difference);
    return 1;
  }

 private:
  std::filesystem::path file_;
};

}  // namespace

std::unique_ptr<Task> make_verify(CLI::App& app) {
  return std::make_unique<Verify>(app);
}

}  // namespace soup
