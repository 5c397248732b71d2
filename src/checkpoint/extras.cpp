#include "checkpoint/extras.h"

#include "checkpoint/torch_tensor.h"
#include "core/text.h"

namespace soup {
namespace {

constexpr size_t kMost = 200;         // entries
constexpr size_t kLongestText = 100;  // of a name or value

std::string counted(size_t n, const char* what) {
  return std::to_string(n) + " " + what + (n == 1 ? "" : "s");
}

std::string name_of(const PickleGlobal& global) {
  return std::string(global.module) + "." + std::string(global.name);
}

std::string text_of(const Pickle& pickle, PickleValue value) {
  if (const auto text = pickle.as_text(value)) {
    std::string shown(text->substr(0, kLongestText));
    if (shown.size() < text->size()) shown += "...";
    return shown;
  }
  if (const auto number = pickle.as_int(value)) return std::to_string(*number);
  return "?";
}

std::string kind_of(PickleWalk& walk, PickleValue value) {
  const Pickle& pickle = walk.pickle();
  if (is_tensor(pickle, value)) return "a tensor";
  switch (value.kind) {
    case PickleKind::kNone:
      return "None";
    case PickleKind::kBool:
      return *pickle.as_bool(value) ? "True" : "False";
    case PickleKind::kInt:
    case PickleKind::kText:
      return text_of(pickle, value);
    case PickleKind::kLong:
      return pickle.as_int(value) ? text_of(pickle, value) : "an integer";
    case PickleKind::kFloat:
      return "a float";
    case PickleKind::kBytes:
      return "bytes";
    case PickleKind::kTuple:
      return "a tuple of " + counted(pickle.items(value).size(), "value");
    case PickleKind::kList:
      return "a list of " + counted(pickle.items(value).size(), "value");
    case PickleKind::kSet:
      return "a set of " + counted(pickle.items(value).size(), "value");
    case PickleKind::kDict:
      return "a dict of " + counted(walk.pairs(value).size() / 2, "key");
    case PickleKind::kGlobal:
      return name_of(*pickle.as_global(value));
    case PickleKind::kObject:
      return class_name(pickle, *pickle.as_object(value));
    case PickleKind::kPersistent:
      return "a storage";
    case PickleKind::kUnset:
      break;
  }
  return "?";
}

}  // namespace

std::string class_name(const Pickle& pickle, const PickleObject& object) {
  PickleValue type = object.callable;
  if (type.kind == PickleKind::kPersistent) {  // legacy: ('module', class, ...)
    const auto id = pickle.items(pickle.persistent_ids()[type.index]);
    if (id.size() > 1) type = id[1];
  }
  const PickleGlobal* global = pickle.as_global(type);
  // Protocol 2 calls copyreg._reconstructor(class, ...) for some.
  const std::span<const PickleValue> args = pickle.items(object.args);
  if (global != nullptr && global->name.starts_with("_reconstruct") &&
      !args.empty()) {
    global = pickle.as_global(args[0]);
  }
  return global == nullptr ? "?" : name_of(*global);
}

std::vector<std::pair<std::string, std::string>> describe_extras(
    PickleWalk& walk, const Weights& weights) {
  std::vector<std::pair<std::string, std::string>> extras;
  const Pickle& pickle = walk.pickle();
  const std::vector<PickleValue> pairs = walk.pairs(pickle.root());
  for (size_t i = 0; i + 1 < pairs.size() && extras.size() < kMost; i += 2) {
    const std::string name = text_of(pickle, pairs[i]);
    const bool chosen =
        weights.path.empty()
            ? is_tensor(pickle, pairs[i + 1])
            : weights.path == name || weights.path.starts_with(name + ".");
    if (chosen) continue;
    std::string kind = kind_of(walk, pairs[i + 1]);
    walk.budget().charge(name.size() + kind.size() + 64);
    extras.emplace_back(name, std::move(kind));
  }
  return extras;
}

}  // namespace soup
