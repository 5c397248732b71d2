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
    app.add_option("--dtype", dtype_, "of floats: keep, f32, f16, bf16, f64")
        ->check(CLI::IsMember({"keep", "f32", "f16", "bf16", "f64"}))
        ->capture_default_str();
    app.add_option("--key", open_.key,
                   "take this dictionary from files that hold several");
    app.add_flag("--ema", open_.ema,
                 "take the moving average from files that hold one");
    app.add_flag("--force", write_.force, "replace an existing output");
  }

  int run(const Output& output) override {
    check_output(out_, write_);
    const CheckpointPtr in = open_checkpoint(in_, open_);
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
  std::string dtype_ = "keep";
  OpenOptions open_;
  WriteOptions write_;
};

}  // namespace

std::unique_ptr<Task> make_convert(CLI::App& app) {
  return std::make_unique<Convert>(app);
}

}  // namespace soup
