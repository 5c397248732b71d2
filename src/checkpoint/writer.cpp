#include "checkpoint/writer.h"

#include <string_view>
#include <unordered_set>

#include "checkpoint/sizes.h"
#include "core/text.h"
#include "soup/error.h"

namespace soup {

Coverage::Coverage(const std::filesystem::path& out,
                   std::span<const TensorInfo> tensors)
    : where_(printable(out.string())), tensors_(tensors) {
  std::unordered_set<std::string_view> names;
  for (size_t i = 0; i < tensors.size(); ++i) {
    const TensorInfo& tensor = tensors[i];
    const std::string subject = where_ + ": " + quote(tensor.name);
    if (!names.insert(tensor.name).second)
      throw Error(subject + " comes twice");
    if (!is_utf8(tensor.name)) throw Error(subject + " is no UTF-8");
    if (!checked_bytes(tensor.dtype, tensor.shape)) {
      throw Error(subject + " has the impossible shape " +
                  shape_text(tensor.shape));
    }
    if (tensor.tied_to < 0) {
      expected_ += tensor.bytes();
      continue;
    }
    const auto target = static_cast<size_t>(tensor.tied_to);
    if (target >= i || tensors[target].tied_to >= 0 ||
        tensors[target].dtype != tensor.dtype ||
        tensors[target].shape != tensor.shape) {
      throw Error(subject + " is tied to a tensor that it does not equal");
    }
  }
}

bool Coverage::add(size_t index, int64_t offset, size_t size) {
  const TensorInfo& tensor = tensors_[index];
  const int64_t bytes = tensor.bytes();
  if (offset < 0 || offset > bytes ||
      size > static_cast<size_t>(bytes - offset)) {
    throw Error(where_ + ": " + quote(tensor.name) + ": written outside its " +
                std::to_string(bytes) + " bytes");
  }
  if (tensor.tied_to >= 0) return false;
  written_ += static_cast<int64_t>(size);
  return true;
}

void Coverage::check_complete() const {
  if (written_ == expected_) return;
  throw Error(where_ + ": " + std::to_string(written_) + " of " +
              std::to_string(expected_) + " bytes of values were written");
}

}  // namespace soup
