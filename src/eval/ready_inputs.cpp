#include "eval/ready_inputs.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "core/text.h"
#include "soup/error.h"

namespace soup {
namespace {

/// What is taken, with the name that data have for it.
std::vector<InputTensor> taken_by(const ModelInput& input,
                                  const Examples& examples) {
  if (!input.tensors.empty()) return input.tensors;
  // Whatever the one input is called.
  return {{.name = examples.inputs.front().info.name,
           .shape = {input.channels, input.height, input.width}}};
}

std::string names_of(const std::vector<InputTensor>& taken) {
  std::vector<std::string> names;
  for (const InputTensor& one : taken) {
    names.push_back("'" + printable(one.name) + "'");
  }
  return join(names, ", ");
}

const ReadyInput& find_input(const Examples& examples, const std::string& name,
                             const std::string& where) {
  for (const ReadyInput& input : examples.inputs) {
    if (input.info.name == name) return input;
  }
  throw Error(where + ": has no input '" + printable(name) +
              "', which the model takes");
}

void check_shape(const TensorInfo& info, const InputTensor& taken,
                 const std::string& what) {
  const std::vector<int64_t> each(info.shape.begin() + 1, info.shape.end());
  if (each == taken.shape) return;
  throw Error(what + " is " + shape_text(each) +
              " for each example, but the model takes " +
              shape_text(taken.shape));
}

void check_kind(const TensorInfo& info, const InputTensor& taken,
                const std::string& what) {
  const DTypeKind wanted =
      taken.limit > 0 ? DTypeKind::kInteger : DTypeKind::kFloat;
  if (soup::info(info.dtype).kind == wanted) return;
  throw Error(what + " is " + std::string(name(info.dtype)) +
              ", but the model takes " +
              (taken.limit > 0 ? "whole numbers" : "floats"));
}

// An index that an embedding has no row for would be read from elsewhere.
void check_range(const at::Tensor& values, const InputTensor& taken,
                 const std::string& what) {
  if (taken.limit == 0 || values.numel() == 0) return;
  const auto [least, most] = at::aminmax(values.to(at::kLong));
  for (const int64_t value : {least.item<int64_t>(), most.item<int64_t>()}) {
    if (value >= 0 && value < taken.limit) continue;
    throw Error(what + " holds " + std::to_string(value) +
                ", but the model takes 0 to " +
                std::to_string(taken.limit - 1));
  }
}

}  // namespace

std::vector<at::Tensor> ready_inputs(const Examples& examples,
                                     const ModelInput& input,
                                     const std::string& where) {
  const std::vector<InputTensor> taken = taken_by(input, examples);
  for (const ReadyInput& one : examples.inputs) {
    if (std::any_of(taken.begin(), taken.end(), [&](const InputTensor& t) {
          return t.name == one.info.name;
        })) {
      continue;
    }
    throw Error(where + ": has the input '" + printable(one.info.name) +
                "', which the model does not take; it takes " +
                names_of(taken));
  }
  std::vector<at::Tensor> tensors;
  for (const InputTensor& one : taken) {
    const ReadyInput& found = find_input(examples, one.name, where);
    const std::string what = where + ": '" + printable(one.name) + "'";
    check_shape(found.info, one, what);
    check_kind(found.info, one, what);
    tensors.push_back(
        to_tensor(found.info, TensorData(std::span(found.values))));
    check_range(tensors.back(), one, what);
  }
  return tensors;
}

}  // namespace soup
