#include <algorithm>
#include <optional>
#include <utility>

#include "core/text.h"
#include "recipe/adapter.h"
#include "recipe/kernels.h"
#include "recipe/piece.h"
#include "recipe/promote.h"
#include "recipe/ties.h"
#include "soup/error.h"
#include "soup/recipe.h"

namespace soup {
namespace fs = std::filesystem;
namespace {

/// A base model with the mean of adapters in it:
/// W + sum_k w_k s_k B_k A_k / sum_k w_k, summed in float64 and rounded once
/// when it is read.
class MergedAdapters : public Checkpoint {
 public:
  MergedAdapters(CheckpointPtr base, std::span<const AdapterShare> shares,
                 const std::string& dtype)
      : base_(std::move(base)),
        mean_(open_adapters(shares)),
        path_(shares.front().path),
        tensors_(base_->tensors().begin(), base_->tensors().end()),
        metadata_(base_->metadata()) {
    // What the base's metadata says of its own making is true no more.
    metadata_.erase("soup.recipe");
    for (size_t k = 0; k < mean_.adapters.size(); ++k) {
      const Adapter& adapter = mean_.adapters[k];
      for (const FactorPair& pair : adapter.pairs()) {
        const size_t target = find_target(adapter, pair.module + ".weight");
        check_shape(target, adapter, pair);
        changes_[target].pairs.push_back({k, &pair});
      }
      for (const auto& [name, index] : adapter.replaced()) {
        replace(k, name, index);
      }
    }
    for (auto& [target, change] : changes_) {
      set_dtype(tensors_[target], change, forced_dtype(dtype));
    }
    for (TensorInfo& tensor : tensors_) {
      if (tensor.tied_to < 0) continue;
      tensor.dtype = tensors_[static_cast<size_t>(tensor.tied_to)].dtype;
    }
  }

  const fs::path& path() const override { return path_; }
  std::string_view format() const override { return base_->format(); }
  std::span<const TensorInfo> tensors() const override { return tensors_; }
  const std::map<std::string, std::string>& metadata() const override {
    return metadata_;
  }
  std::string companion(const std::string& name) const override {
    return base_->companion(name);
  }

  TensorData read(size_t index) const override {
    const size_t target = root_of(tensors_, index);
    const auto found = changes_.find(target);
    if (found == changes_.end()) return base_->read(target);
    const Change& change = found->second;
    if (is_copy(target, change)) {
      return mean_.adapters.front().file().read(change.whole.front().index);
    }
    return merge(target, change);
  }
  int64_t read_memory(size_t index) const override {
    const size_t target = root_of(tensors_, index);
    const auto found = changes_.find(target);
    if (found == changes_.end()) return base_->read_memory(target);
    if (is_copy(target, found->second)) return 0;
    int64_t factors = 0;
    for (const Pair& p : found->second.pairs) {
      factors += mean_.adapters[p.adapter].change_memory(*p.pair);
    }
    return base_->read_memory(target) + tensors_[target].bytes() + factors;
  }

 private:
  struct Pair {
    size_t adapter = 0;
    const FactorPair* pair = nullptr;
  };
  struct Whole {
    size_t adapter = 0;
    size_t index = 0;  // tensor of the adapter's file
  };
  // What the adapters do to one tensor of the base.
  struct Change {
    std::vector<Pair> pairs;
    std::vector<Whole> whole;  // take its place
  };

  // The base may have been saved with or without its outermost module.
  size_t find_target(const Adapter& adapter, const std::string& name) const {
    if (const auto exact = base_->find(name)) return root_of(tensors_, *exact);
    std::vector<size_t> near;
    for (size_t i = 0; i < tensors_.size(); ++i) {
      const std::string& known = tensors_[i].name;
      if (known.ends_with("." + name) || name.ends_with("." + known)) {
        near.push_back(i);
      }
    }
    if (near.size() == 1) return root_of(tensors_, near.front());
    throw Error(adapter.folder().string() + ": changes '" + printable(name) +
                "', which " + base_->path().string() + " does not have");
  }

  void check_shape(size_t target, const Adapter& adapter,
                   const FactorPair& pair) const {
    const TensorInfo& weight = tensors_[target];
    const auto [rows, columns] = adapter.shape(pair);
    const bool fits = !weight.shape.empty() && weight.shape[0] == rows &&
                      weight.numel() == rows * columns;
    if (!fits || !is_float(weight.dtype)) {
      throw Error(adapter.folder().string() + ": its factors for " +
                  quoted(weight) + " make " + shape_text({rows, columns}) +
                  ", but " + base_->path().string() + " has " +
                  shape_text(weight.shape) + " " +
                  std::string(name(weight.dtype)));
    }
  }

  void replace(size_t k, const std::string& name, size_t index) {
    const Adapter& adapter = mean_.adapters[k];
    const size_t target = find_target(adapter, name);
    const TensorInfo& with = adapter.file().tensors()[index];
    if (with.shape != tensors_[target].shape) {
      throw Error(adapter.folder().string() + ": replaces " +
                  quoted(tensors_[target]) + ", which is " +
                  shape_text(tensors_[target].shape) + ", by " +
                  shape_text(with.shape));
    }
    if (mean_.adapters.size() > 1 &&
        !(is_float(with.dtype) && is_float(tensors_[target].dtype))) {
      throw Error(adapter.folder().string() + ": replaces " +
                  quoted(tensors_[target]) +
                  ", which has no average: it is no float");
    }
    changes_[target].whole.push_back({k, index});
  }

  const TensorInfo& info_of(const Whole& whole) const {
    return mean_.adapters[whole.adapter].file().tensors()[whole.index];
  }

  // The base's type, or that of what takes its place.
  void set_dtype(TensorInfo& tensor, const Change& change,
                 std::optional<DType> forced) const {
    if (change.whole.size() == mean_.adapters.size()) {
      tensor.dtype = info_of(change.whole.front()).dtype;
    }
    for (const Whole& whole : change.whole) {
      tensor.dtype = promote(tensor.dtype, info_of(whole).dtype)
                         .value_or(info_of(whole).dtype);
    }
    if (forced && is_float(tensor.dtype)) tensor.dtype = *forced;
  }

  // A whole tensor of the only adapter.
  bool is_copy(size_t target, const Change& change) const {
    return mean_.adapters.size() == 1 && !change.whole.empty() &&
           info_of(change.whole.front()).dtype == tensors_[target].dtype;
  }

  TensorData merge(size_t target, const Change& change) const {
    const TensorInfo& tensor = tensors_[target];
    std::vector<LowRank> products;
    for (const Pair& p : change.pairs) {
      products.push_back(mean_.adapters[p.adapter].change(
          *p.pair, mean_.share(p.adapter, *p.pair)));
    }
    const int64_t rows = tensor.shape.size() > 1 ? tensor.shape[0] : 1;
    if (tensor.numel() == 0) return TensorData(std::vector<std::byte>());
    const Replaced replaced(*this, target, change, tensor.numel() / rows);
    const auto columns = static_cast<size_t>(tensor.numel() / rows);
    const size_t row_bytes = columns * item_bytes(tensor.dtype);
    std::vector<std::byte> out(static_cast<size_t>(rows) * row_bytes);
    std::vector<double> row(columns);
    const auto narrow =
        kernels().narrow[static_cast<size_t>(float_format(tensor.dtype))];
    for (int64_t i = 0; i < rows; ++i) {
      replaced.row(i, row);
      for (const LowRank& product : products) add(product, i, row);
      narrow(row.data(), columns,
             out.data() + static_cast<size_t>(i) * row_bytes);
    }
    return TensorData(std::move(out));
  }

  /// The mean of the base's tensor and what takes its place in some adapters.
  class Replaced {
   public:
    Replaced(const MergedAdapters& merged, size_t target, const Change& change,
             int64_t columns)
        : columns_(static_cast<size_t>(columns)), total_(merged.mean_.total) {
      double rest = total_;
      for (const Whole& whole : change.whole) {
        const double weight = merged.mean_.weights[whole.adapter];
        rest -= weight;
        add(merged.mean_.adapters[whole.adapter].file(), whole.index, weight);
      }
      if (change.whole.size() == merged.mean_.adapters.size()) return;
      if (change.whole.empty()) rest = total_ = 1;
      add(*merged.base_, target, rest);
    }

    void row(int64_t i, std::vector<double>& out) const {
      for (size_t k = 0; k < parts_.size(); ++k) {
        const Part& part = parts_[k];
        const size_t bytes = columns_ * format_bytes(part.format);
        kernels().accumulate[static_cast<size_t>(part.format)](
            part.data.bytes().data() + static_cast<size_t>(i) * bytes, columns_,
            part.weight, k == 0, out.data());
      }
      kernels().divide(out.data(), columns_, total_);
    }

   private:
    struct Part {
      TensorData data;
      FloatFormat format;
      double weight;
    };
    void add(const Checkpoint& from, size_t index, double weight) {
      parts_.push_back({from.read(index),
                        float_format(from.tensors()[index].dtype), weight});
    }

    size_t columns_;
    double total_;
    std::vector<Part> parts_;
  };

  static void add(const LowRank& product, int64_t i, std::vector<double>& row) {
    const auto f64 = static_cast<size_t>(FloatFormat::kF64);
    for (int64_t r = 0; r < product.rank; ++r) {
      const double factor =
          product.left[static_cast<size_t>(i * product.rank + r)];
      const double* right =
          product.right.data() + static_cast<size_t>(r) * row.size();
      kernels().accumulate[f64](reinterpret_cast<const std::byte*>(right),
                                row.size(), factor, false, row.data());
    }
  }

  CheckpointPtr base_;
  AdapterMean mean_;
  fs::path path_;
  std::vector<TensorInfo> tensors_;
  std::map<std::string, std::string> metadata_;
  std::map<size_t, Change> changes_;
};

}  // namespace

CheckpointPtr merge_adapters(CheckpointPtr base,
                             std::span<const AdapterShare> shares,
                             const std::string& dtype) {
  return std::make_unique<MergedAdapters>(std::move(base), shares, dtype);
}

}  // namespace soup
