#include <gtest/gtest.h>

#include "checkpoint/pickle_bytes.h"
#include "checkpoint/torch_file.h"
#include "soup/error.h"
#include "support/expect_error.h"

namespace soup {
namespace {

using testing::as_bytes;
using testing::expect_error;
using testing::little;
namespace pickled = testing::pickled;
using pickled::dict;
using pickled::number;
using pickled::tensor;
using pickled::text;

/// The parts of a legacy file with one storage, each to be replaced.
struct Legacy {
  std::string magic =
      "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"
      ".";
  std::string protocol = "\x80\x02M\xe9\x03.";
  std::string system = "\x80\x02" + dict({{"little_endian", "\x88"}}) + ".";
  std::string object = "\x80\x02" + dict({{"w", tensor({})}}) + ".";
  std::string keys = "\x80\x02](" + text("0") + "e.";
  std::string storages = little(4, 8) + "0123456789abcdef";

  std::string bytes() const {
    return magic + protocol + system + object + keys + storages;
  }
};

TorchContents parse(const Legacy& legacy) {
  return parse_torch_legacy(as_bytes(legacy.bytes()), {}, "x.pt");
}

void refused(const Legacy& legacy, const std::string& part) {
  expect_error<Error>([&] { parse(legacy); }, part);
  expect_error<Error>([&] { parse(legacy); }, "x.pt");
}

TEST(TorchLegacy, ReadsTensors) {
  const Legacy legacy;
  const TorchContents contents = parse(legacy);
  ASSERT_EQ(contents.tensors.size(), 1U);
  EXPECT_EQ(contents.places[0].begin,
            static_cast<int64_t>(legacy.bytes().size()) - 16);
  EXPECT_EQ(contents.places[0].span, 16);
}

TEST(TorchLegacy, ReadsViewsOfStorages) {
  Legacy legacy;
  const std::string view = pickled::tuple({text("7"), number(1), number(3)});
  const auto set = [&](const std::string& legacy_view, int64_t size) {
    legacy.object =
        "\x80\x02" +
        dict({{"w", tensor({.shape = {size}, .legacy_view = legacy_view})}}) +
        ".";
  };
  set(view, 3);
  EXPECT_EQ(parse(legacy).places[0].begin,
            static_cast<int64_t>(legacy.bytes().size()) - 12);
  set("N", 4);
  EXPECT_EQ(parse(legacy).places[0].span, 16);
  set(view, 4);
  refused(legacy, "'w' reaches beyond");
  set(pickled::tuple({text("7"), number(3), number(2)}), 1);
  refused(legacy, "a view of a storage lies outside it");
  set(pickled::tuple({text("7"), number(-1), number(2)}), 1);
  refused(legacy, "a view of a storage lies outside it");
  set(number(1), 1);
  refused(legacy, "a view of a storage lies outside it");
}

TEST(TorchLegacy, RefusesAWrongPreamble) {
  refused({.magic = "\x80\x02K\1."}, "not a legacy torch file");
  refused({.protocol = "\x80\x02M\xea\x03."}, "not version 1001");
  refused({.system = "\x80\x02" + dict({{"little_endian", "\x89"}}) + "."},
          "big-endian");
  refused({.system = "\x80\x02i"}, "uses opcode INST");
}

TEST(TorchLegacy, RefusesWrongStorages) {
  refused({.keys = "\x80\x02](" + text("1") + "e."},
          "lists a storage that nothing describes");
  refused({.keys = "\x80\x02](" + number(0) + "e."},
          "lists a storage that nothing describes");
  refused({.keys = "\x80\x02]."}, "needs storage '0', which the file");
  refused({.keys = "\x80\x02](" + text("0") + text("0") + "e.",
           .storages = little(4, 8) + "0123456789abcdef" + little(0, 8)},
          "lists storage '0' twice");
  refused({.storages = little(4, 7)}, "is incomplete");
  refused({.storages = little(4, 8) + "0123456789abcde"},
          "storage '0' has 4 elements, the file has 15 bytes left");
  refused({.storages = little(~0ULL, 8) + "0123"}, "it is incomplete");
  refused({.storages = little(1ULL << 62, 8) + "0123"}, "it is incomplete");
  refused({.storages = little(3, 8) + "0123456789ab"},
          "needs a storage of 16 bytes, the file has 12");
}

}  // namespace
}  // namespace soup
