#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/budget.h"
#include "checkpoint/pickle.h"
#include "soup/checkpoint.h"

/// Which of the things in a training checkpoint are the weights. No libtorch.
namespace soup {

/// Walks the dicts of a pickle with a bound: nodes may be shared a million
/// times over, or lead back to themselves.
class PickleWalk {
 public:
  PickleWalk(const Pickle& pickle, std::string where, Budget& budget)
      : pickle_(pickle), where_(std::move(where)), budget_(budget) {}

  const Pickle& pickle() const { return pickle_; }
  const std::string& where() const { return where_; }
  Budget& budget() { return budget_; }

  /// Keys and values by turns of a dict or of what is made like one; empty for
  /// anything else. Throws Error when the walk takes too long.
  std::vector<PickleValue> pairs(PickleValue dict);
  /// The value of a text key.
  std::optional<PickleValue> get(PickleValue dict, std::string_view key);
  /// True when a text key leads to a tensor; `depth` levels of dicts down.
  bool has_tensors(PickleValue dict, int depth);

 private:
  const Pickle& pickle_;
  std::string where_;
  Budget& budget_;
};

/// A state dict inside a file.
struct Weights {
  PickleValue dict;
  std::string path = {};  ///< keys that lead there; empty for the root
  /// Worth telling the user: what else could have been taken.
  std::string notice = {};
};

/// Finds the weights in the order that the documentation of OpenOptions gives:
/// `key`; with `ema` the averaged copies; `state_dict`, `model_state_dict`,
/// `model`, `module`, `params` and the like; the root; averaged copies.
/// Throws Error when there are none, naming what there is.
Weights choose_weights(PickleWalk&, const OpenOptions&);

/// Numbers and short texts that lie beside the weights (epoch, arch, ...).
std::map<std::string, std::string> describe_root(PickleWalk&);

}  // namespace soup
