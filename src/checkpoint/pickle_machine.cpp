#include "checkpoint/pickle_machine.h"

#include <array>
#include <limits>
#include <utility>

#include "core/text.h"
#include "soup/error.h"

namespace soup {
namespace {

// A hostile pickle makes many empty lists from few bytes.
constexpr size_t kListCost = sizeof(std::vector<PickleValue>) + 16;

}  // namespace

PickleMachine::PickleMachine(std::span<const std::byte> bytes,
                             const std::string& where, Budget& budget)
    : bytes_(reinterpret_cast<const char*>(bytes.data()), bytes.size()),
      where_(where),
      budget_(budget) {
  // Objects without items share the first list.
  pickle_.lists_.emplace_back();
}

Pickle PickleMachine::run() {
  while (!stopped_) step();
  pickle_.root_ = pop();
  pickle_.size_ = at_;
  return std::move(pickle_);
}

void PickleMachine::step() {
  opcode_at_ = at_;
  const auto code = static_cast<unsigned char>(take(1).front());
  const PickleOpcode* opcode = find_opcode(code);
  if (opcode == nullptr) {
    fail("byte " + std::to_string(code) + " is no opcode");
  }
  if (opcode->run == nullptr) {
    throw Error(where_ + " uses opcode " + opcode->name + " at byte " +
                std::to_string(opcode_at_) +
                ", which no checkpoint needs; refused");
  }
  opcode->run(*this);
}

void PickleMachine::fail(const std::string& what) const {
  throw Error(where_ + " is damaged at byte " + std::to_string(opcode_at_) +
              ": " + what);
}

std::string_view PickleMachine::take(uint64_t size) {
  if (size > bytes_.size() - at_) {
    fail("needs " + std::to_string(size) + " more bytes, " +
         std::to_string(bytes_.size() - at_) + " are left");
  }
  const std::string_view taken = bytes_.substr(at_, size);
  at_ += size;
  return taken;
}

uint64_t PickleMachine::number(size_t size) {
  const std::string_view taken = take(size);
  uint64_t value = 0;
  for (size_t i = 0; i < size; ++i) {
    value |= uint64_t{static_cast<unsigned char>(taken[i])} << (8 * i);
  }
  return value;
}

std::string_view PickleMachine::line() {
  const size_t end = bytes_.find('\n', at_);
  if (end == std::string_view::npos) fail("a name does not end");
  const std::string_view taken = bytes_.substr(at_, end - at_);
  at_ = end + 1;
  return taken;
}

void PickleMachine::push(PickleValue value) {
  stack_.push_back(value);
  if (stack_.size() > highest_) {
    highest_ = stack_.size();
    budget_.charge(sizeof(PickleValue));
  }
}

void PickleMachine::push_float(double value) {
  budget_.charge(sizeof(double));
  pickle_.floats_.push_back(value);
  push({PickleKind::kFloat, static_cast<uint32_t>(pickle_.floats_.size() - 1)});
}

void PickleMachine::push_view(PickleKind kind, std::string_view view) {
  budget_.charge(sizeof(std::string_view));
  pickle_.texts_.push_back(view);
  push({kind, static_cast<uint32_t>(pickle_.texts_.size() - 1)});
}

uint32_t PickleMachine::new_list(std::vector<PickleValue> items) {
  budget_.charge(kListCost + items.size() * sizeof(PickleValue));
  pickle_.lists_.push_back(std::move(items));
  return static_cast<uint32_t>(pickle_.lists_.size() - 1);
}

void PickleMachine::push_items(PickleKind kind,
                               std::vector<PickleValue> items) {
  push({kind, new_list(std::move(items))});
}

void PickleMachine::push_global(std::string_view module,
                                std::string_view name) {
  budget_.charge(sizeof(PickleGlobal));
  pickle_.globals_.push_back({module, name});
  push({PickleKind::kGlobal,
        static_cast<uint32_t>(pickle_.globals_.size() - 1)});
}

void PickleMachine::push_object(PickleValue callable, PickleValue args) {
  budget_.charge(sizeof(PickleObject));
  pickle_.objects_.push_back({.callable = callable, .args = args, .state = {}});
  push({PickleKind::kObject,
        static_cast<uint32_t>(pickle_.objects_.size() - 1)});
}

void PickleMachine::push_persistent(PickleValue id) {
  budget_.charge(sizeof(PickleValue));
  pickle_.persistent_.push_back(id);
  push({PickleKind::kPersistent,
        static_cast<uint32_t>(pickle_.persistent_.size() - 1)});
}

PickleValue PickleMachine::top() {
  if (stack_.size() <= floor()) fail("the stack is empty");
  return stack_.back();
}

PickleValue PickleMachine::pop() {
  const PickleValue value = top();
  stack_.pop_back();
  return value;
}

std::string_view PickleMachine::pop_text() {
  const std::optional<std::string_view> text = pickle_.as_text(pop());
  if (!text) fail("expected text");
  return *text;
}

std::vector<PickleValue> PickleMachine::pop_some(size_t count) {
  if (stack_.size() - floor() < count) fail("the stack is empty");
  const auto first = stack_.end() - static_cast<std::ptrdiff_t>(count);
  std::vector<PickleValue> items(first, stack_.end());
  stack_.erase(first, stack_.end());
  return items;
}

std::vector<PickleValue> PickleMachine::pop_to_mark() {
  if (marks_.empty()) fail("there is no mark");
  std::vector<PickleValue> items = pop_some(stack_.size() - floor());
  marks_.pop_back();
  return items;
}

void PickleMachine::pop_anything() {
  if (stack_.size() == floor() && !marks_.empty()) {
    marks_.pop_back();
  } else {
    pop();
  }
}

void PickleMachine::mark() {
  marks_.push_back(stack_.size());
  if (marks_.size() > most_marks_) {
    most_marks_ = marks_.size();
    budget_.charge(sizeof(size_t));
  }
}

void PickleMachine::extend(uint32_t list,
                           const std::vector<PickleValue>& items) {
  budget_.charge(items.size() * sizeof(PickleValue));
  std::vector<PickleValue>& target = pickle_.lists_[list];
  target.insert(target.end(), items.begin(), items.end());
}

// Lists that are no plain lists lose what is appended: nothing asks for it.
void PickleMachine::append(const std::vector<PickleValue>& items) {
  const PickleValue target = top();
  if (target.kind == PickleKind::kList || target.kind == PickleKind::kSet) {
    extend(target.index, items);
  } else if (target.kind != PickleKind::kObject) {
    fail("appends to what is no list");
  }
}

void PickleMachine::set_items(const std::vector<PickleValue>& pairs) {
  if (pairs.size() % 2 != 0) fail("sets a key without a value");
  const PickleValue target = top();
  if (target.kind == PickleKind::kDict) {
    extend(target.index, pairs);
  } else if (target.kind == PickleKind::kObject) {
    uint32_t& list = pickle_.objects_[target.index].pairs;
    if (list == 0) list = new_list({});
    extend(list, pairs);
  } else {
    fail("sets items of what is no dict");
  }
}

void PickleMachine::build(PickleValue state) {
  const PickleValue target = top();
  if (target.kind == PickleKind::kObject) {
    pickle_.objects_[target.index].state = state;
  }
}

void PickleMachine::put(uint64_t slot) {
  // Writers number the slots one by one, so there are never more than bytes.
  if (slot >= bytes_.size()) {
    fail("memo slot " + std::to_string(slot) + " is out of reach");
  }
  const PickleValue value = top();
  if (slot >= memo_.size()) {
    budget_.charge((slot + 1 - memo_.size()) * sizeof(PickleValue));
    memo_.resize(slot + 1, {PickleKind::kUnset});
  }
  memo_[slot] = value;
}

void PickleMachine::get(uint64_t slot) {
  if (slot >= memo_.size() || memo_[slot].kind == PickleKind::kUnset) {
    fail("memo slot " + std::to_string(slot) + " is empty");
  }
  push(memo_[slot]);
}

}  // namespace soup
