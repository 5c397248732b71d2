#include "cli/commands.h"
#include "cli/options.h"
#include "core/text.h"
#include "soup/eval.h"

namespace soup {
namespace {

class BatchNorm : public Task {
 public:
  explicit BatchNorm(CLI::App& app) {
    options_.batch_size = kBatchNormBatch;
    app.add_option("CKPT", in_, "a checkpoint with BatchNorm: a soup, say")
        ->required();
    app.add_option("--on", on_,
                   "pictures, best of training: a name (soup list datasets), a "
                   "spec.json, or a folder of class folders")
        ->required();
    app.add_option("--data", data_,
                   "where named data sets lie (default: $SOUP_DATA)");
    add_cache_options(app, options_.cache);
    output_.add_to(app);
    app.add_option("--model", options_.model,
                   "architecture: auto, a name (soup list models), or one of "
                   "timm or torchvision")
        ->capture_default_str();
    app.add_option("--device", options_.device, "auto, cpu, cuda, cuda:N")
        ->capture_default_str();
    app.add_option("--batch-size", options_.batch_size,
                   "pictures that are normalised together")
        ->check(CLI::Range(2, 1 << 20))
        ->capture_default_str();
    app.add_option("--seed", seed_, "of the order of the pictures")
        ->capture_default_str();
    add_open_options(app, open_);
  }

  int run(const Output& output) override {
    output_.check();
    const DatasetSpec dataset = find_dataset(on_, data_);
    const CheckpointPtr in = open_checkpoint(in_, open_);
    const CheckpointPtr made =
        make_batch_norm_statistics(dataset, *in, seed_, options_)
            ->recompute(*in);
    const int64_t written = save_checkpoint(
        *made, output_.out, made->metadata(), output_.write_options(in_));
    output.object({{"kind", "batchnorm"},
                   {"path", in_.string()},
                   {"dataset", dataset.name},
                   {"output", output_.out.string()},
                   {"bytes_written", written}});
    output.line(output_.out.string() + ": statistics of BatchNorm from " +
                dataset.name + ", wrote " + bytes_text(written));
    return 0;
  }

 private:
  std::filesystem::path in_;
  std::string on_;
  std::filesystem::path data_;
  uint64_t seed_ = 0;
  EvaluatorOptions options_;
  OpenOptions open_;
  OutputArguments output_;
};

}  // namespace

std::unique_ptr<Task> make_batchnorm(CLI::App& app) {
  return std::make_unique<BatchNorm>(app);
}

}  // namespace soup
