#include <array>

#include "checkpoint/torch_tensor.h"
#include "core/text.h"
#include "soup/error.h"

namespace soup {
namespace {

/// Storage classes that the table of dtypes does not have.
struct QuantisedStorage {
  std::string_view type;
  int64_t item_size;
};
constexpr std::array kQuantised = {QuantisedStorage{"QInt8Storage", 1},
                                   QuantisedStorage{"QUInt8Storage", 1},
                                   QuantisedStorage{"QInt32Storage", 4},
                                   QuantisedStorage{"QUInt4x2Storage", 1},
                                   QuantisedStorage{"QUInt2x4Storage", 1}};

void set_type(TorchStorage& storage, std::string_view type,
              const std::string& where) {
  storage.type = type;
  for (const DTypeInfo& row : dtypes()) {
    if (!row.storage_class.empty() && row.storage_class == type) {
      storage.dtype = row.dtype;
      storage.item_size = row.bits / 8;
      return;
    }
  }
  for (const QuantisedStorage& row : kQuantised) {
    if (row.type == type) {
      storage.item_size = row.item_size;
      return;
    }
  }
  if (type != "UntypedStorage") {
    throw Error(where + ": unknown kind of storage " + quote(type));
  }
}

// (key, offset, size) of a legacy view of a storage.
void read_view(const Pickle& pickle, PickleValue value, TorchStorage& storage,
               const std::string& where) {
  const std::span<const PickleValue> view = pickle.items(value);
  const std::optional<int64_t> offset =
      view.size() == 3 ? pickle.as_int(view[1]) : std::nullopt;
  const std::optional<int64_t> size =
      view.size() == 3 ? pickle.as_int(view[2]) : std::nullopt;
  if (!offset || !size || *offset < 0 || *size < 0 || *offset > storage.numel ||
      *size > storage.numel - *offset) {
    throw Error(where + ": a view of a storage lies outside it");
  }
  storage.view_offset = *offset;
}

}  // namespace

std::optional<TorchStorage> read_storage(const Pickle& pickle, PickleValue id,
                                         const std::string& where) {
  const std::span<const PickleValue> fields = pickle.items(id);
  if (id.kind != PickleKind::kTuple || fields.size() < 5 ||
      pickle.as_text(fields[0]) != "storage") {
    return std::nullopt;
  }
  const PickleGlobal* type = pickle.as_global(fields[1]);
  const std::optional<std::string_view> key = pickle.as_text(fields[2]);
  const std::optional<int64_t> numel = pickle.as_int(fields[4]);
  if (type == nullptr || !key || !numel || *numel < 0) {
    throw Error(where + ": a storage is described wrongly");
  }
  TorchStorage storage{.key = *key, .numel = *numel};
  storage.meta = pickle.as_text(fields[3]) == "meta";
  set_type(storage, type->name, where);
  if (fields.size() > 5 && fields[5].kind != PickleKind::kNone) {
    read_view(pickle, fields[5], storage, where);
  }
  return storage;
}

}  // namespace soup
