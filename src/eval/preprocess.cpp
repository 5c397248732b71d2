#include "eval/preprocess.h"

#include <cmath>
#include <sstream>

#include "soup/error.h"

namespace soup {
namespace {

Preprocess of_model(const ModelInput& input) {
  Preprocess p;
  p.mean = input.mean;
  p.std = input.std;
  if (!input.interpolation.empty()) p.filter = input.interpolation;
  if (!input.resize.empty()) p.resize = input.resize;
  if (input.crop_pct > 0) p.crop_pct = input.crop_pct;
  return p;
}

void spread(std::vector<double>& values, int64_t channels,
            const DatasetSpec& spec) {
  if (values.size() == 1) {
    values.resize(static_cast<size_t>(channels), values[0]);
  }
  if (std::ssize(values) != channels) {
    throw Error(spec.name + ": mean and standard deviation are given for " +
                std::to_string(values.size()) +
                " channels, but the model takes " + std::to_string(channels));
  }
}

std::string numbers(const std::vector<double>& values) {
  std::ostringstream text;
  for (size_t i = 0; i < values.size(); ++i) {
    text << (i == 0 ? "[" : ", ") << values[i];
  }
  return text.str() + "]";
}

std::string size_text(const ModelInput& input) {
  return std::to_string(input.height) + " x " + std::to_string(input.width);
}

std::string resize_text(const Preprocess& p, const ModelInput& input) {
  const std::string size = size_text(input);
  if (*p.resize == "exact") return "resized to " + size + ", " + *p.filter;
  const auto shorter =
      static_cast<int64_t>(static_cast<double>(input.height) / *p.crop_pct);
  return "shorter side to " + std::to_string(shorter) + ", " + *p.filter +
         ", centre crop of " + size;
}

}  // namespace

ModelInput sized_input(const DatasetSpec& spec, ModelInput input) {
  if (input.any_size && spec.preprocess.size) {
    input.height = input.width = *spec.preprocess.size;
    input.usual_size = false;
  }
  return input;
}

Preparation resolve_preprocess(const DatasetSpec& spec,
                               const ModelInput& input) {
  const Preprocess said = overlay(spec.preprocess, of_model(input));
  Preparation made;
  made.all = overlay(said, default_preprocess(input.channels));
  const bool crops = *made.all.resize == "shorter";
  const Preprocess& asked = spec.preprocess;
  made.default_resize =
      !said.resize || !said.filter || (crops && !said.crop_pct);
  made.published_resize =
      input.published_resize &&
      (!asked.resize || !asked.filter || (crops && !asked.crop_pct));
  made.default_statistics = said.mean.empty();
  made.published_statistics = input.published_statistics && asked.mean.empty();
  spread(made.all.mean, input.channels, spec);
  spread(made.all.std, input.channels, spec);
  return made;
}

std::string default_notice(const Preparation& made, const DatasetSpec& spec,
                           const ModelInput& input, bool resized) {
  std::string what;
  if ((made.default_resize || made.published_resize) && resized) {
    what = resize_text(made.all, input);
  } else if (input.usual_size) {
    what = "pictures of " + size_text(input);
  }
  if (made.default_statistics || made.published_statistics) {
    what += (what.empty() ? "" : "; ") +
            ("mean " + numbers(made.all.mean) + ", standard deviation " +
             numbers(made.all.std));
  }
  if (what.empty()) return what;
  const bool published = made.published_resize || made.published_statistics;
  return spec.name +
         ": neither the spec nor a file beside the model says how pictures are "
         "prepared; " +
         (published ? "as for published models of its kind: "
                    : "by default: ") +
         what;
}

}  // namespace soup
