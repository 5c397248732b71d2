#include "recipe/joined_adapter.h"

#include <cmath>
#include <optional>
#include <utility>

#include "core/text.h"
#include "recipe/adapter.h"
#include "recipe/joined_config.h"
#include "recipe/kernels.h"
#include "recipe/piece.h"
#include "recipe/promote.h"
#include "soup/error.h"
#include "soup/recipe.h"

namespace soup {
namespace {

std::vector<std::byte> narrowed(const std::vector<double>& values,
                                DType dtype) {
  std::vector<std::byte> out(values.size() * item_bytes(dtype));
  kernels().narrow[static_cast<size_t>(float_format(dtype))](
      values.data(), values.size(), out.data());
  return out;
}

/// One adapter whose change is the mean of the changes of several. For every
/// module the rows of A lie one below the other and the columns of B side by
/// side: [B1 B2] * [A1; A2] = B1 * A1 + B2 * A2, so the rank adds up. The
/// largest share w s / sum w becomes the scale of the module, and only factors
/// B of smaller shares are multiplied, so that nothing at all is rounded where
/// the shares are equal.
class JoinedAdapter : public Checkpoint {
 public:
  JoinedAdapter(std::span<const AdapterShare> shares, const std::string& dtype)
      : mean_(open_adapters(shares)), path_(shares.front().path) {
    for (size_t k = 0; k < mean_.adapters.size(); ++k) add_pairs(k);
    const std::optional<DType> forced = forced_dtype(dtype);
    std::vector<ModuleScale> scales;
    for (auto& [name, module] : modules_) {
      finish(name, module);
      scales.push_back({name, module.rank, module.alpha});
      add_tensors(module, forced);
    }
    if (scales.empty()) {
      throw Error(printable(path_.string()) + ": holds no factors");
    }
    add_whole(forced);
    // Names that are no UTF-8 are refused by who writes the tensors.
    using nlohmann::ordered_json;
    config_ = joined_config(mean_, scales)
                  .dump(2, ' ', false, ordered_json::error_handler_t::replace) +
              "\n";
  }

  const std::filesystem::path& path() const override { return path_; }
  std::string_view format() const override { return "safetensors"; }
  std::span<const TensorInfo> tensors() const override { return tensors_; }
  const std::map<std::string, std::string>& metadata() const override {
    return metadata_;
  }
  const std::string& config() const { return config_; }

  TensorData read(size_t index) const override {
    const Origin& origin = origins_[index];
    const DType dtype = tensors_[index].dtype;
    if (origin.module == nullptr) {
      return TensorData(narrowed(mean_of(tensors_[index]), dtype));
    }
    return TensorData(narrowed(
        origin.is_b ? joined_b(*origin.module) : joined_a(*origin.module),
        dtype));
  }
  // Values in float64, those of one part beside them, and the result.
  int64_t read_memory(size_t index) const override {
    const TensorInfo& tensor = tensors_[index];
    return tensor.bytes() +
           2 * tensor.numel() * static_cast<int64_t>(sizeof(double));
  }

 private:
  // A module's factors in one of the adapters.
  struct Part {
    size_t adapter = 0;
    const FactorPair* pair = nullptr;
    double times = 1;  // its share over the module's largest
  };
  struct Module {
    std::vector<Part> parts;
    int64_t rank = 0;
    double alpha = 0;
  };
  struct Origin {
    const Module* module = nullptr;  // null: a whole tensor
    bool is_b = false;
  };

  const Adapter& adapter_of(const Part& part) const {
    return mean_.adapters[part.adapter];
  }
  const TensorInfo& factor(const Part& part, bool is_b) const {
    return adapter_of(part).file().tensors()[is_b ? part.pair->b
                                                  : part.pair->a];
  }

  void add_pairs(size_t k) {
    const Adapter& first = mean_.adapters.front();
    if (mean_.adapters[k].config().is_set("fan_in_fan_out") !=
        first.config().is_set("fan_in_fan_out")) {
      throw Error(printable(mean_.adapters[k].folder().string()) +
                  ": its fan_in_fan_out is not that of " +
                  printable(first.folder().string()));
    }
    for (const FactorPair& pair : mean_.adapters[k].pairs()) {
      modules_[pair.module].parts.push_back({k, &pair, 1});
    }
  }

  void finish(const std::string& name, Module& module) const {
    const Part* largest = &module.parts.front();
    for (const Part& part : module.parts) {
      check_fit(name, module.parts.front(), part);
      module.rank += adapter_of(part).rank(*part.pair);
      if (std::fabs(share(part)) > std::fabs(share(*largest))) largest = &part;
    }
    const double most = share(*largest);
    for (Part& part : module.parts) {
      if (most != 0) part.times = share(part) / most;
    }
    // The scale times the rank, divided once: 16 stays 16.
    const LoraScale& scale = largest->pair->scale;
    module.alpha = mean_.weights[largest->adapter] * scale.alpha *
                   static_cast<double>(module.rank) /
                   (mean_.total * scale.divisor);
  }

  double share(const Part& part) const {
    return mean_.share(part.adapter, *part.pair);
  }

  void check_fit(const std::string& name, const Part& first,
                 const Part& other) const {
    const auto shape = [&](const Part& part, bool is_b) {
      std::vector<int64_t> found = factor(part, is_b).shape;
      found[is_b ? 1 : 0] = 0;  // the rank is its own affair
      return found;
    };
    if (first.pair->embedding == other.pair->embedding &&
        shape(first, false) == shape(other, false) &&
        shape(first, true) == shape(other, true)) {
      return;
    }
    throw Error(printable(adapter_of(other).folder().string()) + ": '" +
                printable(name) + "' has factors " +
                shape_text(factor(other, false).shape) + " and " +
                shape_text(factor(other, true).shape) + ", but " +
                printable(adapter_of(first).folder().string()) + " has " +
                shape_text(factor(first, false).shape) + " and " +
                shape_text(factor(first, true).shape));
  }

  void add_tensors(const Module& module, std::optional<DType> forced) {
    for (const bool is_b : {false, true}) {
      TensorInfo tensor = factor(module.parts.front(), is_b);
      tensor.shape[is_b ? 1 : 0] = module.rank;
      for (const Part& part : module.parts) {
        tensor.dtype = common(tensor, factor(part, is_b), adapter_of(part));
      }
      add_tensor(std::move(tensor), {&module, is_b}, forced);
    }
  }

  // Biases and modules_to_save: whole tensors, of which all must have one.
  void add_whole(std::optional<DType> forced) {
    const Adapter& first = mean_.adapters.front();
    for (const Adapter& adapter : mean_.adapters) {
      check_has_whole(first, adapter);
      check_has_whole(adapter, first);
    }
    for (const auto& [name, index] : first.replaced()) {
      TensorInfo tensor = first.file().tensors()[index];
      for (const Adapter& adapter : mean_.adapters) {
        const TensorInfo& other =
            adapter.file().tensors()[adapter.replaced().at(name)];
        if (other.shape != tensor.shape) {
          throw Error(printable(adapter.folder().string()) + ": " +
                      quoted(other) + " is " + shape_text(other.shape) +
                      ", but " + printable(first.folder().string()) + " has " +
                      shape_text(tensor.shape));
        }
        tensor.dtype = common(tensor, other, adapter);
      }
      whole_[tensor.name] = name;
      add_tensor(std::move(tensor), {}, forced);
    }
  }

  static void check_has_whole(const Adapter& one, const Adapter& other) {
    for (const auto& [name, index] : one.replaced()) {
      if (other.replaced().contains(name)) continue;
      throw Error(printable(other.folder().string()) + ": has no '" +
                  printable(name) + "', which " +
                  printable(one.folder().string()) +
                  " replaces as a whole; such adapters can only be averaged "
                  "into their base: --base MODEL");
    }
  }

  static DType common(const TensorInfo& a, const TensorInfo& b,
                      const Adapter& adapter) {
    const std::optional<DType> both = promote(a.dtype, b.dtype);
    if (both && is_float(*both)) return *both;
    throw Error(printable(adapter.folder().string()) + ": " + quoted(b) +
                " is " + std::string(name(b.dtype)) + ", expected floats");
  }

  void add_tensor(TensorInfo tensor, Origin origin,
                  std::optional<DType> forced) {
    if (forced) tensor.dtype = *forced;
    tensor.tied_to = -1;
    tensors_.push_back(std::move(tensor));
    origins_.push_back(origin);
  }

  std::vector<double> joined_a(const Module& module) const {
    std::vector<double> rows;
    for (const Part& part : module.parts) {
      const std::vector<double> a = adapter_of(part).values(part.pair->a);
      rows.insert(rows.end(), a.begin(), a.end());
    }
    return rows;
  }

  std::vector<double> joined_b(const Module& module) const {
    const auto rank = static_cast<size_t>(module.rank);
    std::vector<double> out;
    size_t column = 0;
    for (const Part& part : module.parts) {
      const std::vector<double> b = adapter_of(part).values(part.pair->b);
      const auto r = static_cast<size_t>(adapter_of(part).rank(*part.pair));
      out.resize(b.size() / r * rank);
      for (size_t i = 0; i < b.size(); ++i) {
        out[i / r * rank + column + i % r] = part.times * b[i];
      }
      column += r;
    }
    return out;
  }

  std::vector<double> mean_of(const TensorInfo& tensor) const {
    const std::string& name = whole_.at(tensor.name);
    std::vector<double> sum(static_cast<size_t>(tensor.numel()));
    for (size_t k = 0; k < mean_.adapters.size(); ++k) {
      const Adapter& adapter = mean_.adapters[k];
      const auto values = adapter.values(adapter.replaced().at(name));
      for (size_t i = 0; i < sum.size(); ++i) {
        sum[i] += mean_.weights[k] * values[i];
      }
    }
    for (double& x : sum) x /= mean_.total;
    return sum;
  }

  AdapterMean mean_;
  std::filesystem::path path_;
  std::map<std::string, Module> modules_;
  std::map<std::string, std::string> whole_;  // tensor to replaced()'s name
  std::vector<TensorInfo> tensors_;
  std::vector<Origin> origins_;
  std::map<std::string, std::string> metadata_;
  std::string config_;
};

}  // namespace

CheckpointPtr join_adapters(std::span<const AdapterShare> shares,
                            const std::string& dtype) {
  return std::make_unique<JoinedAdapter>(shares, dtype);
}

std::string adapter_config(const Checkpoint& checkpoint) {
  const auto* joined = dynamic_cast<const JoinedAdapter*>(&checkpoint);
  return joined == nullptr ? std::string() : joined->config();
}

}  // namespace soup
