#include <charconv>
#include <map>
#include <set>

#include "cli/options.h"
#include "core/short_names.h"
#include "soup/error.h"

// Held-out data and how to score on it.

namespace soup {
namespace {

namespace fs = std::filesystem;

/// "NAME=SHARE" as both; the share of "NAME" is 1.
std::pair<std::string, double> split_share(const std::string& text) {
  const size_t at = text.rfind('=');
  if (at == std::string::npos || fs::exists(text)) return {text, 1.0};
  double share = 0;
  const char* const end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data() + at + 1, end, share);
  if (error != std::errc() || rest != end || !(share > 0)) {
    throw UsageError("--val " + text + ": '" + text.substr(at + 1) +
                     "' is no share; write it like NAME=2 or NAME=0.5");
  }
  return {text.substr(0, at), share};
}

/// Data sets of one name are called by what tells their files apart.
void tell_apart(std::vector<DatasetSpec>& specs) {
  const auto file_of = [](const DatasetSpec& spec) {
    const fs::path& file = spec.origin.empty() ? spec.path : spec.origin;
    return file.has_filename() ? file : file.parent_path();
  };
  std::map<std::string, std::vector<DatasetSpec*>> by_name;
  for (DatasetSpec& spec : specs) by_name[spec.name].push_back(&spec);
  for (const auto& [name, namesakes] : by_name) {
    std::set<fs::path> files;
    for (const DatasetSpec* spec : namesakes) files.insert(file_of(*spec));
    if (files.size() < 2) continue;  // the same one again
    const ShortNames names(std::vector<fs::path>(files.begin(), files.end()));
    for (DatasetSpec* spec : namesakes) spec->name = names.of(file_of(*spec));
  }
}

}  // namespace

void add_cache_options(CLI::App& app, PictureCache& cache) {
  cache.folder = default_cache_folder();
  CLI::Option* const folder = app.add_option(
      "--cache-dir", cache.folder,
      "where decoded pictures are kept for the next time (default: "
      "$XDG_CACHE_HOME/soup/pictures, else ~/.cache/soup/pictures)");
  app.add_option_function<std::string>(
         "--cache-size",
         [&cache](const std::string& size) { cache.limit = parse_size(size); },
         "most that is kept there; what was not used for longest goes first")
      ->default_str("50GB");
  app.add_flag_callback(
         "--no-cache", [&cache] { cache.folder.clear(); },
         "keep no decoded pictures and use none")
      ->excludes(folder);
}

void EvalArguments::add_to(CLI::App& app, bool search) {
  CLI::Option* val_option = app.add_option(
      "--val", val,
      search ? "held-out data: a name (soup list datasets), a spec.json, or a "
               "folder of class folders"
             : "data to score on: a name (soup list datasets), a spec.json, or "
               "a folder of class folders (repeatable)");
  val_option->allow_extra_args(false);
  if (search) {
    val_option->expected(1);
    app.add_option("--test", test,
                   "scored once, at the end, never used to choose "
                   "(repeatable)")
        ->allow_extra_args(false);
  }
  app.add_option("--data", data,
                 "where named data sets lie (default: $SOUP_DATA)");
  app.add_option("--skip-bad", skip_bad,
                 "leave out up to so many pictures of a data set that cannot "
                 "be decoded")
      ->check(not_negative())
      ->capture_default_str();
  app.add_option("--model", options.model,
                 "architecture: auto, a name (soup list models), one of timm, "
                 "torchvision or open_clip, or a file that is run: .pt2 of "
                 "scripts/export_model.py, TorchScript (.ts, .pt)")
      ->capture_default_str();
  app.add_option("--head", options.head,
                 "file with the linear head of a CLIP image tower: zero-shot "
                 "weights, say");
  app.add_option("--metric", options.metric,
                 "what is scored (soup list metrics)")
      ->capture_default_str();
  app.add_option("--device", options.device, "auto, cpu, cuda, cuda:N")
      ->capture_default_str();
  app.add_option("--precision", options.precision,
                 "fp32, or fast: bf16, fp16 or tf32, with fp32 where that is "
                 "too close to call, so that counts are fp32's; bf16-only and "
                 "so on: without")
      ->capture_default_str();
  app.add_option("--batch-size", options.batch_size, "examples at a time")
      ->check(positive_number())
      ->capture_default_str();
  add_cache_options(app, options.cache);
  app.add_option("--eval-cmd", by_command.command,
                 "score with this command instead of --val: {} is the "
                 "checkpoint; the last line it prints is the score")
      ->excludes(val_option);
  app.add_flag("--lower-is-better", by_command.lower_is_better,
               "the score of --eval-cmd is a loss")
      ->needs("--eval-cmd");
  app.add_option("--eval-timeout", by_command.time_limit,
                 "seconds that --eval-cmd may take each time")
      ->check(positive_number())
      ->needs("--eval-cmd");
  app.add_option("--eval-jobs", by_command.jobs,
                 "how many of --eval-cmd run at once where checkpoints are "
                 "scored one by one")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str()
      ->needs("--eval-cmd");
}

void EvalArguments::allow_shares(CLI::App& app) {
  has_shares = true;
  app.get_option("--val")
      ->expected(1, CLI::detail::expected_max_vector_size)
      ->allow_extra_args(false)
      ->type_name("NAME[=SHARE]")
      ->description(
          "held-out data: a name (soup list datasets), a spec.json, or a "
          "folder of class folders; given several times the score is the mean, "
          "weighted by the shares");
}

void BatchNormArguments::add_to(CLI::App& app) {
  app.add_option("--bn", statistics,
                 "BatchNorm's means and variances: average, as of weights, or "
                 "recompute, from the pictures of --bn-data, in every soup "
                 "that is scored and in the one that is written")
      ->check(CLI::IsMember({"average", "recompute"}))
      ->capture_default_str();
  app.add_option("--bn-data", data,
                 "pictures, best of training: a name (soup list datasets), a "
                 "spec.json, or a folder of class folders")
      ->type_name("NAME");
}

std::optional<DatasetSpec> BatchNormArguments::spec(
    const EvalArguments& eval) const {
  if (statistics == "average") {
    if (data.empty()) return std::nullopt;
    throw UsageError("--bn-data: nothing is taken from pictures with --bn " +
                     statistics + "; give --bn recompute");
  }
  if (data.empty()) {
    throw UsageError(
        "--bn recompute: give the pictures with --bn-data NAME (soup list "
        "datasets)");
  }
  DatasetSpec found = find_dataset(data, eval.data);
  for (const std::string& name : eval.test) {
    if (same_examples(found, find_dataset(name, eval.data))) {
      throw UsageError("--bn-data " + data +
                       ": these are the examples of "
                       "--test " +
                       name + "; what makes the soup cannot also judge it");
    }
  }
  found.skip_bad = eval.skip_bad;
  return found;
}

std::string EvalArguments::metric() const {
  return by_command.command.empty() ? options.metric : "eval-cmd";
}

std::vector<double> EvalArguments::shares() const {
  std::vector<double> found;
  for (const std::string& one : val) found.push_back(split_share(one).second);
  return found;
}

std::vector<DatasetSpec> EvalArguments::specs(bool required) const {
  if (required && val.empty() && by_command.command.empty()) {
    throw UsageError(
        "no held-out data: give --val NAME (soup list datasets) or --eval-cmd");
  }
  std::vector<DatasetSpec> found;
  std::vector<std::string> chooses;
  const auto add = [&](const std::string& option, const std::string& why) {
    DatasetSpec spec = find_dataset(option.substr(option.find(' ') + 1), data);
    for (size_t i = 0; i < chooses.size(); ++i) {
      if (!same_examples(found[i], spec)) continue;
      throw UsageError(option + ": these are the examples of " + chooses[i] +
                       "; " + why);
    }
    found.push_back(std::move(spec));
  };
  for (const std::string& one : val) {
    const std::string name = has_shares ? split_share(one).first : one;
    if (!has_shares) {
      found.push_back(find_dataset(name, data));
    } else {
      add("--val " + name, "give it once, with its share: NAME=SHARE");
    }
    chooses.push_back("--val " + name);
  }
  for (const std::string& name : guard) {
    add("--guard " + name, "one of the two is enough");
    chooses.push_back("--guard " + name);
  }
  for (const std::string& name : test) {
    add("--test " + name, "what chooses the soup cannot also judge it");
  }
  for (DatasetSpec& spec : found) spec.skip_bad = skip_bad;
  tell_apart(found);
  return found;
}

}  // namespace soup
