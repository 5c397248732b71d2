#include "checkpoint/pickle.h"

#include "checkpoint/pickle_machine.h"

namespace soup {

std::optional<std::string_view> Pickle::long_bytes(PickleValue value) const {
  if (value.kind != PickleKind::kLong) return std::nullopt;
  return texts_[value.index];
}

std::optional<int64_t> Pickle::as_int(PickleValue value) const {
  if (value.kind == PickleKind::kInt) {
    return static_cast<int32_t>(value.index);
  }
  const std::optional<std::string_view> bytes = long_bytes(value);
  if (!bytes || bytes->size() > 8) return std::nullopt;
  const bool negative =
      !bytes->empty() && (static_cast<unsigned char>(bytes->back()) & 0x80);
  uint64_t number = negative ? ~uint64_t{0} : 0;
  for (size_t i = bytes->size(); i-- > 0;) {
    number = number << 8 | static_cast<unsigned char>((*bytes)[i]);
  }
  return static_cast<int64_t>(number);
}

std::optional<double> Pickle::as_float(PickleValue value) const {
  if (value.kind != PickleKind::kFloat) return std::nullopt;
  return floats_[value.index];
}

std::optional<bool> Pickle::as_bool(PickleValue value) const {
  if (value.kind != PickleKind::kBool) return std::nullopt;
  return value.index != 0;
}

std::optional<std::string_view> Pickle::as_text(PickleValue value) const {
  if (value.kind != PickleKind::kText) return std::nullopt;
  return texts_[value.index];
}

const PickleGlobal* Pickle::as_global(PickleValue value) const {
  return value.kind == PickleKind::kGlobal ? &globals_[value.index] : nullptr;
}

const PickleObject* Pickle::as_object(PickleValue value) const {
  return value.kind == PickleKind::kObject ? &objects_[value.index] : nullptr;
}

std::span<const PickleValue> Pickle::items(PickleValue value) const {
  switch (value.kind) {
    case PickleKind::kTuple:
    case PickleKind::kList:
    case PickleKind::kDict:
    case PickleKind::kSet:
      return lists_[value.index];
    case PickleKind::kObject:
      return lists_[objects_[value.index].pairs];
    default:
      return {};
  }
}

Pickle parse_pickle(std::span<const std::byte> bytes, const std::string& where,
                    Budget& budget) {
  // Handles have 32 bits; the pickle of the largest models has a few MB.
  constexpr size_t kLargest = size_t{1} << 30;
  if (bytes.size() > kLargest) bytes = bytes.first(kLargest);
  return PickleMachine(bytes, where, budget).run();
}

}  // namespace soup
