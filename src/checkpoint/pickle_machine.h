#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/pickle.h"

namespace soup {

/// The stack machine of a pickle: what the opcodes in pickle_opcodes.cpp are
/// made of. Everything throws Error when the pickle does not allow it.
class PickleMachine {
 public:
  PickleMachine(std::span<const std::byte> bytes, const std::string& where,
                Budget& budget);

  Pickle run();
  [[noreturn]] void fail(const std::string& what) const;

  // Bytes of the pickle.
  std::string_view take(uint64_t size);
  uint64_t number(size_t size);  ///< little-endian
  std::string_view line();
  /// As many bytes as the next `size_of_length` bytes say.
  std::string_view counted(size_t size_of_length) {
    return take(number(size_of_length));
  }

  // Nodes.
  void push(PickleValue value);
  void push_bool(bool value) { push({PickleKind::kBool, value ? 1U : 0U}); }
  void push_int(int32_t value) {
    push({PickleKind::kInt, static_cast<uint32_t>(value)});
  }
  void push_float(double value);
  void push_view(PickleKind kind, std::string_view view);
  void push_items(PickleKind kind, std::vector<PickleValue> items);
  void push_global(std::string_view module, std::string_view name);
  void push_object(PickleValue callable, PickleValue args);
  void push_persistent(PickleValue id);

  // The stack.
  PickleValue pop();
  PickleValue top();
  std::string_view pop_text();
  std::vector<PickleValue> pop_some(size_t count);
  std::vector<PickleValue> pop_to_mark();
  void pop_anything();  ///< a mark, if one is on top
  void mark();
  void stop() { stopped_ = true; }

  // Things done to the node on top.
  void append(const std::vector<PickleValue>& items);
  void set_items(const std::vector<PickleValue>& pairs);
  void build(PickleValue state);

  // The memo.
  void put(uint64_t slot);
  void memoize() { put(memo_.size()); }
  void get(uint64_t slot);

 private:
  size_t floor() const { return marks_.empty() ? 0 : marks_.back(); }
  uint32_t new_list(std::vector<PickleValue> items);
  void extend(uint32_t list, const std::vector<PickleValue>& items);
  void step();

  std::string_view bytes_;
  const std::string& where_;
  Budget& budget_;
  size_t at_ = 0;
  size_t opcode_at_ = 0;
  bool stopped_ = false;
  Pickle pickle_;
  std::vector<PickleValue> stack_;
  size_t highest_ = 0;
  std::vector<size_t> marks_;
  size_t most_marks_ = 0;
  std::vector<PickleValue> memo_;
};

/// A row of the table of opcodes.
struct PickleOpcode {
  unsigned char code = 0;
  const char* name = "";
  void (*run)(PickleMachine&) = nullptr;  ///< nullptr: refused
};

/// The row of `code`, or nullptr for a byte that is no opcode.
const PickleOpcode* find_opcode(unsigned char code);

}  // namespace soup
