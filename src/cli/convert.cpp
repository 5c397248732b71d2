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
    app.add_option("-o,--output", out_, "OUT.safetensors, or .pt, .pth, .bin")
        ->required();
    app.add_option("--base", base_,
                   "IN is a LoRA adapter: write this model with it merged in");
    add_dtype_option(app, dtype_);
    add_open_options(app, open_);
    app.add_flag("--force", write_.force, "replace an existing output");
  }

  int run(const Output& output) override {
    check_output(out_, write_);
    const CheckpointPtr in =
        base_.empty() ? open_checkpoint(in_, open_)
                      : merge_adapter(open_checkpoint(base_, open_), in_);
    const MakeResult made =
        convert_checkpoint(*in, out_, dtype_, write_, {.progress = true});
    output.object({{"kind", "convert"},
                   {"path", in_.string()},
                   {"output", out_.string()},
                   {"tensors", in->tensors().size()},
                   {"bytes_read", made.bytes_read},
                   {"bytes_written", made.bytes_written}});
    output.line(out_.string() + ": " + std::to_string(in->tensors().size()) +
                " tensors, read " + bytes_text(made.bytes_read) + ", wrote " +
                bytes_text(made.bytes_written));
    return 0;
  }

 private:
  std::filesystem::path in_;
  std::filesystem::path out_;
  std::filesystem::path base_;
  std::string dtype_ = "keep";
  OpenOptions open_;
  WriteOptions write_;
};

}  // namespace

std::unique_ptr<Task> make_convert(CLI::App& app) {
  return std::make_unique<Convert>(app);
}

}  // namespace soup
