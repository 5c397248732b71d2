#include "checkpoint/pickle_writer.h"

#include <vector>

#include "core/text.h"
#include "soup/error.h"

namespace soup {
namespace {

class Writer {
 public:
  void opcodes(std::string_view bytes) { out_ += bytes; }
  void global(std::string_view module, std::string_view name) {
    out_ += 'c';
    out_ += module;
    out_ += '\n';
    out_ += name;
    out_ += '\n';
  }
  void text(std::string_view text) {
    out_ += 'X';
    little(text.size(), 4);
    out_ += text;
  }
  void number(int64_t value) {
    if (value >= 0 && value < 256) {
      out_ += 'K';
      little(static_cast<uint64_t>(value), 1);
    } else if (value >= 0 && value < 65536) {
      out_ += 'M';
      little(static_cast<uint64_t>(value), 2);
    } else if (value == static_cast<int32_t>(value)) {
      out_ += 'J';
      little(static_cast<uint64_t>(value), 4);
    } else {
      out_ += "\x8a\x08";  // LONG1; libtorch demands all 8 bytes
      little(static_cast<uint64_t>(value), 8);
    }
  }
  void numbers(std::span<const int64_t> values) {
    out_ += '(';
    for (int64_t value : values) number(value);
    out_ += 't';
  }
  std::string take() { return std::move(out_); }

 private:
  void little(uint64_t value, size_t size) {
    for (size_t i = 0; i < size; ++i) {
      out_ += static_cast<char>(value >> (8 * i) & 0xff);
    }
  }
  std::string out_;
};

std::vector<int64_t> contiguous_strides(const std::vector<int64_t>& shape) {
  std::vector<int64_t> strides(shape.size());
  int64_t stride = 1;
  for (size_t i = shape.size(); i-- > 0;) {
    strides[i] = stride;
    stride *= shape[i] > 0 ? shape[i] : 1;
  }
  return strides;
}

// Torch counts bytes of two 4-bit floats each.
std::vector<int64_t> torch_shape(const TensorInfo& tensor,
                                 const std::string& where) {
  std::vector<int64_t> shape = tensor.shape;
  if (tensor.dtype == DType::kF4) {
    if (shape.empty() || shape.back() % 2 != 0) {
      throw Error(where + ": " + quote(tensor.name) +
                  " has half a byte in a row, which torch cannot hold");
    }
    shape.back() /= 2;
  }
  return shape;
}

void empty_ordered_dict(Writer& out) {
  out.global("collections", "OrderedDict");
  out.opcodes(")R");
}

void write_tensor(Writer& out, const TensorInfo& tensor, size_t storage,
                  const std::string& where) {
  const DTypeInfo& dtype = info(tensor.dtype);
  if (dtype.torch.empty()) {
    throw Error(where + ": " + quote(tensor.name) + " is " +
                std::string(dtype.name) +
                ", which torch does not have; write a .safetensors file");
  }
  const bool typed = !dtype.storage_class.empty();
  out.global("torch._utils",
             typed ? "_rebuild_tensor_v2" : "_rebuild_tensor_v3");
  out.opcodes("((");
  out.text("storage");
  if (typed) {
    out.global("torch", dtype.storage_class);
  } else {
    out.global("torch.storage", "UntypedStorage");
  }
  out.text(std::to_string(storage));
  out.text("cpu");
  out.number(typed ? tensor.numel() : tensor.bytes());
  out.opcodes("tQ");
  out.number(0);
  const std::vector<int64_t> shape = torch_shape(tensor, where);
  out.numbers(shape);
  out.numbers(contiguous_strides(shape));
  out.opcodes("\x89");  // no gradient
  empty_ordered_dict(out);
  if (!typed) out.global("torch", dtype.torch);
  out.opcodes("tR");
}

}  // namespace

std::string write_state_dict(std::span<const TensorInfo> tensors,
                             const std::string& where) {
  std::vector<size_t> storages(tensors.size());
  size_t next = 0;
  Writer out;
  out.opcodes("\x80\x02");
  empty_ordered_dict(out);
  out.opcodes("(");
  for (size_t i = 0; i < tensors.size(); ++i) {
    const int64_t tied_to = tensors[i].tied_to;
    storages[i] = tied_to < 0 ? next++ : storages[static_cast<size_t>(tied_to)];
    out.text(tensors[i].name);
    write_tensor(out, tensors[i], storages[i], where);
  }
  out.opcodes("u.");
  return out.take();
}

}  // namespace soup
