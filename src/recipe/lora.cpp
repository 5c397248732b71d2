#include <utility>

#include "core/text.h"
#include "recipe/adapter.h"
#include "recipe/kernels.h"
#include "recipe/piece.h"
#include "soup/error.h"
#include "soup/recipe.h"

namespace soup {
namespace fs = std::filesystem;
namespace {

/// A base model with an adapter in it: W + scale * B * A, summed in float64 and
/// rounded once to the base's dtype when it is read.
class MergedAdapter : public Checkpoint {
 public:
  MergedAdapter(CheckpointPtr base, const fs::path& folder)
      : base_(std::move(base)),
        adapter_(folder),
        path_(folder),
        tensors_(base_->tensors().begin(), base_->tensors().end()),
        metadata_(base_->metadata()) {
    // What the base's metadata says of its own making is true no more.
    metadata_.erase("soup.recipe");
    for (const FactorPair& pair : adapter_.pairs()) {
      const size_t target = find_target(pair.module + ".weight");
      check_shape(target, pair);
      changed_[target] = &pair;
    }
    for (const auto& [name, index] : adapter_.replaced()) replace(name, index);
  }

  const fs::path& path() const override { return path_; }
  std::string_view format() const override { return base_->format(); }
  std::span<const TensorInfo> tensors() const override { return tensors_; }
  const std::map<std::string, std::string>& metadata() const override {
    return metadata_;
  }

  TensorData read(size_t index) const override {
    const size_t target = stored(index);
    const auto replaced = replaced_.find(target);
    if (replaced != replaced_.end()) {
      return adapter_.file().read(replaced->second);
    }
    const auto changed = changed_.find(target);
    if (changed == changed_.end()) return base_->read(target);
    return merge(tensors_[target], base_->read(target),
                 adapter_.change(*changed->second));
  }

 private:
  size_t stored(size_t index) const {
    const int64_t tied = tensors_[index].tied_to;
    return tied >= 0 ? static_cast<size_t>(tied) : index;
  }

  // The base may have been saved with or without its outermost module.
  size_t find_target(const std::string& name) const {
    if (const auto exact = base_->find(name)) return stored(*exact);
    std::vector<size_t> near;
    for (size_t i = 0; i < tensors_.size(); ++i) {
      const std::string& known = tensors_[i].name;
      if (known.ends_with("." + name) || name.ends_with("." + known)) {
        near.push_back(i);
      }
    }
    if (near.size() == 1) return stored(near.front());
    throw Error(path_.string() + ": changes '" + printable(name) + "', which " +
                base_->path().string() + " does not have");
  }

  void check_shape(size_t target, const FactorPair& pair) const {
    const TensorInfo& weight = tensors_[target];
    const auto [rows, columns] = adapter_.shape(pair);
    const bool fits = !weight.shape.empty() && weight.shape[0] == rows &&
                      weight.numel() == rows * columns;
    if (!fits || !is_float(weight.dtype)) {
      throw Error(path_.string() + ": its factors for " + quoted(weight) +
                  " make " + shape_text({rows, columns}) + ", but " +
                  base_->path().string() + " has " + shape_text(weight.shape) +
                  " " + std::string(name(weight.dtype)));
    }
  }

  void replace(const std::string& name, size_t index) {
    const size_t target = find_target(name);
    const TensorInfo& with = adapter_.file().tensors()[index];
    if (with.shape != tensors_[target].shape) {
      throw Error(path_.string() + ": replaces " + quoted(tensors_[target]) +
                  ", which is " + shape_text(tensors_[target].shape) + ", by " +
                  shape_text(with.shape));
    }
    tensors_[target].dtype = with.dtype;
    replaced_[target] = index;
  }

  static TensorData merge(const TensorInfo& weight, const TensorData& base,
                          const LowRank& change) {
    const auto format = static_cast<size_t>(float_format(weight.dtype));
    const auto f64 = static_cast<size_t>(FloatFormat::kF64);
    const Kernels& k = kernels();
    const auto columns = static_cast<size_t>(change.columns);
    const size_t row_bytes = columns * item_bytes(weight.dtype);
    std::vector<std::byte> out(base.bytes().size());
    std::vector<double> row(columns);
    for (int64_t i = 0; i < change.rows; ++i) {
      const size_t offset = static_cast<size_t>(i) * row_bytes;
      k.accumulate[format](base.bytes().data() + offset, columns, 1, true,
                           row.data());
      for (int64_t r = 0; r < change.rank; ++r) {
        const double factor =
            change.left[static_cast<size_t>(i * change.rank + r)];
        const double* right =
            change.right.data() + static_cast<size_t>(r) * columns;
        k.accumulate[f64](reinterpret_cast<const std::byte*>(right), columns,
                          factor, false, row.data());
      }
      k.narrow[format](row.data(), columns, out.data() + offset);
    }
    return TensorData(std::move(out));
  }

  CheckpointPtr base_;
  Adapter adapter_;
  fs::path path_;
  std::vector<TensorInfo> tensors_;
  std::map<std::string, std::string> metadata_;
  std::map<size_t, const FactorPair*> changed_;
  std::map<size_t, size_t> replaced_;
};

}  // namespace

CheckpointPtr merge_adapter(CheckpointPtr base, const fs::path& folder) {
  return std::make_unique<MergedAdapter>(std::move(base), folder);
}

}  // namespace soup
