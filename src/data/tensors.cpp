#include "data/tensors.h"

#include <array>
#include <cctype>
#include <optional>

#include "core/hash.h"
#include "core/text.h"
#include "data/array.h"
#include "data/examples.h"
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

ReadyInput input_of(const Array& array, const std::string& name) {
  const NpyHeader& header = array.header;
  return {
      .info = {.name = name, .dtype = dtype_of(header), .shape = header.shape},
      .values = {array.values.begin(), array.values.end()}};
}

bool is_arrays(const fs::path& file) {
  const fs::path extension = array_file(file).extension();
  return extension == ".npy" || extension == ".npz";
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
  if (is_arrays(file)) {
    const std::array<std::string_view, 1> usual = {name};
    return input_of(read_array(file, usual), name);
  }
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
    if (is_arrays(file)) {
      for (const auto& [key, array] : read_arrays(file)) {
        if (key != kLabels) inputs.push_back(input_of(array, key));
      }
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

// As a NumPy array of the same values; nullopt: they are no whole numbers.
std::optional<NpyHeader> header_of(const TensorInfo& tensor) {
  const DTypeInfo& type = info(tensor.dtype);
  if (type.kind != DTypeKind::kInteger || tensor.dtype == DType::kBool) {
    return std::nullopt;
  }
  const bool is_signed = name(tensor.dtype).starts_with('I');
  return NpyHeader{.kind = is_signed ? 'i' : 'u',
                   .width = bits(tensor.dtype) / 8,
                   .shape = tensor.shape,
                   .count = tensor.numel()};
}

std::vector<int32_t> read_labels(const fs::path& file) {
  const ReadyInput found = read_input(file, kLabels);
  const std::optional<NpyHeader> header = header_of(found.info);
  std::vector<int64_t> shape = found.info.shape;
  if (shape.size() == 2 && shape[1] == 1) shape.pop_back();
  if (!header || shape.size() != 1) {
    throw Error(file.string() + ": labels are " +
                std::string(name(found.info.dtype)) + " " +
                shape_text(found.info.shape) +
                ", expected whole numbers, one an example");
  }
  return npy_labels(*header, found.values, file.string());
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
