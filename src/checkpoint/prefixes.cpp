#include "checkpoint/prefixes.h"

#include <array>
#include <map>
#include <string_view>
#include <utility>

#include "core/log.h"
#include "core/text.h"
#include "soup/error.h"

namespace soup {
namespace {

// Names that no module of a model has by itself.
constexpr std::array<std::string_view, 4> kSegments = {
    "_orig_mod.", "_fsdp_wrapped_module.", "_checkpoint_wrapped_module.",
    "_forward_module."};
constexpr std::string_view kModule = "module.";
// AveragedModel's counter, beside the wrapped names.
constexpr std::string_view kCounter = "n_averaged";

void remove_segments(std::string& name) {
  for (std::string_view segment : kSegments) {
    size_t at = 0;
    while ((at = name.find(segment, at)) != std::string::npos) {
      if (at == 0 || name[at - 1] == '.') {
        name.erase(at, segment.size());
      } else {
        at += segment.size();
      }
    }
  }
}

// Removes `module.` from all names or from none.
bool remove_module(std::vector<std::string>& names) {
  bool any = false;
  for (const std::string& name : names) {
    if (name.empty() || name == kCounter) continue;
    if (!name.starts_with(kModule) || name.size() == kModule.size()) {
      return false;
    }
    any = true;
  }
  if (!any) return false;
  for (std::string& name : names) {
    if (name == kCounter) {
      name.clear();
    } else if (!name.empty()) {
      name.erase(0, kModule.size());
    }
  }
  return true;
}

/// Another checkpoint under other names, some tensors left out.
class RenamedCheckpoint : public Checkpoint {
 public:
  RenamedCheckpoint(CheckpointPtr inner, const std::vector<std::string>& names)
      : inner_(std::move(inner)) {
    std::map<size_t, int64_t> kept;  // index there to index here
    for (size_t i = 0; i < names.size(); ++i) {
      if (names[i].empty()) continue;
      TensorInfo info = inner_->tensors()[i];
      info.name = names[i];
      if (info.tied_to >= 0) {
        const auto target = kept.find(static_cast<size_t>(info.tied_to));
        info.tied_to = target == kept.end() ? -1 : target->second;
      }
      kept.emplace(i, static_cast<int64_t>(tensors_.size()));
      tensors_.push_back(std::move(info));
      indices_.push_back(i);
    }
  }

  const std::filesystem::path& path() const override { return inner_->path(); }
  std::string_view format() const override { return inner_->format(); }
  std::span<const TensorInfo> tensors() const override { return tensors_; }
  TensorData read(size_t index) const override {
    return inner_->read(indices_.at(index));
  }
  int64_t read_memory(size_t index) const override {
    return inner_->read_memory(indices_.at(index));
  }
  const std::map<std::string, std::string>& metadata() const override {
    return inner_->metadata();
  }
  std::vector<std::pair<std::string, std::string>> extras() const override {
    return inner_->extras();
  }

 private:
  CheckpointPtr inner_;
  std::vector<TensorInfo> tensors_;
  std::vector<size_t> indices_;
};

void check_distinct(const Checkpoint& checkpoint,
                    const std::vector<std::string>& names) {
  std::map<std::string_view, size_t> seen;
  for (size_t i = 0; i < names.size(); ++i) {
    if (names[i].empty()) continue;
    const auto [earlier, fresh] = seen.emplace(names[i], i);
    if (fresh) continue;
    throw Error(printable(checkpoint.path().string()) + ": " +
                quote(checkpoint.tensors()[earlier->second].name) + " and " +
                quote(checkpoint.tensors()[i].name) + " are both " +
                quote(names[i]) + " without the prefixes of wrappers");
  }
}

}  // namespace

std::vector<std::string> strip_prefixes(std::span<const TensorInfo> tensors) {
  std::vector<std::string> names;
  names.reserve(tensors.size());
  for (const TensorInfo& tensor : tensors) {
    names.push_back(tensor.name);
    remove_segments(names.back());
  }
  // Wrappers nest: an average of a model under DDP has it twice.
  while (remove_module(names)) {
  }
  return names;
}

CheckpointPtr without_prefixes(CheckpointPtr checkpoint) {
  const std::vector<std::string> names = strip_prefixes(checkpoint->tensors());
  bool same = true;
  for (size_t i = 0; i < names.size() && same; ++i) {
    same = names[i] == checkpoint->tensors()[i].name;
  }
  if (same) return checkpoint;
  check_distinct(*checkpoint, names);
  log::debug(printable(checkpoint->path().string()) +
             ": removed the prefixes of wrappers (DDP, FSDP, torch.compile) "
             "from names");
  return std::make_unique<RenamedCheckpoint>(std::move(checkpoint), names);
}

}  // namespace soup
