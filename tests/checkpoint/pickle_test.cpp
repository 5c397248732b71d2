#include "checkpoint/pickle.h"

#include <gtest/gtest.h>

#include "checkpoint/bytes.h"
#include "soup/error.h"
#include "support/expect_error.h"

namespace soup {
namespace {

using testing::as_bytes;
using testing::expect_error;
using testing::little;

// Literals with NUL bytes in them.
template <size_t N>
std::string bytes(const char (&literal)[N]) {
  return {literal, N - 1};
}

Pickle parse(const std::string& text) {
  Budget budget("x.pt", text.size());
  // The pickle keeps views: hand over bytes that stay.
  static std::vector<std::string> kept;
  kept.reserve(10000);
  kept.push_back(text);
  return parse_pickle(as_bytes(kept.back()), "x.pt: data.pkl", budget);
}

void refused(const std::string& text, const std::string& part) {
  expect_error<Error>([&] { parse(text); }, part);
  expect_error<Error>([&] { parse(text); }, "x.pt");
}

std::optional<int64_t> number(const std::string& opcodes) {
  const Pickle pickle = parse(opcodes + ".");
  return pickle.as_int(pickle.root());
}

TEST(Pickle, ReadsIntegers) {
  EXPECT_EQ(number("K\xff"), 255);
  EXPECT_EQ(number("M\xff\xff"), 65535);
  EXPECT_EQ(number("J\xfe\xff\xff\xff"), -2);
  EXPECT_EQ(number(bytes("\x8a\x00")), 0);
  EXPECT_EQ(number(bytes("\x8a\x06\x00\x00\x00\x00\x00\x01")),
            int64_t{1} << 40);
  EXPECT_EQ(number("\x8a\x01\xff"), -1);
  EXPECT_EQ(number(bytes("\x8a\x02\xff\x00")), 255);
  EXPECT_EQ(number(bytes("\x8a\x08\x00\x00\x00\x00\x00\x00\x00\x80")),
            std::numeric_limits<int64_t>::min());
  EXPECT_EQ(number(bytes("\x8b\x01\x00\x00\x00\x07")), 7);
  EXPECT_EQ(number("\x8a\x09" + std::string(9, '\1')), std::nullopt);
  EXPECT_EQ(number("N"), std::nullopt);
}

TEST(Pickle, ReadsOtherScalars) {
  const Pickle real = parse(bytes("G\x3f\xf8\0\0\0\0\0\0."));
  EXPECT_EQ(real.as_float(real.root()), 1.5);
  const Pickle yes = parse("\x88.");
  EXPECT_EQ(yes.as_bool(yes.root()), true);
  const Pickle no = parse("\x89.");
  EXPECT_EQ(no.as_bool(no.root()), false);
  for (const std::string& text :
       {bytes("X\x02\0\0\0ab"),
        bytes("\x8c\x02"
              "ab"),
        bytes("U\x02"
              "ab"),
        bytes("T\x02\0\0\0ab"), bytes("\x8d\x02\0\0\0\0\0\0\0ab")}) {
    const Pickle pickle = parse(text + ".");
    EXPECT_EQ(pickle.as_text(pickle.root()), "ab");
  }
  for (const std::string& text :
       {bytes("B\x01\0\0\0a"),
        bytes("C\x01"
              "a"),
        bytes("\x8e\x01\0\0\0\0\0\0\0a"), bytes("\x96\x01\0\0\0\0\0\0\0a")}) {
    const Pickle pickle = parse(text + ".");
    EXPECT_EQ(pickle.root().kind, PickleKind::kBytes);
    EXPECT_EQ(pickle.as_text(pickle.root()), std::nullopt);
  }
}

// The integers in the items of the root.
std::vector<int64_t> items(const std::string& opcodes) {
  const Pickle pickle = parse(opcodes + ".");
  std::vector<int64_t> out;
  for (PickleValue item : pickle.items(pickle.root())) {
    out.push_back(pickle.as_int(item).value_or(-1));
  }
  return out;
}

TEST(Pickle, ReadsContainers) {
  using Items = std::vector<int64_t>;
  EXPECT_EQ(items(")"), Items{});
  EXPECT_EQ(items("K\1\x85"), Items{1});
  EXPECT_EQ(items("K\1K\2\x86"), (Items{1, 2}));
  EXPECT_EQ(items("K\1K\2K\3\x87"), (Items{1, 2, 3}));
  EXPECT_EQ(items("(K\1K\2t"), (Items{1, 2}));
  EXPECT_EQ(items("]K\1a(K\2K\3e"), (Items{1, 2, 3}));
  EXPECT_EQ(items("(K\1K\2l"), (Items{1, 2}));
  EXPECT_EQ(items("}K\1K\2s(K\3K\4u"), (Items{1, 2, 3, 4}));
  EXPECT_EQ(items("(K\1K\2d"), (Items{1, 2}));
  EXPECT_EQ(items("\x8f(K\1K\2\x90"), (Items{1, 2}));
  EXPECT_EQ(items("(K\1K\2\x91"), (Items{1, 2}));
}

TEST(Pickle, FollowsTheMemoAndTheStack) {
  using Items = std::vector<int64_t>;
  EXPECT_EQ(items(bytes("K\7q\0"
                        "0h\0h\0\x86")),
            (Items{7, 7}));
  EXPECT_EQ(items(bytes("K\7r\5\0\0\0j\5\0\0\0\x86")), (Items{7, 7}));
  EXPECT_EQ(items(bytes("K\7\x94"
                        "0K\x08\x94"
                        "0h\1h\0\x86")),
            (Items{8, 7}));
  EXPECT_EQ(items("K\1"
                  "2\x86"),
            (Items{1, 1}));
  EXPECT_EQ(items("K\1K\2(K\3"
                  "1\x86"),
            (Items{1, 2}));
  EXPECT_EQ(items("K\1(0K\2\x86"), (Items{1, 2}));
  EXPECT_EQ(items(bytes("\x80\x05\x95\3\0\0\0\0\0\0\0K\1\x85")), Items{1});
}

TEST(Pickle, CallsNothing) {
  // os.system('echo'), as an exploit would have it.
  const Pickle pickle = parse(bytes("cos\nsystem\nX\4\0\0\0echo\x85R."));
  const PickleObject* object = pickle.as_object(pickle.root());
  ASSERT_NE(object, nullptr);
  EXPECT_EQ(pickle.as_global(object->callable)->module, "os");
  EXPECT_EQ(pickle.as_global(object->callable)->name, "system");
  EXPECT_EQ(pickle.as_text(pickle.items(object->args)[0]), "echo");
}

TEST(Pickle, KeepsWhatIsDoneToObjects) {
  const Pickle pickle =
      parse(bytes("\x8c\1m\x8c\1n\x93)\x81K\1K\2sK\3a(K\4e}K\5K\6sb."));
  const PickleObject* object = pickle.as_object(pickle.root());
  ASSERT_NE(object, nullptr);
  EXPECT_EQ(pickle.as_global(object->callable)->name, "n");
  EXPECT_EQ(pickle.items(pickle.root()).size(), 2U);
  EXPECT_EQ(pickle.as_int(pickle.items(object->state)[0]), 5);
  const Pickle named = parse("cm\nn\n)}\x92.");
  EXPECT_NE(named.as_object(named.root()), nullptr);
}

TEST(Pickle, KeepsPersistentIds) {
  const Pickle pickle = parse("K\7Q.");
  EXPECT_EQ(pickle.root().kind, PickleKind::kPersistent);
  EXPECT_EQ(pickle.as_int(pickle.persistent_ids()[pickle.root().index]), 7);
}

TEST(Pickle, TellsWhereItEnds) { EXPECT_EQ(parse("K\1.rest").size(), 3U); }

TEST(Pickle, RefusesOpcodesThatNoCheckpointNeeds) {
  const std::vector<std::pair<char, std::string>> refusals = {
      {'\x82', "EXT1"},
      {'\x83', "EXT2"},
      {'\x84', "EXT4"},
      {'i', "INST"},
      {'o', "OBJ"},
      {'P', "PERSID"},
      {'\x97', "NEXT_BUFFER"},
      {'\x98', "READONLY_BUFFER"},
      {'I', "INT"},
      {'L', "LONG"},
      {'F', "FLOAT"},
      {'S', "STRING"},
      {'V', "UNICODE"},
      {'g', "GET"},
      {'p', "PUT"}};
  for (const auto& [code, name] : refusals) {
    refused("K\1" + std::string(1, code),
            "x.pt: data.pkl uses opcode " + name +
                " at byte 2, which no checkpoint needs; refused");
  }
  refused("\xff", "byte 255 is no opcode");
  refused("\x80\x06", "newer than 5");
}

TEST(Pickle, RefusesLengthsBeyondTheEnd) {
  refused("", "needs 1 more bytes");
  refused("K\1", "needs 1 more bytes, 0 are left");
  refused("K", "needs 1 more bytes");
  refused(bytes("X\xff\xff\xff\xff"
                "ab."),
          "needs 4294967295 more bytes");
  refused("\x8d" + little(~0ULL, 8) + "a.", "needs 18446744073709551615");
  refused("\x8a\xff.", "needs 255");
  refused(bytes("\x8b\xff\xff\xff\xff."), "needs 4294967295");
  refused("G1234567", "needs 8");
  refused("cmodule\nname", "a name does not end");
}

TEST(Pickle, RefusesAWrongStack) {
  refused(".", "the stack is empty");
  refused("0.", "the stack is empty");
  refused("\x85.", "the stack is empty");
  refused("K\1\x86.", "the stack is empty");
  refused("K\1(\x85.", "the stack is empty");  // not across the mark
  refused("K\1(.", "the stack is empty");
  refused("R.", "the stack is empty");
  refused("t.", "there is no mark");
  refused("e.", "there is no mark");
  refused("u.", "there is no mark");
  refused("1.", "there is no mark");
  refused("2.", "the stack is empty");
  refused("K\1K\2a.", "appends to what is no list");
  refused(")K\2a.", "appends to what is no list");
  refused("K\1K\2K\3s.", "sets items of what is no dict");
  refused("}(K\1u.", "a key without a value");
  refused("(K\1d.", "a key without a value");
  refused("K\1K\2\x93.", "expected text");
}

TEST(Pickle, RefusesAWrongMemo) {
  refused(bytes("h\0."), "memo slot 0 is empty");
  refused(bytes("K\1q\2h\1."), "memo slot 1 is empty");
  refused("K\1r\xff\xff\xff\x7f.", "out of reach");
  refused(bytes("q\0."), "the stack is empty");
  refused("\x94.", "the stack is empty");
}

TEST(Pickle, AllocatesNoMoreThanTheFileHolds) {
  // Three million empty lists, each a byte.
  refused(std::string(3'000'000, ']') + ".", "more than a file of its size");
  refused(std::string(30'000'000, '(') + ".", "more than a file of its size");
}

TEST(Pickle, TakesCyclesAndDepth) {
  const Pickle cycle = parse(bytes("]q\0h\0a."));
  EXPECT_EQ(cycle.items(cycle.root())[0].kind, PickleKind::kList);
  std::string deep(100'000, ']');
  deep += std::string(99'999, 'a') + ".";
  EXPECT_EQ(parse(deep).items(parse(deep).root()).size(), 1U);
}

}  // namespace
}  // namespace soup
