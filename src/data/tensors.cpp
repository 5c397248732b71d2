#include "data/tensors.h"

#include <cctype>
#include <cstring>
#include <limits>
#include <optional>
#include <utility>

#include "core/file.h"
#include "core/hash.h"
#include "core/text.h"
#include "data/examples.h"
#include "data/npy_header.h"
#include "soup/error.h"

namespace soup {
namespace {

namespace fs = std::filesystem;

constexpr const char* kLabels = "labels";

DType dtype_of(const NpyHeader& header) {
  if (header.kind == 'b') return DType::kBool;
  const auto letter =
      static_cast<char>(std::toupper(static_cast<unsigned char>(header.kind)));
  return dtype_from_name(letter + std::to_string(8 * header.width)).value();
}

ReadyInput read_npy(const fs::path& file, const std::string& name) {
  const MappedFile mapped(file);
  const std::span<const std::byte> bytes = mapped.bytes();
  const NpyHeader header = parse_npy_header(bytes, file.string());
  return {
      .info = {.name = name, .dtype = dtype_of(header), .shape = header.shape},
      .values = {bytes.begin() + static_cast<ptrdiff_t>(header.offset),
                 bytes.end()}};
}

ReadyInput read_tensor(const Checkpoint& file, size_t index) {
  const TensorData data = file.read(index);
  return {.info = file.tensors()[index],
          .values = {data.bytes().begin(), data.bytes().end()}};
}

CheckpointPtr open_tensors(const fs::path& file) {
  return open_checkpoint(file, {.keep_prefixes = true});
}

ReadyInput read_input(const fs::path& file, const std::string& name) {
  if (file.extension() == ".npy") return read_npy(file, name);
  const CheckpointPtr opened = open_tensors(file);
  const std::optional<size_t> index = opened->find(name);
  if (!index) {
    std::vector<std::string> names;
    for (const TensorInfo& tensor : opened->tensors()) {
      names.push_back(printable(tensor.name));
    }
    throw Error(file.string() + ": has no tensor '" + printable(name) +
                "', only " + join(names, ", "));
  }
  return read_tensor(*opened, *index);
}

std::vector<ReadyInput> read_inputs(const DatasetSpec& spec) {
  std::vector<ReadyInput> inputs;
  for (const auto& [name, file] : spec.inputs) {
    if (!name.empty()) {
      inputs.push_back(read_input(file, name));
      continue;
    }
    const CheckpointPtr opened = open_tensors(file);
    for (size_t i = 0; i < opened->tensors().size(); ++i) {
      if (opened->tensors()[i].name == kLabels) continue;
      inputs.push_back(read_tensor(*opened, i));
    }
  }
  return inputs;
}

template <typename T>
int64_t at(const std::vector<std::byte>& values, size_t i) {
  T value;
  std::memcpy(&value, values.data() + i * sizeof(T), sizeof value);
  if (std::cmp_greater(value, std::numeric_limits<int64_t>::max())) return -1;
  return static_cast<int64_t>(value);
}

/// How whole numbers of a type are read; null: it holds none.
using Reader = int64_t (*)(const std::vector<std::byte>&, size_t);
Reader reader_of(DType dtype) {
  switch (dtype) {
    case DType::kU8:
      return at<uint8_t>;
    case DType::kI8:
      return at<int8_t>;
    case DType::kI16:
      return at<int16_t>;
    case DType::kU16:
      return at<uint16_t>;
    case DType::kI32:
      return at<int32_t>;
    case DType::kU32:
      return at<uint32_t>;
    case DType::kI64:
      return at<int64_t>;
    case DType::kU64:
      return at<uint64_t>;
    default:
      return nullptr;
  }
}

std::vector<int32_t> read_labels(const fs::path& file) {
  const ReadyInput found = read_input(file, kLabels);
  const Reader read = reader_of(found.info.dtype);
  if (read == nullptr || found.info.shape.size() != 1) {
    throw Error(file.string() + ": labels are " +
                std::string(name(found.info.dtype)) + " " +
                shape_text(found.info.shape) +
                ", expected whole numbers, one an example");
  }
  std::vector<int32_t> labels;
  for (size_t i = 0; i < static_cast<size_t>(found.info.shape[0]); ++i) {
    const int64_t label = read(found.values, i);
    if (label < 0 || label > std::numeric_limits<int32_t>::max()) {
      throw Error(file.string() + ": label " + std::to_string(i) +
                  " is out of range");
    }
    labels.push_back(static_cast<int32_t>(label));
  }
  return labels;
}

// The examples from `begin` to `end`.
void cut(ReadyInput& input, int64_t begin, int64_t end) {
  const int64_t each = input.info.shape[0] == 0
                           ? 0
                           : std::ssize(input.values) / input.info.shape[0];
  input.values.erase(input.values.begin() + end * each, input.values.end());
  input.values.erase(input.values.begin(), input.values.begin() + begin * each);
  input.info.shape[0] = end - begin;
}

std::string hash_of(std::span<const ReadyInput> inputs) {
  std::string parts;
  for (const ReadyInput& input : inputs) {
    parts += std::to_string(input.info.name.size()) + ":" + input.info.name +
             std::string(name(input.info.dtype)) +
             shape_text(input.info.shape) + hex(xxh3_128(input.values));
  }
  return hex(xxh3_128(std::as_bytes(std::span(parts))));
}

}  // namespace

Examples read_tensors(const DatasetSpec& spec) {
  check_files(spec);
  Examples examples;
  const std::vector<int32_t> labels = read_labels(spec.labels_file);
  const auto [begin, end] = checked_range(spec, std::ssize(labels));
  examples.inputs = read_inputs(spec);
  if (examples.inputs.empty()) throw Error(spec.name + ": has no inputs");
  for (ReadyInput& input : examples.inputs) {
    const std::vector<int64_t>& shape = input.info.shape;
    if (shape.empty() || shape[0] != std::ssize(labels)) {
      throw Error(spec.name + ": '" + printable(input.info.name) + "' is " +
                  shape_text(shape) + ", but there are " +
                  std::to_string(labels.size()) + " labels");
    }
    cut(input, begin, end);
  }
  examples.count = end - begin;
  examples.labels.assign(labels.begin() + begin, labels.begin() + end);
  examples.content = hash_of(examples.inputs);
  return examples;
}

}  // namespace soup
