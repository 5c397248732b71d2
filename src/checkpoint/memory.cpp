#include <utility>

#include "core/text.h"
#include "soup/checkpoint.h"
#include "soup/error.h"

namespace soup {
namespace {

constexpr size_t kAlignment = 64;

size_t round_up(size_t n) { return (n + kAlignment - 1) & ~(kAlignment - 1); }

bool same_values(const TensorInfo& a, const TensorInfo& b) {
  return a.dtype == b.dtype && a.shape == b.shape;
}

}  // namespace

int64_t TensorInfo::numel() const {
  int64_t product = 1;
  for (int64_t extent : shape) product *= extent;
  return product;
}

int64_t TensorInfo::bytes() const { return numel() * bits(dtype) / 8; }

std::optional<size_t> Checkpoint::find(std::string_view name) const {
  std::call_once(indexed_, [this] {
    const std::span<const TensorInfo> all = tensors();
    for (size_t i = 0; i < all.size(); ++i) index_.emplace(all[i].name, i);
  });
  const auto found = index_.find(name);
  if (found == index_.end()) return std::nullopt;
  return found->second;
}

MemoryCheckpoint::MemoryCheckpoint(std::filesystem::path path,
                                   std::vector<TensorInfo> tensors,
                                   std::map<std::string, std::string> metadata)
    : path_(std::move(path)),
      tensors_(std::move(tensors)),
      metadata_(std::move(metadata)) {
  size_t size = 0;
  for (size_t i = 0; i < tensors_.size(); ++i) {
    const TensorInfo& tensor = tensors_[i];
    if (tensor.tied_to < 0) {
      offsets_.push_back(size);
      size += round_up(static_cast<size_t>(tensor.bytes()));
      continue;
    }
    const auto target = static_cast<size_t>(tensor.tied_to);
    if (target >= i || !same_values(tensor, tensors_[target])) {
      throw Error(path_.string() + ": " + quote(tensor.name) +
                  " is tied to a later tensor or one of another shape");
    }
    offsets_.push_back(offsets_[target]);
  }
  arena_.resize(size + kAlignment);
  const auto start = reinterpret_cast<uintptr_t>(arena_.data());
  for (size_t& offset : offsets_) offset += round_up(start) - start;
}

TensorData MemoryCheckpoint::read(size_t index) const {
  return TensorData(std::span(arena_).subspan(
      offsets_.at(index), static_cast<size_t>(tensors_[index].bytes())));
}

std::span<std::byte> MemoryCheckpoint::mutable_bytes(size_t index) {
  return std::span(arena_).subspan(
      offsets_.at(index), static_cast<size_t>(tensors_[index].bytes()));
}

}  // namespace soup
