#include "checkpoint/state_dict.h"

#include <gtest/gtest.h>

#include <limits>

#include "checkpoint/pickle_bytes.h"
#include "checkpoint/torch_file.h"
#include "soup/error.h"
#include "support/expect_error.h"

namespace soup {
namespace {

using testing::as_bytes;
using testing::expect_error;
namespace pickled = testing::pickled;
using pickled::archive;
using pickled::call;
using pickled::dict;
using pickled::global;
using pickled::number;
using pickled::numbers;
using pickled::tensor;
using pickled::text;
using pickled::tuple;

constexpr int64_t kMax = std::numeric_limits<int64_t>::max();

TorchContents parse(const std::string& root, const OpenOptions& options = {}) {
  return parse_torch_zip(as_bytes(archive(root)), options, "x.pt");
}

TensorInfo parse_one(const std::string& value) {
  return parse(dict({{"w", value}})).tensors.at(0);
}

void refused(const std::string& root, const std::string& part) {
  expect_error<Error>([&] { parse(root); }, part);
  expect_error<Error>([&] { parse(root); }, "x.pt: ");
}

void refused_tensor(const std::string& value, const std::string& part) {
  refused(dict({{"w", value}}), part);
}

TEST(StateDict, ReadsViews) {
  const std::string root =
      dict({{"a", tensor({})},
            {"b", tensor({.offset = 1, .shape = {3}, .strides = {1}})},
            {"c", tensor({.shape = {2, 2}, .strides = {1, 2}})},
            {"d", tensor({.shape = {}, .strides = {}})},
            {"e", tensor({})}});
  const TorchContents contents = parse(root);
  ASSERT_EQ(contents.tensors.size(), 5U);
  EXPECT_EQ(contents.places[1].begin - contents.places[0].begin, 4);
  EXPECT_EQ(contents.places[1].span, 12);
  EXPECT_TRUE(contents.places[1].strides.empty());
  EXPECT_EQ(contents.places[2].strides, (std::vector<int64_t>{1, 2}));
  EXPECT_EQ(contents.places[3].span, 4);
  EXPECT_EQ(contents.tensors[4].tied_to, 0);
  EXPECT_EQ(contents.tensors[3].tied_to, -1);
}

TEST(StateDict, ReadsEveryWayToMakeATensor) {
  const std::string plain = tensor({});
  const std::string parameter =
      call(global("torch._utils", "_rebuild_parameter"), {plain, "\x89", "}"});
  EXPECT_EQ(parse_one(parameter).shape, std::vector<int64_t>{4});
  EXPECT_EQ(parse_one(call(global("torch.nn.parameter", "Parameter"),
                           {plain, "\x89"}))
                .shape,
            std::vector<int64_t>{4});
  const std::string id = tuple({text("storage"), global("torch", "HalfStorage"),
                                text("0"), text("cuda:0"), number(8)}) +
                         "Q";
  const std::string args = tuple({id, number(0), numbers({8}), numbers({1})});
  EXPECT_EQ(
      parse_one(global("torch._utils", "_rebuild_tensor") + args + "R").dtype,
      DType::kF16);
  const std::string function = global("torch._utils", "_rebuild_tensor");
  EXPECT_EQ(parse_one(call(global("torch._tensor", "_rebuild_from_type_v2"),
                           {function, global("torch", "Tensor"), args, "}"}))
                .dtype,
            DType::kF16);
  EXPECT_EQ(parse_one(tensor({.type = "UntypedStorage",
                              .numel = 4,
                              .more = {global("torch", "float8_e5m2")}}))
                .dtype,
            DType::kF8E5M2);
}

TEST(StateDict, CountsFourBitFloats) {
  const TensorInfo info =
      parse_one(tensor({.type = "UntypedStorage",
                        .shape = {2, 2},
                        .strides = {2, 1},
                        .more = {global("torch", "float4_e2m1fn_x2")}}));
  EXPECT_EQ(info.dtype, DType::kF4);
  EXPECT_EQ(info.shape, (std::vector<int64_t>{2, 4}));
  EXPECT_EQ(info.bytes(), 4);
  refused_tensor(tensor({.type = "UntypedStorage",
                         .shape = {2, 2},
                         .strides = {1, 2},
                         .more = {global("torch", "float4_e2m1fn_x2")}}),
                 "'w' is a strided 4-bit tensor");
  refused_tensor(tensor({.type = "UntypedStorage",
                         .shape = {},
                         .strides = {},
                         .more = {global("torch", "float4_e2m1fn_x2")}}),
                 "'w' is a 4-bit scalar");
}

TEST(StateDict, RefusesViewsBeyondTheirStorage) {
  const std::string beyond = "'w' reaches beyond the end of its storage";
  refused_tensor(tensor({.shape = {5}}), beyond);
  refused_tensor(tensor({.offset = 1}), beyond);
  refused_tensor(tensor({.offset = kMax}), beyond);
  refused_tensor(tensor({.offset = kMax / 4}), beyond);
  refused_tensor(tensor({.shape = {2}, .strides = {4}}), beyond);
  refused_tensor(tensor({.shape = {2}, .strides = {kMax}}), beyond);
  refused_tensor(tensor({.shape = {3, 3}, .strides = {kMax / 2, kMax / 2}}),
                 beyond);
  refused_tensor(tensor({.numel = kMax}), beyond);
}

TEST(StateDict, RefusesImpossibleNumbers) {
  const std::string impossible = "'w' has an impossible shape or strides";
  refused_tensor(tensor({.shape = {-1}}), impossible);
  refused_tensor(tensor({.strides = {-1}}), impossible);
  refused_tensor(tensor({.shape = {4, 1}}), impossible);
  refused_tensor(tensor({.shape = {kMax, 2}, .strides = {0, 0}}), impossible);
  refused_tensor(tensor({.shape = std::vector<int64_t>(65, 1),
                         .strides = std::vector<int64_t>(65, 1)}),
                 impossible);
  refused_tensor(tensor({.offset = -1}), "'w' is described wrongly");
  refused_tensor(tensor({.numel = -1}), "a storage is described wrongly");
}

TEST(StateDict, RefusesStoragesThatAreNotThere) {
  refused_tensor(tensor({.storage = "1"}), "needs entry 'data/1'");
  refused_tensor(tensor({.storage = "../version"}), "needs entry 'data/../v");
  refused_tensor(tensor({.numel = 5}),
                 "needs a storage of 20 bytes, the file has 16");
  refused_tensor(tensor({.type = "FooStorage"}),
                 "unknown kind of storage 'FooStorage'");
  refused_tensor(tensor({.type = "QInt8Storage"}), "'w' has no dtype");
  refused_tensor(tensor({.type = "UntypedStorage"}), "'w' is described wrong");
  refused_tensor(
      tensor({.type = "UntypedStorage", .more = {global("torch", "float5")}}),
      "unknown dtype 'float5'");
  refused_tensor(tensor({.location = "meta"}), "'w' is a meta tensor");
}

TEST(StateDict, EmptyTensorsNeedNoStorage) {
  const TensorInfo info = parse_one(
      tensor({.storage = "9", .numel = 0, .shape = {0, 3}, .strides = {3, 1}}));
  EXPECT_EQ(info.bytes(), 0);
}

TEST(StateDict, RefusesElementsRepeatedWithoutEnd) {
  EXPECT_EQ(parse_one(tensor({.shape = {1000}, .strides = {0}})).numel(), 1000);
  refused_tensor(tensor({.shape = {int64_t{1} << 40}, .strides = {0}}),
                 "'w' repeats its elements to 4.4 TB");
}

TEST(StateDict, RefusesFlags) {
  const std::string flags = dict({{"conj", "\x88"}});
  refused_tensor(tensor({.more = {flags}}), "conjugation or negation");
  EXPECT_NO_THROW(parse_one(tensor({.more = {dict({{"conj", "\x89"}})}})));
  EXPECT_NO_THROW(parse_one(tensor({.more = {"N"}})));
}

TEST(StateDict, RefusesNames) {
  refused(dict({{"w", tensor({})}, {"w", tensor({})}}), "'w' appears twice");
  refused(dict({{"a\xff", tensor({})}}), "is no UTF-8");
  refused(dict({{"a\xed\xa0\x80", tensor({})}}), "is no UTF-8");
  refused(dict({{std::string(4097, 'n'), tensor({})}}), "more than 4096");
  refused("}(" + text("w") + tensor({}) + number(3) + tensor({}) + "u",
          "a tensor has no name");
}

TEST(StateDict, LeavesOutWhatIsNoTensor) {
  const TorchContents contents =
      parse(dict({{"n", number(3)},
                  {"w", tensor({})},
                  {"m._extra_state", dict({{"t", tensor({})}})},
                  {"system", call(global("os", "system"), {text("echo")})}}));
  ASSERT_EQ(contents.tensors.size(), 1U);
  EXPECT_EQ(contents.tensors[0].name, "w");
}

TEST(StateDict, JoinsNamesOfParts) {
  const std::string root = dict(
      {{"state_dict", dict({{"a", dict({{"w", tensor({})}})},
                            {"b", dict({{"w", tensor({.offset = 0})}})}})}});
  const TorchContents contents = parse(root);
  ASSERT_EQ(contents.tensors.size(), 2U);
  EXPECT_EQ(contents.tensors[0].name, "a.w");
  EXPECT_EQ(contents.tensors[1].name, "b.w");
}

TEST(StateDict, FindsDictsInAllTheirForms) {
  const std::string pair = tuple({text("w"), tensor({})});
  EXPECT_EQ(
      parse(call(global("collections", "OrderedDict"), {"](" + pair + "e"}))
          .tensors.size(),
      1U);
  EXPECT_EQ(
      parse(call(global("collections", "defaultdict"), {global("a", "b")}) +
            "(" + text("w") + tensor({}) + "u")
          .tensors.size(),
      1U);
  EXPECT_EQ(
      parse(global("my.own", "Dict") + ")\x81(" + text("w") + tensor({}) + "u")
          .tensors.size(),
      1U);
}

TEST(StateDict, TakesKeysInTheDocumentedOrder) {
  const auto first = [](const std::vector<std::string>& keys,
                        const OpenOptions& options = {}) {
    std::vector<std::pair<std::string, std::string>> entries;
    for (const std::string& key : keys) {
      entries.emplace_back(key, dict({{"in " + key, tensor({})}}));
    }
    return parse(dict(entries), options).tensors.at(0).name;
  };
  EXPECT_EQ(first({"model", "state_dict"}), "in state_dict");
  EXPECT_EQ(first({"params", "module", "model"}), "in model");
  EXPECT_EQ(first({"model_ema", "module"}), "in module");
  EXPECT_EQ(first({"params_ema", "model_ema"}), "in model_ema");
  EXPECT_EQ(first({"params_ema", "params"}, {.ema = true}), "in params_ema");
  EXPECT_EQ(first({"state_dict", "current_model_state"}, {.ema = true}),
            "in state_dict");
  refused(dict({{"epoch", number(1)}, {"net", dict({{"w", tensor({})}})}}),
          "no state dict found; top-level keys are 'epoch', 'net'; choose one "
          "with --key");
}

TEST(StateDict, SaysWhatElseThereIs) {
  const std::string weights = dict({{"w", tensor({})}});
  EXPECT_EQ(parse(dict({{"state_dict", weights}})).notice, "");
  EXPECT_EQ(parse(dict({{"model", weights}, {"model_ema", weights}})).notice,
            "x.pt: took 'model', not the averaged 'model_ema'; --ema takes "
            "that");
  EXPECT_EQ(
      parse(dict({{"state_dict", weights}, {"current_model_state", weights}}))
          .notice,
      "x.pt: took 'state_dict', which is an average already; --key "
      "current_model_state takes the weights as trained");
}

TEST(StateDict, RefusesFilesOfAnotherKind) {
  refused(dict({{"state", dict({{"m", tensor({})}})}, {"param_groups", "]"}}),
          "x.pt: the state of an optimizer");
  refused(dict({{"module", dict({{"w", tensor({})}})},
                {"ds_version", text("0.16")}}),
          "part of a DeepSpeed checkpoint");
  EXPECT_EQ(parse(dict({{"module", dict({{"w", tensor({})}})},
                        {"ds_version", text("0.16")}}),
                  {.key = "module"})
                .tensors.size(),
            1U);
  refused("]" + tensor({}) + "a",
          "no state dict found; it holds no dict of tensors by name");
  EXPECT_FALSE(parse(number(3)).has_storages);
}

TEST(StateDict, EndsOnSharedAndCircularDicts) {
  // Each level holds the next one twice: 2^40 ways down.
  std::string bomb = dict({{"w", tensor({})}}) + "\x94";
  for (int i = 0; i < 40; ++i) {
    const std::string again = "h" + std::string(1, static_cast<char>(i));
    bomb += "0}(" + text("a") + again + text("b") + again + "u\x94";
  }
  EXPECT_THROW(parse(dict({{"state_dict", bomb}})), Error);
  const std::string circle = "}\x94(" + text("a") + "h" + std::string(1, '\0') +
                             text("b") + "](" + tensor({}) + "eu";
  EXPECT_THROW(parse(dict({{"state_dict", circle}})), Error);
  EXPECT_THROW(parse(circle), Error);
}

TEST(StateDict, RefusesAnArchiveItCannotUse) {
  const auto open = [](std::vector<std::pair<std::string, std::string>> list) {
    parse_torch_zip(as_bytes(testing::zip(list).bytes), {}, "x.pt");
  };
  const std::string root = "\x80\x02" + dict({{"w", tensor({})}}) + ".";
  const std::pair<std::string, std::string> pickle{"r/data.pkl", root};
  const std::pair<std::string, std::string> storage{"r/data/0",
                                                    std::string(16, 'x')};
  EXPECT_NO_THROW(open({pickle, storage, {"r/byteorder", "little"}}));
  expect_error<Error>(
      [&] {
        open({pickle, storage, {"r/byteorder", "big"}});
      },
      "big-endian");
  expect_error<Error>([&] { open({storage}); }, "without data.pkl");
  expect_error<Error>(
      [&] {
        open({pickle, storage, {"s/data.pkl", root}});
      },
      "more than one data.pkl");
  expect_error<Error>(
      [&] {
        open({{"r/archive_format", "pt2"}});
      },
      "a compiled model; it goes to --model");
  expect_error<Error>(
      [&] {
        open({pickle, {"r/constants.pkl", ""}});
      },
      "TorchScript");
  const char* metadata = "r/.soup_metadata.json";
  expect_error<Error>(
      [&] {
        open({pickle, storage, {metadata, "{]"}});
      },
      "JSON");
  EXPECT_NO_THROW(
      open({pickle, storage, {metadata, R"({"__metadata__":{"a":"b"}})"}}));
}

}  // namespace
}  // namespace soup
