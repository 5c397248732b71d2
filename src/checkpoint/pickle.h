#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/budget.h"

/// Python's pickle as data: protocols 2 to 5, nothing imported, nothing called.
/// Classes and functions are names, what they would make is an object node.
/// No libtorch.
namespace soup {

enum class PickleKind : uint8_t {
  kUnset,  ///< a memo slot that nothing was put into
  kNone,
  kBool,
  kInt,   ///< 32 bits
  kLong,  ///< any size
  kFloat,
  kText,
  kBytes,
  kTuple,
  kList,
  kDict,
  kSet,
  kGlobal,
  kObject,
  kPersistent,
};

/// A node of a pickle: a handle that means something to its Pickle only.
struct PickleValue {
  PickleKind kind = PickleKind::kNone;
  uint32_t index = 0;
};

/// A class or function: its name.
struct PickleGlobal {
  std::string_view module;
  std::string_view name;
};

/// What `callable(*args)` would have made, had it been called.
struct PickleObject {
  PickleValue callable;
  PickleValue args;
  PickleValue state;  ///< of BUILD; kNone when there was none
  uint32_t pairs = 0;
};

/// A parsed pickle. Views reach into its bytes, which must outlive it. Nodes
/// form a graph that may have cycles: walk it with a bound.
class Pickle {
 public:
  PickleValue root() const { return root_; }
  /// Bytes up to and with STOP.
  size_t size() const { return size_; }

  /// nullopt for what is no integer or has more than 64 bits.
  std::optional<int64_t> as_int(PickleValue) const;
  std::optional<double> as_float(PickleValue) const;
  std::optional<bool> as_bool(PickleValue) const;
  std::optional<std::string_view> as_text(PickleValue) const;
  /// Two's complement bytes of a kLong, little-endian.
  std::optional<std::string_view> long_bytes(PickleValue) const;
  /// nullptr for what is none.
  const PickleGlobal* as_global(PickleValue) const;
  const PickleObject* as_object(PickleValue) const;
  /// Members of a tuple, list or set; keys and values by turns of a dict, or of
  /// what was set on an object as on a dict. Empty for anything else.
  std::span<const PickleValue> items(PickleValue) const;
  /// Persistent ids, in order of appearance; a kPersistent's index is its
  /// place.
  std::span<const PickleValue> persistent_ids() const { return persistent_; }

 private:
  friend class PickleMachine;

  PickleValue root_;
  size_t size_ = 0;
  std::vector<double> floats_;
  std::vector<std::string_view> texts_;  // of kText, kBytes, kLong
  std::vector<std::vector<PickleValue>> lists_;
  std::vector<PickleGlobal> globals_;
  std::vector<PickleObject> objects_;
  std::vector<PickleValue> persistent_;
};

/// Parses the pickle that `bytes` start with. `where` names it in messages.
/// Throws Error for opcodes that no checkpoint needs, for a stack or memo that
/// is used wrongly, for lengths beyond the end, and when `budget` is spent.
Pickle parse_pickle(std::span<const std::byte> bytes, const std::string& where,
                    Budget& budget);

}  // namespace soup
