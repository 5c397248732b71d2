#include <cstring>
#include <utility>

#include "checkpoint/formats.h"
#include "checkpoint/safetensors_header.h"
#include "core/file.h"
#include "core/text.h"
#include "soup/error.h"

namespace soup {
namespace {

class SafetensorsFile : public Checkpoint {
 public:
  explicit SafetensorsFile(MappedFile file)
      : file_(std::move(file)),
        header_(parse_safetensors(file_.bytes(),
                                  printable(file_.path().string()))) {}

  const std::filesystem::path& path() const override { return file_.path(); }
  std::string_view format() const override { return "safetensors"; }
  std::span<const TensorInfo> tensors() const override {
    return header_.tensors;
  }
  TensorData read(size_t index) const override {
    file_.check_unchanged();
    return TensorData(file_.bytes().subspan(
                          static_cast<size_t>(header_.offsets.at(index)),
                          static_cast<size_t>(header_.tensors[index].bytes())),
                      /*mapped=*/true);
  }
  const std::map<std::string, std::string>& metadata() const override {
    return header_.metadata;
  }

 private:
  MappedFile file_;
  SafetensorsHeader header_;
};

}  // namespace

bool is_safetensors(std::span<const std::byte> file) {
  constexpr uint64_t kMaxHeader = 100'000'000;
  if (file.size() < 10) return false;
  uint64_t length = 0;
  std::memcpy(&length, file.data(), 8);
  const auto at = [&](size_t i) { return std::to_integer<char>(file[i]); };
  // A header that is longer than its file still counts: it is incomplete.
  return length >= 2 && length <= kMaxHeader && at(8) == '{' &&
         (at(9) == '"' || at(9) == '}' || at(9) == ' ' || at(9) == '\n' ||
          at(9) == '\t' || at(9) == '\r');
}

CheckpointPtr open_safetensors(MappedFile file, const OpenOptions& options) {
  if (!options.key.empty() || options.ema) {
    throw Error(printable(file.path().string()) +
                ": a safetensors file holds one state dict; --key and --ema "
                "choose among those of a torch file");
  }
  return std::make_unique<SafetensorsFile>(std::move(file));
}

}  // namespace soup
