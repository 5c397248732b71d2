#include "checkpoint/safetensors_sax.h"

#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

#include "checkpoint/sizes.h"
#include "core/text.h"
#include "soup/error.h"

namespace soup {
namespace {

using nlohmann::json;

constexpr int kMaxDepth = 64;
constexpr std::string_view kMetadataKey = "__metadata__";

/// Receives the JSON event by event: a header of 100 MB never becomes a tree,
/// and a key that comes twice is seen.
class HeaderSax : public nlohmann::json_sax<json> {
 public:
  HeaderSax(RawHeader& header, const std::string& where)
      : header_(header), where_(where) {}

  bool null() override {
    // The reference takes a null where an optional value is expected.
    if (state_ == State::kMetadataValue) {
      state_ = State::kRoot;
      return true;
    }
    return scalar("null");
  }
  bool boolean(bool) override { return scalar("a boolean"); }
  bool number_integer(int64_t) override { return scalar("a negative number"); }
  bool number_float(double, const std::string&) override {
    return scalar("a number with a fraction");
  }
  bool number_unsigned(uint64_t value) override;
  bool string(std::string& value) override;
  bool binary(json::binary_t&) override { return scalar("bytes"); }
  bool start_object(size_t) override;
  bool key(std::string& name) override;
  bool end_object() override;
  bool start_array(size_t) override;
  bool end_array() override;
  bool parse_error(size_t position, const std::string&,
                   const json::exception&) override {
    throw Error(where_ + ": the header is no valid JSON (byte " +
                std::to_string(position + 7) + ")");
  }

 private:
  enum class State {
    kStart,        // before the root object
    kRoot,         // expects a name
    kTensorValue,  // expects the object of a tensor
    kTensor,       // expects a field
    kDTypeValue,
    kShapeValue,
    kShape,
    kOffsetsValue,
    kOffsets,
    kMetadataValue,  // expects the object of metadata
    kMetadata,       // expects a key
    kMetadataText,   // expects its value
    kSkip,           // inside the value of an unknown field
    kEnd,
  };

  [[noreturn]] void fail(const std::string& what) const {
    const bool tensor = !header_.tensors.empty() && in_tensor_;
    throw Error(where_ + ": " +
                (tensor ? quote(header_.tensors.back().name) + ": " : "") +
                what);
  }
  bool scalar(const std::string& found);
  void open();
  void field(const std::string& name);
  void finish_tensor();

  RawHeader& header_;
  const std::string& where_;
  State state_ = State::kStart;
  bool in_tensor_ = false;
  bool metadata_seen_ = false;
  bool dtype_seen_ = false;
  bool shape_seen_ = false;
  bool offsets_seen_ = false;
  int offsets_count_ = 0;
  int skip_depth_ = 0;
  std::string metadata_key_;
};

// A value nothing is expected of: fine inside an unknown field only.
bool HeaderSax::scalar(const std::string& found) {
  if (state_ != State::kSkip) {
    fail("the header has " + found + " in an unexpected place");
  }
  if (skip_depth_ == 0) state_ = State::kTensor;
  return true;
}

bool HeaderSax::number_unsigned(uint64_t value) {
  if (state_ != State::kShape && state_ != State::kOffsets) {
    return scalar("a number");
  }
  if (value > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
    fail("the number " + std::to_string(value) + " is too large");
  }
  RawTensor& tensor = header_.tensors.back();
  const auto number = static_cast<int64_t>(value);
  if (state_ == State::kShape) {
    if (tensor.shape.size() == kMaxDims) fail("has more than 64 dimensions");
    tensor.shape.push_back(number);
  } else if (++offsets_count_ > 2) {
    fail("data_offsets has more than two numbers");
  } else {
    (offsets_count_ == 1 ? tensor.begin : tensor.end) = number;
  }
  return true;
}

bool HeaderSax::string(std::string& value) {
  if (state_ == State::kMetadataText) {
    if (!header_.metadata.emplace(metadata_key_, std::move(value)).second) {
      fail("the metadata has the key " + quote(metadata_key_) + " twice");
    }
    state_ = State::kMetadata;
    return true;
  }
  if (state_ != State::kDTypeValue) return scalar("text");
  const std::optional<DType> dtype = dtype_from_name(value);
  if (!dtype || *dtype == DType::kC128) {
    fail("unknown dtype " + quote(value));
  }
  header_.tensors.back().dtype = *dtype;
  state_ = State::kTensor;
  return true;
}

void HeaderSax::open() {
  if (state_ != State::kSkip) {
    fail("the header has an object or array in an unexpected place");
  }
  if (++skip_depth_ > kMaxDepth) fail("the header is nested too deep");
}

bool HeaderSax::start_object(size_t) {
  switch (state_) {
    case State::kStart:
      state_ = State::kRoot;
      break;
    case State::kTensorValue:
      state_ = State::kTensor;
      break;
    case State::kMetadataValue:
      state_ = State::kMetadata;
      break;
    default:
      open();
  }
  return true;
}

bool HeaderSax::start_array(size_t) {
  if (state_ == State::kShapeValue) {
    state_ = State::kShape;
  } else if (state_ == State::kOffsetsValue) {
    state_ = State::kOffsets;
  } else {
    open();
  }
  return true;
}

bool HeaderSax::key(std::string& name) {
  if (state_ == State::kTensor) {
    field(name);
  } else if (state_ == State::kMetadata) {
    metadata_key_ = std::move(name);
    state_ = State::kMetadataText;
  } else if (state_ == State::kRoot && name == kMetadataKey) {
    if (std::exchange(metadata_seen_, true)) {
      fail("the header has the key '__metadata__' twice");
    }
    state_ = State::kMetadataValue;
  } else if (state_ == State::kRoot) {
    header_.tensors.emplace_back().name = std::move(name);
    in_tensor_ = true;
    dtype_seen_ = shape_seen_ = offsets_seen_ = false;
    state_ = State::kTensorValue;
  }
  return true;
}

void HeaderSax::field(const std::string& name) {
  bool twice = false;
  if (name == "dtype") {
    twice = std::exchange(dtype_seen_, true);
    state_ = State::kDTypeValue;
  } else if (name == "shape") {
    twice = std::exchange(shape_seen_, true);
    state_ = State::kShapeValue;
  } else if (name == "data_offsets") {
    twice = std::exchange(offsets_seen_, true);
    offsets_count_ = 0;
    state_ = State::kOffsetsValue;
  } else {
    skip_depth_ = 0;
    state_ = State::kSkip;
  }
  if (twice) fail("the header has '" + name + "' twice");
}

bool HeaderSax::end_object() {
  if (state_ == State::kSkip) {
    if (--skip_depth_ == 0) state_ = State::kTensor;
  } else if (state_ == State::kTensor) {
    finish_tensor();
  } else if (state_ == State::kMetadata) {
    state_ = State::kRoot;
  } else if (state_ == State::kRoot) {
    state_ = State::kEnd;
  }
  return true;
}

void HeaderSax::finish_tensor() {
  if (!dtype_seen_ || !shape_seen_ || !offsets_seen_) {
    fail("needs the fields dtype, shape and data_offsets");
  }
  header_.tensors.back().shape.shrink_to_fit();
  in_tensor_ = false;
  state_ = State::kRoot;
}

bool HeaderSax::end_array() {
  if (state_ == State::kSkip) {
    if (--skip_depth_ == 0) state_ = State::kTensor;
    return true;
  }
  if (state_ == State::kOffsets && offsets_count_ != 2) {
    fail("data_offsets needs two numbers");
  }
  state_ = State::kTensor;
  return true;
}

}  // namespace

RawHeader parse_header_json(std::string_view json, const std::string& where) {
  // nlohmann takes a NUL for the end of the text.
  const size_t nul = json.find('\0');
  if (nul != std::string_view::npos) {
    throw Error(where + ": the header has a NUL byte at byte " +
                std::to_string(nul + 8));
  }
  RawHeader header;
  HeaderSax sax(header, where);
  json::sax_parse(json.begin(), json.end(), &sax);
  return header;
}

}  // namespace soup
