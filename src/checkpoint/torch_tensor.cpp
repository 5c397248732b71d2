#include "checkpoint/torch_tensor.h"

#include <array>
#include <span>

#include "checkpoint/sizes.h"
#include "core/text.h"
#include "soup/error.h"

namespace soup {
namespace {

/// What a function that makes tensors gets.
enum class Arguments {
  kView,      ///< storage, offset, size, stride, ...
  kTyped,     ///< the same with the dtype last
  kInner,     ///< a tensor first
  kFromType,  ///< function, type, its arguments, state
  kRefused,
};

struct Maker {
  std::string_view name;  ///< without its module: they have moved about
  Arguments arguments;
  std::string_view what = "";  ///< of refused ones
};

constexpr std::array kMakers = {
    Maker{"_rebuild_tensor", Arguments::kView},
    Maker{"_rebuild_tensor_v2", Arguments::kView},
    Maker{"_rebuild_tensor_v3", Arguments::kTyped},
    Maker{"_rebuild_parameter", Arguments::kInner},
    Maker{"_rebuild_parameter_with_state", Arguments::kInner},
    Maker{"Parameter", Arguments::kInner},
    Maker{"_rebuild_from_type", Arguments::kFromType},
    Maker{"_rebuild_from_type_v2", Arguments::kFromType},
    Maker{"_rebuild_sparse_tensor", Arguments::kRefused, "a sparse tensor"},
    Maker{"_rebuild_sparse_csr_tensor", Arguments::kRefused, "a sparse tensor"},
    Maker{"_rebuild_qtensor", Arguments::kRefused, "a quantised tensor"},
    Maker{"_rebuild_nested_tensor", Arguments::kRefused, "a nested tensor"},
    Maker{"_rebuild_meta_tensor_no_storage", Arguments::kRefused,
          "a meta tensor, without values"},
    Maker{"_rebuild_wrapper_subclass", Arguments::kRefused,
          "a tensor of a class of its own (DTensor, torchao)"},
    Maker{"_rebuild_device_tensor_from_numpy", Arguments::kRefused,
          "a tensor of a device without storages"},
    Maker{"_rebuild_device_tensor_from_cpu_tensor", Arguments::kRefused,
          "a tensor of a device without storages"},
    Maker{"_rebuild_xla_tensor", Arguments::kRefused, "an XLA tensor"},
};

const Maker* find_maker(const Pickle& pickle, PickleValue callable) {
  const PickleGlobal* global = pickle.as_global(callable);
  if (global == nullptr || !global->module.starts_with("torch")) return nullptr;
  for (const Maker& maker : kMakers) {
    if (maker.name == global->name) return &maker;
  }
  return nullptr;
}

// Quantised weights that pretend to be ordinary parameters.
bool is_quantised_type(const Pickle& pickle, PickleValue type) {
  const PickleGlobal* global = pickle.as_global(type);
  return global != nullptr && (global->module.starts_with("bitsandbytes") ||
                               global->module.starts_with("torchao") ||
                               global->module.starts_with("quanto") ||
                               global->module.starts_with("optimum"));
}

/// A call that makes a tensor, wrappers removed.
struct Call {
  const Maker* maker = nullptr;
  std::span<const PickleValue> arguments;
  bool quantised = false;
};

Call find_call(const Pickle& pickle, PickleValue value) {
  constexpr int kMostWrappers = 8;
  const PickleObject* object = pickle.as_object(value);
  if (object == nullptr) return {};
  Call call{.maker = find_maker(pickle, object->callable),
            .arguments = pickle.items(object->args)};
  for (int i = 0; i < kMostWrappers && call.maker != nullptr; ++i) {
    if (call.maker->arguments == Arguments::kInner) {
      object = call.arguments.empty() ? nullptr
                                      : pickle.as_object(call.arguments[0]);
      if (object == nullptr) return {};
      call.maker = find_maker(pickle, object->callable);
      call.arguments = pickle.items(object->args);
    } else if (call.maker->arguments == Arguments::kFromType) {
      if (call.arguments.size() < 3) return {};
      call.quantised |= is_quantised_type(pickle, call.arguments[1]);
      call.maker = find_maker(pickle, call.arguments[0]);
      call.arguments = pickle.items(call.arguments[2]);
    } else {
      return call;
    }
  }
  return {};
}

// Non-negative integers of a tuple.
std::vector<int64_t> read_numbers(const Pickle& pickle, PickleValue value,
                                  const std::string& where) {
  PickleValue tuple = value;
  // torch.Size is called with the tuple.
  if (const PickleObject* object = pickle.as_object(value)) {
    const std::span<const PickleValue> args = pickle.items(object->args);
    if (args.size() == 1) tuple = args[0];
  }
  const std::span<const PickleValue> items = pickle.items(tuple);
  if ((tuple.kind != PickleKind::kTuple && tuple.kind != PickleKind::kList) ||
      items.size() > kMaxDims) {
    throw Error(where + " has an impossible shape or strides");
  }
  std::vector<int64_t> numbers;
  for (PickleValue item : items) {
    const std::optional<int64_t> number = pickle.as_int(item);
    if (!number || *number < 0) {
      throw Error(where + " has an impossible shape or strides");
    }
    numbers.push_back(*number);
  }
  return numbers;
}

// Elements from the first to the last one, or nullopt when that overflows.
std::optional<int64_t> reach(const TorchTensor& tensor) {
  std::optional<int64_t> last = 0;
  for (size_t i = 0; i < tensor.shape.size() && last; ++i) {
    if (tensor.shape[i] == 0) return 0;
    const std::optional<int64_t> step =
        checked_multiply(tensor.shape[i] - 1, tensor.strides[i]);
    last = step ? checked_add(*last, *step) : std::nullopt;
  }
  return last ? checked_add(*last, 1) : std::nullopt;
}

// Offset, shape and strides stay inside the storage.
void check_inside(TorchTensor& tensor, int64_t offset,
                  const std::string& where) {
  const int64_t item = bits(tensor.dtype) / 8;
  if (!checked_bytes(tensor.dtype, tensor.shape)) {
    throw Error(where + " has an impossible shape or strides");
  }
  const TorchStorage& storage = tensor.storage;
  const std::optional<int64_t> all =
      checked_multiply(storage.numel, storage.item_size);
  const std::optional<int64_t> begin = checked_multiply(offset, item);
  const std::optional<int64_t> elements = reach(tensor);
  const std::optional<int64_t> size =
      elements ? checked_multiply(*elements, item) : std::nullopt;
  const std::optional<int64_t> end =
      begin && size ? checked_add(*begin, *size) : std::nullopt;
  const bool empty = size && *size == 0;
  if (!all || !end || (!empty && *end > *all)) {
    throw Error(where + " reaches beyond the end of its storage");
  }
  tensor.offset = empty ? 0 : *begin;
  tensor.span = *size;
}

// The dtype of an untyped storage comes with the tensor.
DType read_dtype(const Pickle& pickle, PickleValue value,
                 const std::string& where) {
  const PickleGlobal* global = pickle.as_global(value);
  for (const DTypeInfo& row : dtypes()) {
    if (global != nullptr && global->module == "torch" && !row.torch.empty() &&
        global->name == row.torch) {
      return row.dtype;
    }
  }
  throw Error(where + " has the unknown dtype " +
              quote(global == nullptr ? "?" : global->name));
}

// {'conj': True} and {'neg': True}: what lies in the storage is not what the
// tensor means.
void check_flags(const Pickle& pickle, std::span<const PickleValue> flags,
                 const std::string& where) {
  for (size_t i = 0; i + 1 < flags.size(); i += 2) {
    const std::optional<std::string_view> flag = pickle.as_text(flags[i]);
    if (flag && (*flag == "conj" || *flag == "neg") &&
        pickle.as_bool(flags[i + 1]).value_or(true)) {
      throw Error(where +
                  " is stored before its conjugation or negation; "
                  "save it again after .resolve_conj().resolve_neg()");
    }
  }
}

// Torch counts bytes that hold two 4-bit floats, safetensors counts floats.
void count_halves(TorchTensor& tensor, const std::string& where) {
  int64_t expected = 1;
  for (size_t i = tensor.shape.size(); i-- > 0;) {
    if (tensor.shape[i] != 1 && tensor.strides[i] != expected) {
      throw Error(where + " is a strided 4-bit tensor");
    }
    expected *= tensor.shape[i];
  }
  if (tensor.shape.empty()) throw Error(where + " is a 4-bit scalar");
  tensor.dtype = DType::kF4;
  tensor.shape.back() *= 2;
  // Contiguous, in elements of the new size.
  for (size_t i = 0; i + 1 < tensor.strides.size(); ++i) {
    tensor.strides[i] *= 2;
  }
}

}  // namespace

bool is_tensor(const Pickle& pickle, PickleValue value) {
  return find_call(pickle, value).maker != nullptr;
}

TorchTensor read_tensor(const Pickle& pickle, PickleValue value,
                        const std::string& where) {
  const Call call = find_call(pickle, value);
  if (call.maker == nullptr) throw Error(where + " is no tensor");
  if (call.maker->arguments == Arguments::kRefused || call.quantised) {
    throw Error(
        where + " is " +
        std::string(call.quantised ? "a quantised tensor" : call.maker->what) +
        "; only dense tensors can be averaged");
  }
  const std::span<const PickleValue> args = call.arguments;
  const bool typed = call.maker->arguments == Arguments::kTyped;
  if (args.size() < (typed ? 7U : 4U) ||
      args[0].kind != PickleKind::kPersistent) {
    throw Error(where + " is described wrongly");
  }
  const std::optional<TorchStorage> storage =
      read_storage(pickle, pickle.persistent_ids()[args[0].index], where);
  const std::optional<int64_t> offset = pickle.as_int(args[1]);
  if (!storage || !offset || *offset < 0) {
    throw Error(where + " is described wrongly");
  }
  if (storage->meta) throw Error(where + " is a meta tensor, without values");
  TorchTensor tensor{.storage = *storage};
  if (typed) {
    tensor.dtype = read_dtype(pickle, args[6], where);
  } else if (storage->dtype) {
    tensor.dtype = *storage->dtype;
  } else {
    throw Error(where + " has no dtype (" + std::string(storage->type) + ")");
  }
  const size_t flags = typed ? 7 : 6;
  if (args.size() > flags)
    check_flags(pickle, pickle.items(args[flags]), where);
  tensor.shape = read_numbers(pickle, args[2], where);
  tensor.strides = read_numbers(pickle, args[3], where);
  if (tensor.shape.size() != tensor.strides.size()) {
    throw Error(where + " has an impossible shape or strides");
  }
  const bool halves = tensor.dtype == DType::kF4;
  if (halves) tensor.dtype = DType::kU8;  // a byte an element, until checked
  check_inside(tensor, *offset, where);
  if (halves) count_halves(tensor, where);
  return tensor;
}

}  // namespace soup
