#include "checkpoint/state_dict.h"

#include <cstring>
#include <optional>
#include <string_view>
#include <tuple>
#include <unordered_set>
#include <utility>

#include "checkpoint/extras.h"
#include "checkpoint/sizes.h"
#include "checkpoint/wrappers.h"
#include "core/text.h"
#include "soup/error.h"

namespace soup {
namespace {

constexpr int kMaxDepth = 8;
constexpr size_t kLongestName = 4096;

bool is_contiguous(const TorchTensor& tensor) {
  int64_t expected = 1;
  for (size_t i = tensor.shape.size(); i-- > 0;) {
    if (tensor.shape[i] == 0) return true;
    if (tensor.shape[i] != 1 && tensor.strides[i] != expected) return false;
    expected *= tensor.shape[i];
  }
  return true;
}

class Reader {
 public:
  Reader(PickleWalk& walk, int64_t file_size, const FindStorage& find_storage)
      : walk_(walk), file_size_(file_size), find_storage_(find_storage) {}

  void read(PickleValue dict, const std::string& prefix, int depth);
  TorchContents take() { return std::move(contents_); }

 private:
  void check_skipped(const std::string& name, PickleValue value);
  void add(const std::string& name, PickleValue value);
  TorchPlace place(const TorchTensor& tensor, const std::string& where);

  PickleWalk& walk_;
  int64_t file_size_;
  const FindStorage& find_storage_;
  TorchContents contents_;
  std::unordered_set<std::string> names_;
  std::map<
      std::tuple<int64_t, DType, std::vector<int64_t>, std::vector<int64_t>>,
      int64_t>
      ties_;
};

// Dicts in the dict are parts of the model: their names are joined with dots.
void Reader::read(PickleValue dict, const std::string& prefix, int depth) {
  const std::vector<PickleValue> pairs = walk_.pairs(dict);
  for (size_t i = 0; i + 1 < pairs.size(); i += 2) {
    const std::optional<std::string_view> key =
        walk_.pickle().as_text(pairs[i]);
    const bool tensor = is_tensor(walk_.pickle(), pairs[i + 1]);
    if (!key || key->size() > kLongestName - prefix.size() ||
        (!tensor && key->ends_with("_extra_state"))) {
      if (tensor) {
        throw Error(walk_.where() +
                    ": a tensor has no name, or one of more "
                    "than " +
                    std::to_string(kLongestName) + " bytes");
      }
      continue;
    }
    const std::string name = prefix + std::string(*key);
    if (tensor) {
      add(name, pairs[i + 1]);
    } else if (depth < kMaxDepth && name.size() < kLongestName &&
               walk_.has_tensors(pairs[i + 1], kMaxDepth - depth)) {
      read(pairs[i + 1], name + ".", depth + 1);
    } else {
      check_skipped(name, pairs[i + 1]);
    }
  }
}

// Quantised layers keep their weights in tuples: to leave them out would leave
// out the model.
void Reader::check_skipped(const std::string& name, PickleValue value) {
  const std::span<const PickleValue> items = walk_.pickle().items(value);
  if (value.kind == PickleKind::kDict || value.kind == PickleKind::kObject) {
    return;
  }
  walk_.budget().step(items.size());
  for (PickleValue item : items) {
    if (is_tensor(walk_.pickle(), item)) {
      throw Error(walk_.where() + ": " + quote(name) +
                  " holds tensors without names (a quantised layer?); only "
                  "dense tensors can be averaged");
    }
  }
}

void Reader::add(const std::string& name, PickleValue value) {
  const std::string where = walk_.where() + ": " + quote(name);
  if (!is_utf8(name)) throw Error(where + " is no UTF-8");
  const TorchTensor tensor = read_tensor(walk_.pickle(), value, where);
  walk_.budget().charge(2 * name.size() + 4 * 8 * tensor.shape.size() +
                        sizeof(TensorInfo) + sizeof(TorchPlace) + 128);
  if (!names_.insert(name).second) throw Error(where + " appears twice");
  TensorInfo info{.name = name, .dtype = tensor.dtype, .shape = tensor.shape};
  TorchPlace place = this->place(tensor, where);
  if (info.bytes() > 0) {
    // Two views are tied when they mean the same elements in the same order.
    const auto [tie, fresh] = ties_.emplace(
        std::tuple{place.begin, tensor.dtype, tensor.shape, place.strides},
        static_cast<int64_t>(contents_.tensors.size()));
    if (!fresh) info.tied_to = tie->second;
  }
  contents_.tensors.push_back(std::move(info));
  contents_.places.push_back(std::move(place));
}

TorchPlace Reader::place(const TorchTensor& tensor, const std::string& where) {
  TorchPlace place;
  if (tensor.span == 0) return place;  // an empty one needs no storage
  const TorchExtent extent = find_storage_(tensor.storage, where);
  const int64_t view = tensor.storage.view_offset * tensor.storage.item_size;
  const int64_t stored = tensor.storage.numel * tensor.storage.item_size;
  if (stored > extent.size) {
    throw Error(where + " needs a storage of " + std::to_string(stored) +
                " bytes, the file has " + std::to_string(extent.size) +
                " of them; it is incomplete");
  }
  if (view + tensor.offset > stored - tensor.span) {
    throw Error(where + " reaches beyond the end of its storage");
  }
  place.begin = extent.begin + view + tensor.offset;
  place.span = tensor.span;
  if (is_contiguous(tensor)) return place;
  place.strides = tensor.strides;
  // Reading unfolds them in memory.
  constexpr int64_t kSlack = 16 << 20;
  const int64_t unfolded = *checked_bytes(tensor.dtype, tensor.shape);
  if (unfolded - kSlack > file_size_) {
    throw Error(where + " repeats its elements to " + bytes_text(unfolded) +
                ", more than the file has");
  }
  return place;
}

}  // namespace

TorchContents read_state_dict(const Pickle& pickle, const OpenOptions& options,
                              const std::string& where, int64_t file_size,
                              Budget& budget, const FindStorage& find_storage) {
  PickleWalk walk(pickle, where, budget);
  const Weights weights = choose_weights(walk, options);
  Reader reader(walk, file_size, find_storage);
  reader.read(weights.dict, "", 0);
  TorchContents contents = reader.take();
  contents.notice = weights.notice;
  contents.extras = describe_extras(walk, weights);
  if (!weights.path.empty()) contents.metadata = describe_root(walk);
  return contents;
}

void gather(std::span<const std::byte> from, std::span<const int64_t> shape,
            std::span<const int64_t> strides, size_t item, std::byte* out) {
  if (shape.empty()) {
    std::memcpy(out, from.data(), item);
    return;
  }
  const size_t last = shape.size() - 1;
  for (int64_t extent : shape) {
    if (extent == 0) return;
  }
  std::vector<int64_t> at(shape.size(), 0);
  int64_t offset = 0;  // of the row, in elements
  while (true) {
    for (int64_t i = 0; i < shape[last]; ++i) {
      const auto element = static_cast<size_t>(offset + i * strides[last]);
      std::memcpy(out, from.data() + element * item, item);
      out += item;
    }
    size_t dim = last;
    while (dim-- > 0) {
      offset += strides[dim];
      if (++at[dim] < shape[dim]) break;
      offset -= at[dim] * strides[dim];
      at[dim] = 0;
    }
    if (dim > last) return;  // below 0
  }
}

}  // namespace soup
