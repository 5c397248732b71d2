#include "checkpoint/wrappers.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "checkpoint/extras.h"
#include "checkpoint/torch_tensor.h"
#include "core/text.h"
#include "soup/error.h"

namespace soup {
namespace {

constexpr int kMaxDepth = 4;

// In this order. The names are those of timm, Lightning, torchvision, fairseq,
// DeepSpeed, BasicSR and of PyTorch's own tutorials.
constexpr std::array<std::string_view, 6> kPlain = {
    "state_dict", "model_state_dict", "model_state",
    "model",      "module",           "params"};
constexpr std::array<std::string_view, 8> kAveraged = {
    "state_dict_ema", "model_ema", "model_ema_state_dict", "ema_state_dict",
    "ema_model",      "ema",       "params_ema",           "averaged_model"};
// Inside a wrapper. `shadow` is what some averaging classes keep.
constexpr std::array<std::string_view, 7> kInner = {
    "state_dict", "model_state_dict", "model_state", "model",
    "module",     "params",           "shadow"};
// Lightning's WeightAveraging: raw weights beside an averaged `state_dict`.
constexpr std::string_view kRawOfAverage = "current_model_state";

std::string joined(const std::string& path, std::string_view key) {
  return path.empty() ? std::string(key) : path + "." + std::string(key);
}

/// Looks for weights among the entries of dicts.
class Chooser {
 public:
  Chooser(PickleWalk& walk, const OpenOptions& options)
      : walk_(walk), options_(options), root_(walk.pickle().root()) {}

  Weights choose();

 private:
  std::optional<Weights> among(PickleValue dict, const std::string& path,
                               std::span<const std::string_view> names,
                               int depth);
  std::optional<Weights> inside(PickleValue value, const std::string& path,
                                int depth);
  Weights by_key();
  Weights averaged();
  std::optional<Weights> root();
  void check_module(PickleValue value);
  void check_kind();
  std::string notice(const std::string& path);
  [[noreturn]] void fail(const std::string& what);
  std::string keys();

  PickleWalk& walk_;
  const OpenOptions& options_;
  PickleValue root_;
};

std::optional<Weights> Chooser::among(PickleValue dict, const std::string& path,
                                      std::span<const std::string_view> names,
                                      int depth) {
  for (std::string_view name : names) {
    const std::optional<PickleValue> value = walk_.get(dict, name);
    if (!value) continue;
    check_module(*value);
    if (auto found = inside(*value, joined(path, name), depth)) return found;
  }
  return std::nullopt;
}

// The weights that `value` is or holds.
std::optional<Weights> Chooser::inside(PickleValue value,
                                       const std::string& path, int depth) {
  if (walk_.has_tensors(value, 0)) return Weights{value, path};
  if (depth < kMaxDepth) {
    if (auto found = among(value, path, kInner, depth + 1)) return found;
  }
  // Parts of a model in dicts of their own.
  if (walk_.has_tensors(value, kMaxDepth)) return Weights{value, path};
  return std::nullopt;
}

Weights Chooser::by_key() {
  std::optional<PickleValue> value = walk_.get(root_, options_.key);
  // Not the name of an entry: a path of names.
  std::string_view rest = options_.key;
  PickleValue at = root_;
  while (!value) {
    const size_t dot = std::min(rest.find('.'), rest.size());
    const std::optional<PickleValue> next = walk_.get(at, rest.substr(0, dot));
    if (!next) fail("has no " + quote(options_.key));
    if (dot == rest.size()) value = next;
    at = *next;
    rest.remove_prefix(std::min(dot + 1, rest.size()));
  }
  check_module(*value);
  if (auto found = inside(*value, options_.key, 0)) return *found;
  fail(quote(options_.key) + " is no state dict");
}

Weights Chooser::averaged() {
  if (auto found = among(root_, "", kAveraged, 0)) return *found;
  const std::optional<PickleValue> average = walk_.get(root_, "state_dict");
  if (average && walk_.get(root_, kRawOfAverage)) {
    if (auto found = inside(*average, "state_dict", 0)) return *found;
  }
  fail("no averaged copy of the weights (--ema) found");
}

// The whole file is a state dict: tensors, and no other dict that holds some.
std::optional<Weights> Chooser::root() {
  bool tensors = false;
  const std::vector<PickleValue> pairs = walk_.pairs(root_);
  for (size_t i = 0; i + 1 < pairs.size(); i += 2) {
    const std::optional<std::string_view> key =
        walk_.pickle().as_text(pairs[i]);
    if (!key) continue;
    if (is_tensor(walk_.pickle(), pairs[i + 1])) {
      tensors = true;
    } else if (!key->ends_with("_extra_state") &&
               walk_.has_tensors(pairs[i + 1], kMaxDepth)) {
      return std::nullopt;
    }
  }
  if (!tensors) return std::nullopt;
  return Weights{root_, ""};
}

Weights Chooser::choose() {
  check_module(root_);
  if (!options_.key.empty()) return by_key();
  check_kind();
  if (options_.ema) return averaged();
  std::optional<Weights> found = among(root_, "", kPlain, 0);
  if (!found) found = root();
  if (!found) found = among(root_, "", kAveraged, 0);
  if (!found) fail("no state dict found");
  found->notice = notice(found->path);
  return *found;
}

// An object whose state has `_modules` is a torch.nn.Module.
void Chooser::check_module(PickleValue value) {
  const Pickle& pickle = walk_.pickle();
  const PickleObject* object = pickle.as_object(value);
  if (object == nullptr || !walk_.get(object->state, "_modules")) return;
  throw Error(walk_.where() + ": holds a whole Python module (class " +
              quote(class_name(pickle, *object)) +
              "), not a state dict; save it with "
              "torch.save(model.state_dict(), 'weights.pt')");
}

// Files that belong to something larger, or hold no weights.
void Chooser::check_kind() {
  if (walk_.get(root_, "ds_version") || walk_.get(root_, "ds_config")) {
    throw Error(walk_.where() +
                ": part of a DeepSpeed checkpoint; convert the folder first: "
                "python zero_to_fp32.py . out --safe_serialization (or take "
                "what this file has with --key module)");
  }
  if (walk_.get(root_, "param_groups") && walk_.get(root_, "state")) {
    throw Error(walk_.where() +
                ": the state of an optimizer, not the weights of a model; give "
                "the file of model.state_dict()");
  }
}

// What else the file holds, for who would rather have had that.
std::string Chooser::notice(const std::string& path) {
  if (path.empty()) return "";
  const std::string what = walk_.where() + ": took " + quote(path);
  if (path == "state_dict" && walk_.get(root_, kRawOfAverage)) {
    return what + ", which is an average already; --key " +
           std::string(kRawOfAverage) + " takes the weights as trained";
  }
  for (std::string_view name : kAveraged) {
    if (path.starts_with(name) || !walk_.get(root_, name)) continue;
    return what + ", not the averaged " + quote(name) + "; --ema takes that";
  }
  return "";
}

void Chooser::fail(const std::string& what) {
  const std::string found = keys();
  throw Error(walk_.where() + ": " + what +
              (found.empty() ? "; it holds no dict of tensors by name"
                             : "; top-level keys are " + found +
                                   "; choose one with --key"));
}

std::string Chooser::keys() {
  constexpr size_t kMost = 12;
  std::vector<std::string> names;
  const std::vector<PickleValue> pairs = walk_.pairs(root_);
  for (size_t i = 0; i + 1 < pairs.size() && names.size() <= kMost; i += 2) {
    const auto key = walk_.pickle().as_text(pairs[i]);
    const auto number = walk_.pickle().as_int(pairs[i]);
    names.push_back(names.size() == kMost ? "..."
                    : key                 ? quote(*key)
                    : number              ? std::to_string(*number)
                                          : "?");
  }
  return join(names, ", ");
}

std::optional<std::string> scalar_text(const Pickle& pickle,
                                       PickleValue value) {
  constexpr size_t kLongest = 200;
  if (const auto text = pickle.as_text(value)) {
    if (text->size() > kLongest) return std::nullopt;
    return std::string(*text);
  }
  if (const auto number = pickle.as_int(value)) return std::to_string(*number);
  if (const auto truth = pickle.as_bool(value)) {
    return *truth ? "true" : "false";
  }
  if (const auto number = pickle.as_float(value)) {
    std::array<char, 32> out{};
    const auto end = std::to_chars(out.begin(), out.end(), *number).ptr;
    return std::string(out.begin(), end);
  }
  return std::nullopt;
}

}  // namespace

Weights choose_weights(PickleWalk& walk, const OpenOptions& options) {
  return Chooser(walk, options).choose();
}

std::map<std::string, std::string> describe_root(PickleWalk& walk) {
  std::map<std::string, std::string> out;
  const std::vector<PickleValue> pairs = walk.pairs(walk.pickle().root());
  for (size_t i = 0; i + 1 < pairs.size(); i += 2) {
    const auto key = walk.pickle().as_text(pairs[i]);
    // What soup says of its own files is not for others to say.
    if (!key || key->size() > 100 || key->starts_with("soup.")) continue;
    const std::optional<std::string> text =
        scalar_text(walk.pickle(), pairs[i + 1]);
    if (!text) continue;
    walk.budget().charge(key->size() + text->size() + 64);
    out.emplace(*key, *text);
  }
  return out;
}

}  // namespace soup
