#pragma once

#include <ATen/core/Tensor.h>

#include <exception>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "soup/checkpoint.h"

/// Models: a resident architecture whose weights are swapped.
namespace soup {

/// A ready input of a model that takes no pictures.
struct InputTensor {
  std::string name;
  std::vector<int64_t> shape;  ///< of one example
  /// Whole numbers from 0 to below this, int64 (token ids, masks); 0: float32.
  int64_t limit = 0;
};

/// What a model says of its input.
struct ModelInput {
  std::vector<InputTensor> tensors = {};  ///< in order; empty: pictures
  int64_t channels = 3;
  int64_t height = 224;
  int64_t width = 224;
  bool any_size = false;     ///< a data set may ask for another size
  bool usual_size = false;   ///< it is the usual one, as nothing says which
  std::vector<double> mean;  ///< empty: the model does not say
  std::vector<double> std;
  std::string resize;         ///< shorter or exact; empty: it does not say
  double crop_pct = 0;        ///< 0: the model does not say
  std::string interpolation;  ///< empty: the model does not say
  /// These are values published with the family; nothing beside the checkpoint
  /// says so.
  bool published_statistics = false;
  bool published_resize = false;
};

/// Of the values that one BatchNorm is given, by channel.
struct BatchMoments {
  std::string module;  ///< in a checkpoint: `module.running_mean`
  int64_t count = 0;   ///< values of a channel
  std::vector<double> mean;
  std::vector<double> squares;  ///< sum of squared differences from the mean
};

/// Makes `into` the moments of both sets of values. An empty one takes over
/// `more`.
void merge_moments(BatchMoments& into, const BatchMoments& more);

/// A resident tensor and the tensors of a checkpoint that it is made of.
struct Parameter {
  at::Tensor value;                  ///< float32
  std::vector<std::string> sources;  ///< stacked along the first dimension
  bool transposed = false;           ///< the (one) source is
};

/// One architecture on one device. forward() may be called from several
/// threads at once, load() may not.
class Model {
 public:
  virtual ~Model() = default;
  /// Name of its row in models().
  virtual std::string_view name() const = 0;
  /// What logits depend on besides weights and pictures, as text: equal texts,
  /// equal logits.
  virtual std::string identity() const = 0;
  virtual const ModelInput& input() const = 0;
  virtual int64_t classes() const = 0;
  virtual const at::Device& device() const = 0;
  /// Examples that one processor core works on at a time. It follows from the
  /// geometry alone: with n equal to it, the logits of an example depend on the
  /// example and the weights, bit for bit, on any number of threads.
  virtual int64_t unit() const = 0;
  /// The fewest examples that forward() computes: fewer are no less work.
  virtual int64_t least_batch() const { return 1; }
  /// Swaps in the weights of `checkpoint` (converted to float32 on the
  /// device). Throws Error naming the tensor that is missing, unknown, or has
  /// another shape or a type that is no float.
  virtual void load(const Checkpoint& checkpoint) = 0;
  /// Logits, float32 [n, classes], of normalised pictures, float32
  /// [n, channels, height, width] on the model's device, or of the n examples'
  /// input().tensors. Autograd can follow it where parameters() require
  /// gradients.
  virtual at::Tensor forward(at::TensorList inputs) const = 0;
  /// The resident weights: leaves, which need no gradient unless told so.
  /// Empty: autograd cannot follow this model.
  virtual std::vector<Parameter> parameters() const { return {}; }
  /// What every BatchNorm is given when each normalises with the moments of
  /// these very pictures, as in training. Empty: the model has none.
  /// Thread-safe as forward() is.
  virtual std::vector<BatchMoments> moments(
      const at::Tensor& /*pictures*/) const {
    return {};
  }
};

struct Sidecar;

/// A row of the table of models.
struct ModelKind {
  std::string_view name;
  std::string_view summary;
  /// True when names and shapes are those of this architecture.
  bool (*recognise)(const Checkpoint&);
  /// `sidecar`: what is known besides the weights.
  std::unique_ptr<Model> (*make)(const Checkpoint&, const Sidecar& sidecar,
                                 const at::Device&);
};

std::span<const ModelKind> models();

/// Builds the architecture of `like` without its weights. `name`: "auto", a row
/// of models(), a name of timm, torchvision or open_clip, or a file with a
/// program: .pt2 of scripts/export_model.py or TorchScript. Geometry comes
/// from shapes; what shapes cannot tell comes from that name, `config.json`
/// beside the checkpoint, else the field's default, which is announced.
/// `head`: file with the weights of a linear head (of zero-shot classification,
/// say) for a checkpoint that has none; empty: it has one.
/// Throws UsageError for an unknown name, Error when nothing fits.
std::unique_ptr<Model> make_model(const std::string& name,
                                  const Checkpoint& like, const at::Device&,
                                  const std::filesystem::path& head = {});

/// Copies values into a tensor of the same dtype on the CPU.
/// Throws Error for a dtype libtorch does not have.
at::Tensor to_tensor(const TensorInfo&, const TensorData&);

/// Parses `auto`, `cpu`, `cuda`, `cuda:N`; loads libtorch_cuda when a GPU is
/// asked for or may be there. Throws UsageError for another word, Error when
/// the GPU asked for is missing.
at::Device find_device(const std::string& name);

/// What a failure says to a user: `what()`, of libtorch's exceptions without
/// the backtrace.
std::string torch_message(const std::exception&);

/// The libtorch in use.
struct TorchInfo {
  std::string version;
  int64_t gpus = 0;  ///< that can be used
};
TorchInfo torch_info();

}  // namespace soup
