#include "cli/commands.h"
#include "cli/describe.h"
#include "cli/options.h"
#include "core/text.h"
#include "soup/recipe.h"

namespace soup {
namespace {

class Convert : public Task {
 public:
  explicit Convert(CLI::App& app) {
    app.add_option("IN", in_, "a checkpoint")->required();
    output_.add_to(app);
    app.add_option("--base", base_,
                   "IN is a LoRA adapter: write this model with it merged in");
    add_dtype_option(app, dtype_);
    add_open_options(app, open_);
    add_prefix_option(app, open_);
  }

  int run(const Output& output) override {
    output_.check();
    const CheckpointPtr in =
        base_.empty() ? open_checkpoint(in_, open_) : merged();
    const MakeResult made =
        convert_checkpoint(*in, output_.out, dtype_, output_.write_options(in_),
                           {.progress = true});
    output.object({{"kind", "convert"},
                   {"path", in_.string()},
                   {"output", output_.out.string()},
                   {"tensors", in->tensors().size()},
                   {"bytes_read", made.bytes_read},
                   {"bytes_written", made.bytes_written}});
    output.line(output_.out.string() + ": " +
                std::to_string(in->tensors().size()) + " tensors, read " +
                bytes_text(made.bytes_read) + ", wrote " +
                bytes_text(made.bytes_written));
    return 0;
  }

 private:
  CheckpointPtr merged() const {
    const AdapterShare adapter = {.path = adapter_folder(in_).value_or(in_)};
    return merge_adapters(open_checkpoint(base_, open_), {&adapter, 1}, dtype_);
  }

  std::filesystem::path in_;
  std::filesystem::path base_;
  std::string dtype_ = "keep";
  OpenOptions open_;
  OutputArguments output_;
};

}  // namespace

std::unique_ptr<Task> make_convert(CLI::App& app) {
  return std::make_unique<Convert>(app);
}

}  // namespace soup
