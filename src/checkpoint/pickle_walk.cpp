#include <algorithm>
#include <array>

#include "checkpoint/torch_tensor.h"
#include "checkpoint/wrappers.h"

namespace soup {
namespace {

constexpr std::array<std::string_view, 4> kDictClasses = {
    "OrderedDict", "defaultdict", "Counter", "dict"};

bool is_dict_class(const PickleGlobal* global) {
  return global != nullptr &&
         (global->module == "collections" || global->module == "builtins" ||
          global->module == "__builtin__") &&
         std::find(kDictClasses.begin(), kDictClasses.end(), global->name) !=
             kDictClasses.end();
}

void append(std::vector<PickleValue>& out, std::span<const PickleValue> items) {
  out.insert(out.end(), items.begin(), items.end());
}

// Python 2 gives an OrderedDict a list of pairs, a Counter a dict.
void append_arguments(const Pickle& pickle, PickleValue args,
                      std::vector<PickleValue>& out) {
  for (PickleValue arg : pickle.items(args)) {
    if (arg.kind == PickleKind::kDict) {
      append(out, pickle.items(arg));
    } else if (arg.kind == PickleKind::kList) {
      for (PickleValue pair : pickle.items(arg)) {
        if (pickle.items(pair).size() == 2) append(out, pickle.items(pair));
      }
    }
  }
}

}  // namespace

std::vector<PickleValue> PickleWalk::pairs(PickleValue dict) {
  std::vector<PickleValue> out;
  if (dict.kind == PickleKind::kDict) {
    append(out, pickle_.items(dict));
  } else if (const PickleObject* object = pickle_.as_object(dict)) {
    if (is_dict_class(pickle_.as_global(object->callable))) {
      append_arguments(pickle_, object->args, out);
    }
    append(out, pickle_.items(dict));
  }
  // Every look costs, or shared nodes would make a short pickle a long walk.
  budget_.step(1 + out.size());
  return out;
}

std::optional<PickleValue> PickleWalk::get(PickleValue dict,
                                           std::string_view key) {
  const std::vector<PickleValue> all = pairs(dict);
  for (size_t i = 0; i + 1 < all.size(); i += 2) {
    if (pickle_.as_text(all[i]) == key) return all[i + 1];
  }
  return std::nullopt;
}

bool PickleWalk::has_tensors(PickleValue dict, int depth) {
  const std::vector<PickleValue> all = pairs(dict);
  for (size_t i = 0; i + 1 < all.size(); i += 2) {
    if (!pickle_.as_text(all[i])) continue;
    if (is_tensor(pickle_, all[i + 1])) return true;
    if (depth > 0 && has_tensors(all[i + 1], depth - 1)) return true;
  }
  return false;
}

}  // namespace soup
