#include <array>
#include <bit>

#include "checkpoint/pickle_machine.h"

namespace soup {
namespace {

using M = PickleMachine;
using enum PickleKind;

// Big-endian, unlike all other numbers of a pickle.
double big_endian_double(std::string_view bytes) {
  uint64_t number = 0;
  for (char c : bytes) number = number << 8 | static_cast<unsigned char>(c);
  return std::bit_cast<double>(number);
}

void object(M& m) {
  const PickleValue args = m.pop();
  const PickleValue callable = m.pop();
  m.push_object(callable, args);
}

void set_item(M& m) { m.set_items(m.pop_some(2)); }

// Python's pickletools.opcodes; rows without a function are refused.
constexpr PickleOpcode kOpcodes[] = {
    {0x80, "PROTO",
     [](M& m) {
       if (m.number(1) > 5) m.fail("a protocol newer than 5");
     }},
    {'.', "STOP", [](M& m) { m.stop(); }},
    {0x95, "FRAME", [](M& m) { m.number(8); }},
    {'(', "MARK", [](M& m) { m.mark(); }},
    {'0', "POP", [](M& m) { m.pop_anything(); }},
    {'1', "POP_MARK", [](M& m) { m.pop_to_mark(); }},
    {'2', "DUP", [](M& m) { m.push(m.top()); }},

    {')', "EMPTY_TUPLE",
     [](M& m) {
       m.push({kTuple, 0});
     }},
    {'t', "TUPLE", [](M& m) { m.push_items(kTuple, m.pop_to_mark()); }},
    {0x85, "TUPLE1", [](M& m) { m.push_items(kTuple, m.pop_some(1)); }},
    {0x86, "TUPLE2", [](M& m) { m.push_items(kTuple, m.pop_some(2)); }},
    {0x87, "TUPLE3", [](M& m) { m.push_items(kTuple, m.pop_some(3)); }},
    {']', "EMPTY_LIST", [](M& m) { m.push_items(kList, {}); }},
    {'l', "LIST", [](M& m) { m.push_items(kList, m.pop_to_mark()); }},
    {'a', "APPEND", [](M& m) { m.append({m.pop()}); }},
    {'e', "APPENDS", [](M& m) { m.append(m.pop_to_mark()); }},
    {'}', "EMPTY_DICT", [](M& m) { m.push_items(kDict, {}); }},
    {'d', "DICT",
     [](M& m) {
       const std::vector<PickleValue> pairs = m.pop_to_mark();
       m.push_items(kDict, {});
       m.set_items(pairs);
     }},
    {'s', "SETITEM", set_item},
    {'u', "SETITEMS", [](M& m) { m.set_items(m.pop_to_mark()); }},
    {0x8f, "EMPTY_SET", [](M& m) { m.push_items(kSet, {}); }},
    {0x90, "ADDITEMS", [](M& m) { m.append(m.pop_to_mark()); }},
    {0x91, "FROZENSET", [](M& m) { m.push_items(kSet, m.pop_to_mark()); }},

    {'N', "NONE",
     [](M& m) {
       m.push({kNone, 0});
     }},
    {0x88, "NEWTRUE", [](M& m) { m.push_bool(true); }},
    {0x89, "NEWFALSE", [](M& m) { m.push_bool(false); }},
    {'J', "BININT",
     [](M& m) { m.push_int(static_cast<int32_t>(m.number(4))); }},
    {'K', "BININT1",
     [](M& m) { m.push_int(static_cast<int32_t>(m.number(1))); }},
    {'M', "BININT2",
     [](M& m) { m.push_int(static_cast<int32_t>(m.number(2))); }},
    {0x8a, "LONG1", [](M& m) { m.push_view(kLong, m.counted(1)); }},
    {0x8b, "LONG4", [](M& m) { m.push_view(kLong, m.counted(4)); }},
    {'G', "BINFLOAT", [](M& m) { m.push_float(big_endian_double(m.take(8))); }},

    {'X', "BINUNICODE", [](M& m) { m.push_view(kText, m.counted(4)); }},
    {0x8c, "SHORT_BINUNICODE", [](M& m) { m.push_view(kText, m.counted(1)); }},
    {0x8d, "BINUNICODE8", [](M& m) { m.push_view(kText, m.counted(8)); }},
    {'T', "BINSTRING", [](M& m) { m.push_view(kText, m.counted(4)); }},
    {'U', "SHORT_BINSTRING", [](M& m) { m.push_view(kText, m.counted(1)); }},
    {'B', "BINBYTES", [](M& m) { m.push_view(kBytes, m.counted(4)); }},
    {'C', "SHORT_BINBYTES", [](M& m) { m.push_view(kBytes, m.counted(1)); }},
    {0x8e, "BINBYTES8", [](M& m) { m.push_view(kBytes, m.counted(8)); }},
    {0x96, "BYTEARRAY8", [](M& m) { m.push_view(kBytes, m.counted(8)); }},

    {'q', "BINPUT", [](M& m) { m.put(m.number(1)); }},
    {'r', "LONG_BINPUT", [](M& m) { m.put(m.number(4)); }},
    {0x94, "MEMOIZE", [](M& m) { m.memoize(); }},
    {'h', "BINGET", [](M& m) { m.get(m.number(1)); }},
    {'j', "LONG_BINGET", [](M& m) { m.get(m.number(4)); }},

    {'c', "GLOBAL",
     [](M& m) {
       const std::string_view module = m.line();
       m.push_global(module, m.line());
     }},
    {0x93, "STACK_GLOBAL",
     [](M& m) {
       const std::string_view name = m.pop_text();
       m.push_global(m.pop_text(), name);
     }},
    {'R', "REDUCE", object},
    {0x81, "NEWOBJ", object},
    {0x92, "NEWOBJ_EX",
     [](M& m) {
       m.pop();  // arguments by name
       object(m);
     }},
    {'b', "BUILD", [](M& m) { m.build(m.pop()); }},
    {'Q', "BINPERSID", [](M& m) { m.push_persistent(m.pop()); }},

    {0x82, "EXT1"},
    {0x83, "EXT2"},
    {0x84, "EXT4"},
    {'i', "INST"},
    {'o', "OBJ"},
    {'P', "PERSID"},
    {0x97, "NEXT_BUFFER"},
    {0x98, "READONLY_BUFFER"},
    {'I', "INT"},
    {'L', "LONG"},
    {'F', "FLOAT"},
    {'S', "STRING"},
    {'V', "UNICODE"},
    {'g', "GET"},
    {'p', "PUT"},
};

constexpr std::array<const PickleOpcode*, 256> by_code() {
  std::array<const PickleOpcode*, 256> table{};
  for (const PickleOpcode& opcode : kOpcodes) table[opcode.code] = &opcode;
  return table;
}

constexpr std::array<const PickleOpcode*, 256> kByCode = by_code();

}  // namespace

const PickleOpcode* find_opcode(unsigned char code) { return kByCode[code]; }

}  // namespace soup
