#include "checkpoint/safetensors_header.h"

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>
#include <numeric>
#include <string_view>
#include <tuple>
#include <utility>

#include "checkpoint/safetensors_sax.h"
#include "checkpoint/sizes.h"
#include "core/text.h"
#include "soup/error.h"

namespace soup {
namespace {

constexpr int64_t kMaxHeader = 100'000'000;

// The JSON between length and values.
std::string_view header_text(std::span<const std::byte> file,
                             const std::string& where) {
  if (file.size() < 8) {
    throw Error(where + ": has " + std::to_string(file.size()) +
                " bytes, too few for a safetensors file");
  }
  uint64_t length = 0;
  std::memcpy(&length, file.data(), 8);
  if (length > kMaxHeader) {
    throw Error(where + ": the header claims " + std::to_string(length) +
                " bytes, at most 100000000 are allowed");
  }
  if (length > file.size() - 8) {
    throw Error(where + ": the header has " + std::to_string(length) +
                " bytes, the file has " + std::to_string(file.size()) +
                "; it is incomplete");
  }
  const std::string_view json(reinterpret_cast<const char*>(file.data()) + 8,
                              length);
  if (!json.starts_with('{')) {
    throw Error(where + ": the header does not start with '{'");
  }
  return json;
}

// Values start at 0 and follow each other without holes or overlaps; sizes fit
// dtype and shape. Sorts by position. Returns the size of all values.
int64_t check_places(std::vector<RawTensor>& tensors,
                     const std::string& where) {
  std::stable_sort(tensors.begin(), tensors.end(),
                   [](const RawTensor& a, const RawTensor& b) {
                     return std::tie(a.begin, a.end) < std::tie(b.begin, b.end);
                   });
  int64_t end = 0;
  for (const RawTensor& tensor : tensors) {
    const std::string subject = where + ": " + quote(tensor.name);
    const std::string place =
        shape_text({tensor.begin, tensor.end}) + " of the values";
    if (tensor.begin != end) {
      throw Error(subject + " lies at " + place + ", expected at " +
                  std::to_string(end) + ": holes and overlaps are refused");
    }
    const std::optional<int64_t> size =
        checked_bytes(tensor.dtype, tensor.shape);
    if (!size) {
      throw Error(subject + " has the impossible shape " +
                  shape_text(tensor.shape));
    }
    if (tensor.end < tensor.begin || tensor.end - tensor.begin != *size) {
      throw Error(subject + " lies at " + place + ", but " +
                  shape_text(tensor.shape) + " " +
                  std::string(name(tensor.dtype)) + " takes " +
                  std::to_string(*size) + " bytes");
    }
    end = tensor.end;
  }
  return end;
}

// Indices of `tensors` in the order of their names. Throws for a name that
// comes twice: which of the two a reader takes is up to the reader.
std::vector<size_t> by_name(const std::vector<RawTensor>& tensors,
                            const std::string& where) {
  std::vector<size_t> order(tensors.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return tensors[a].name < tensors[b].name;
  });
  for (size_t i = 1; i < order.size(); ++i) {
    if (tensors[order[i]].name == tensors[order[i - 1]].name) {
      throw Error(where + ": the header has " + quote(tensors[order[i]].name) +
                  " twice");
    }
  }
  return order;
}

// What safetensors' save_model leaves of tied tensors: one of the names, and in
// the metadata the name that was dropped pointing to it.
void add_aliases(const std::vector<size_t>& sorted, SafetensorsHeader& header) {
  const auto find = [&](const std::string& name) {
    const auto at = std::lower_bound(sorted.begin(), sorted.end(), name,
                                     [&](size_t i, const auto& wanted) {
                                       return header.tensors[i].name < wanted;
                                     });
    const bool found = at != sorted.end() && header.tensors[*at].name == name;
    return found ? static_cast<int64_t>(*at) : -1;
  };
  std::erase_if(header.metadata, [&](const auto& entry) {
    const auto& [alias, target] = entry;
    const int64_t index = find(target);
    if (index < 0 || find(alias) >= 0 || alias == "format") return false;
    TensorInfo tied = header.tensors[static_cast<size_t>(index)];
    tied.name = alias;
    tied.tied_to = index;
    header.offsets.push_back(header.offsets[static_cast<size_t>(index)]);
    header.tensors.push_back(std::move(tied));
    return true;
  });
}

// Without spaces, non-ASCII as it is: the reference's way.
std::string compact(const nlohmann::json& value) {
  try {
    return value.dump();
  } catch (const nlohmann::json::exception&) {
    const std::string text =
        value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    throw Error(printable(text.substr(0, 100)) +
                ": not UTF-8, which a safetensors file demands");
  }
}

}  // namespace

SafetensorsHeader parse_safetensors(std::span<const std::byte> file,
                                    const std::string& where) {
  const std::string_view json = header_text(file, where);
  RawHeader raw = parse_header_json(json, where);
  const int64_t size = check_places(raw.tensors, where);
  const auto start = static_cast<int64_t>(json.size()) + 8;
  const auto present = static_cast<int64_t>(file.size()) - start;
  if (size != present) {
    throw Error(where + ": the header describes " + std::to_string(size) +
                " bytes of data, the file has " + std::to_string(present) +
                (size > present ? "; it is incomplete" : ""));
  }
  const std::vector<size_t> sorted = by_name(raw.tensors, where);
  SafetensorsHeader header;
  header.metadata = std::move(raw.metadata);
  header.tensors.reserve(raw.tensors.size());
  header.offsets.reserve(raw.tensors.size());
  for (RawTensor& tensor : raw.tensors) {
    header.offsets.push_back(start + tensor.begin);
    header.tensors.push_back({.name = std::move(tensor.name),
                              .dtype = tensor.dtype,
                              .shape = std::move(tensor.shape)});
  }
  add_aliases(sorted, header);
  return header;
}

std::vector<size_t> safetensors_order(std::span<const TensorInfo> tensors) {
  std::vector<size_t> order;
  for (size_t i = 0; i < tensors.size(); ++i) {
    if (tensors[i].tied_to < 0) order.push_back(i);
  }
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    const TensorInfo& x = tensors[a];
    const TensorInfo& y = tensors[b];
    return x.dtype != y.dtype ? x.dtype > y.dtype : x.name < y.name;
  });
  return order;
}

std::string format_safetensors_header(
    std::span<const TensorInfo> tensors, std::span<const size_t> order,
    const std::map<std::string, std::string>& metadata) {
  std::map<std::string, std::string> all = metadata;
  for (const TensorInfo& tensor : tensors) {
    if (tensor.tied_to < 0) continue;
    all[tensor.name] = tensors[static_cast<size_t>(tensor.tied_to)].name;
  }
  std::string json = "{";
  if (!all.empty()) json += "\"__metadata__\":" + compact(all);
  int64_t offset = 0;
  for (size_t index : order) {
    const TensorInfo& tensor = tensors[index];
    const int64_t end = offset + tensor.bytes();
    if (json.size() > 1) json += ',';
    json += compact(tensor.name) + ":{\"dtype\":\"" +
            std::string(name(tensor.dtype)) +
            "\",\"shape\":" + compact(tensor.shape) + ",\"data_offsets\":[" +
            std::to_string(offset) + "," + std::to_string(end) + "]}";
    offset = end;
  }
  json += "}";
  json.append((8 - json.size() % 8) % 8, ' ');
  const uint64_t length = json.size();
  std::string header(8, '\0');
  std::memcpy(header.data(), &length, 8);
  return header + json;
}

}  // namespace soup
