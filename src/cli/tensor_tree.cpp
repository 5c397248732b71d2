#include "cli/tensor_tree.h"

#include <map>

#include "core/text.h"

namespace soup {
namespace {

constexpr size_t kMaxDepth = 64;  // of hostile names

struct NaturalLess {
  bool operator()(const std::string& a, const std::string& b) const {
    return natural_less(a, b);
  }
};

/// A part of a model: what the names of its tensors have in common.
struct Part {
  std::map<std::string, Part, NaturalLess> parts = {};
  const TensorInfo* tensor = nullptr;
  int64_t tensors = 0;
  int64_t parameters = 0;
  int64_t bytes = 0;
};

void add(Part& root, const TensorInfo& tensor) {
  Part* part = &root;
  std::string_view rest = tensor.name;
  for (size_t depth = 0;; ++depth) {
    ++part->tensors;
    if (tensor.tied_to < 0) {
      part->parameters += tensor.numel();
      part->bytes += tensor.bytes();
    }
    const size_t dot = depth < kMaxDepth ? rest.find('.') : rest.npos;
    if (dot == rest.npos) break;
    part = &part->parts[std::string(rest.substr(0, dot + 1))];
    rest.remove_prefix(dot + 1);
  }
  part->parts[std::string(rest)].tensor = &tensor;
}

void list(const Part& part, const std::string& indent,
          std::vector<std::vector<std::string>>& rows) {
  for (const auto& [name, inner] : part.parts) {
    if (inner.tensor != nullptr) {
      const TensorInfo& tensor = *inner.tensor;
      rows.push_back({indent + name,
                      std::string(soup::name(tensor.dtype)) + " " +
                          shape_text(tensor.shape),
                      std::to_string(tensor.numel()),
                      bytes_text(tensor.bytes())});
    } else {
      rows.push_back({indent + name,
                      std::to_string(inner.tensors) +
                          (inner.tensors == 1 ? " tensor" : " tensors"),
                      std::to_string(inner.parameters),
                      bytes_text(inner.bytes)});
    }
    list(inner, indent + "  ", rows);
  }
}

}  // namespace

void print_tensor_tree(const Checkpoint& checkpoint, const Output& output) {
  Part root;
  for (const TensorInfo& tensor : checkpoint.tensors()) add(root, tensor);
  std::vector<std::vector<std::string>> rows;
  list(root, "", rows);
  print_table(
      output,
      {{"part"}, {"tensors"}, {"parameters", 0, true}, {"size", 0, true}},
      rows);
}

}  // namespace soup
