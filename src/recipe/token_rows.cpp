#include <algorithm>
#include <cstring>
#include <set>

#include "core/log.h"
#include "core/text.h"
#include "recipe/kernels.h"
#include "recipe/merge_models.h"
#include "recipe/piece.h"
#include "recipe/promote.h"
#include "recipe/ties.h"
#include "recipe/vocabulary.h"
#include "soup/error.h"

// The models of a merge with the rows of its joint vocabulary.

namespace soup {
namespace {

// What all models of a merge share.
struct Joint {
  JointVocabulary vocabulary;
  std::vector<CheckpointPtr> files;
  std::vector<MergeModel> models;
};

// A tensor with a row per token, in one of the models.
struct Table {
  size_t model = 0;
  size_t tensor = 0;
  const TensorInfo* info = nullptr;
  TensorData data;
  size_t row_bytes = 0;

  Table(const Joint& joint, size_t k, size_t index)
      : model(k),
        tensor(index),
        info(&joint.files[k]->tensors()[index]),
        data(joint.files[k]->read(index)),
        row_bytes(data.bytes().size() /
                  static_cast<size_t>(std::max<int64_t>(info->shape[0], 1))) {}

  // Row `row` in float64, times `weight`, to `out`; added unless `first`.
  void read(int64_t row, double weight, bool first,
            std::vector<double>& out) const {
    const auto format = static_cast<size_t>(float_format(info->dtype));
    kernels().accumulate[format](
        data.bytes().data() + static_cast<size_t>(row) * row_bytes, out.size(),
        weight, first, out.data());
  }
};

/// One model: its tables have the rows of the joint vocabulary, made when they
/// are read.
class RemappedModel : public Checkpoint {
 public:
  RemappedModel(std::shared_ptr<const Joint> joint, size_t model,
                std::vector<TensorInfo> tensors, std::set<size_t> tables)
      : joint_(std::move(joint)),
        model_(model),
        tensors_(std::move(tensors)),
        tables_(std::move(tables)) {}

  const std::filesystem::path& path() const override { return file().path(); }
  std::string_view format() const override { return file().format(); }
  std::span<const TensorInfo> tensors() const override { return tensors_; }
  const std::map<std::string, std::string>& metadata() const override {
    return file().metadata();
  }
  std::string companion(const std::string& name) const override {
    return file().companion(name);
  }

  TensorData read(size_t index) const override {
    const size_t stored = root_of(tensors_, index);
    if (!tables_.contains(stored)) return file().read(index);
    return make(tensors_[stored]);
  }
  int64_t read_memory(size_t index) const override {
    const size_t stored = root_of(tensors_, index);
    return tables_.contains(stored) ? tensors_[stored].bytes()
                                    : file().read_memory(index);
  }

 private:
  const Checkpoint& file() const { return *joint_->files[model_]; }

  TensorData make(const TensorInfo& out) const {
    std::vector<std::unique_ptr<Table>> tables;  // null: the model has none
    for (size_t k = 0; k < joint_->files.size(); ++k) {
      const auto found = joint_->models[k].find(out);
      tables.push_back(found ? std::make_unique<Table>(*joint_, k, *found)
                             : nullptr);
    }
    const JointVocabulary& vocabulary = joint_->vocabulary;
    const auto format = static_cast<size_t>(float_format(out.dtype));
    const auto width = static_cast<size_t>(out.numel() / out.shape[0]);
    const size_t row_bytes = width * item_bytes(out.dtype);
    std::vector<std::byte> values(static_cast<size_t>(out.bytes()));
    std::vector<double> row(width);
    std::vector<double> sum(width, 0.0);
    for (int64_t id = 0; id < vocabulary.rows(); ++id) {
      if (id == vocabulary.tokens) {
        for (double& x : sum) x /= static_cast<double>(vocabulary.tokens);
      }
      if (vocabulary.others[static_cast<size_t>(id)].kind ==
          TokenRow::Kind::kRest) {
        row = sum;
      } else {
        read_row(tables, static_cast<size_t>(id), row);
      }
      std::byte* at = values.data() + static_cast<size_t>(id) * row_bytes;
      kernels().narrow[format](row.data(), width, at);
      if (id >= vocabulary.tokens) continue;
      for (size_t i = 0; i < width; ++i) sum[i] += row[i];
    }
    return TensorData(std::move(values));
  }

  void read_row(const std::vector<std::unique_ptr<Table>>& tables, size_t id,
                std::vector<double>& row) const {
    const JointVocabulary& vocabulary = joint_->vocabulary;
    const TokenRow& other = vocabulary.others[id];
    const int64_t own = vocabulary.own[model_][id];
    if (own >= 0 && !other.force) {
      tables[model_]->read(own, 1, true, row);
      return;
    }
    std::fill(row.begin(), row.end(), 0.0);
    if (other.kind == TokenRow::Kind::kRow) {
      if (tables[other.model] == nullptr) {
        throw Error(printable(file().path().string()) +
                    ": lacks tokens whose rows " +
                    joint_->models[other.model].name() + " does not have");
      }
      tables[other.model]->read(other.row, 1, true, row);
    } else if (other.kind == TokenRow::Kind::kMean) {
      std::vector<std::pair<size_t, int64_t>> owners;
      for (size_t k = 0; k < tables.size(); ++k) {
        const int64_t found = vocabulary.own[k][id];
        if (tables[k] != nullptr && found >= 0) owners.emplace_back(k, found);
      }
      for (const auto& [k, found] : owners) {
        tables[k]->read(found, 1, false, row);
      }
      for (double& x : row) x /= static_cast<double>(owners.size());
    }
  }

  std::shared_ptr<const Joint> joint_;
  size_t model_;
  std::vector<TensorInfo> tensors_;
  std::set<size_t> tables_;
};

// Tensors of a model with a row per token.
std::set<size_t> find_tables(const MergeModel& model) {
  const auto embedding = model.embedding();
  const std::span<const TensorInfo> tensors = model.file().tensors();
  if (!embedding || !MergeModel::has_row_per_token(tensors[*embedding].name)) {
    throw Error(model.name() +
                ": none of its tensors is known as an embedding by its name, "
                "so its vocabulary cannot be changed");
  }
  const TensorInfo& known = tensors[*embedding];
  std::set<size_t> tables;
  for (size_t i = 0; i < tensors.size(); ++i) {
    const TensorInfo& tensor = tensors[i];
    if (tensor.tied_to >= 0) {
      if (tables.contains(static_cast<size_t>(tensor.tied_to))) {
        tables.insert(i);
      }
      continue;
    }
    if (tensor.shape.empty() || tensor.shape[0] != known.shape[0] ||
        model.layers().locate(tensor.name)) {
      continue;
    }
    if (MergeModel::has_row_per_token(tensor.name)) {
      if (!is_float(tensor.dtype)) {
        throw Error(model.name() + ": " + quoted(tensor) + " is " +
                    std::string(name(tensor.dtype)) +
                    ", so it has no rows of numbers");
      }
      tables.insert(i);
    } else if (tensor.shape == known.shape &&
               tensor.shape[0] != tensor.shape[1] &&
               tensor.name.find("pos") == std::string::npos &&
               tensor.name.find("wpe") == std::string::npos) {
      throw Error(model.name() + ": " + quoted(tensor) +
                  " is of the shape of the embedding: whether it has a row "
                  "per token is not known, so the vocabulary cannot be "
                  "changed");
    }
  }
  return tables;
}

// The type that holds the rows of all models.
DType common_type(const Joint& joint, const TensorInfo& like) {
  DType common = like.dtype;
  for (const MergeModel& model : joint.models) {
    const auto found = model.find(like);
    if (!found) continue;
    const TensorInfo& other = model.file().tensors()[*found];
    if (other.shape.size() != like.shape.size() ||
        !std::equal(like.shape.begin() + 1, like.shape.end(),
                    other.shape.begin() + 1)) {
      throw Error(model.name() + ": " + quoted(other) + " has the shape " +
                  shape_text(other.shape) + ", another model's " +
                  shape_text(like.shape));
    }
    const TensorInfo& embedding = model.file().tensors()[*model.embedding()];
    if (other.shape[0] != embedding.shape[0]) {
      throw Error(model.name() + ": " + quoted(other) + " has " +
                  std::to_string(other.shape[0]) + " rows, but " +
                  quoted(embedding) + " " + std::to_string(embedding.shape[0]) +
                  ": which row is which token is not known");
    }
    common = promote(common, other.dtype).value_or(common);
  }
  return common;
}

// Every row must be there before anything is made of it.
void check_rows(const Joint& joint) {
  const JointVocabulary& vocabulary = joint.vocabulary;
  std::vector<int64_t> highest(joint.models.size(), -1);
  for (size_t k = 0; k < joint.models.size(); ++k) {
    highest[k] =
        *std::max_element(vocabulary.own[k].begin(), vocabulary.own[k].end());
  }
  for (const TokenRow& row : vocabulary.others) {
    if (row.kind != TokenRow::Kind::kRow) continue;
    highest[row.model] = std::max(highest[row.model], row.row);
  }
  for (size_t k = 0; k < joint.models.size(); ++k) {
    const MergeModel& model = joint.models[k];
    const TensorInfo& tensor = model.file().tensors()[*model.embedding()];
    if (highest[k] < tensor.shape[0]) continue;
    throw Error(model.name() + ": " + quoted(tensor) + " has " +
                std::to_string(tensor.shape[0]) + " rows, row " +
                std::to_string(highest[k]) + " is wanted");
  }
}

}  // namespace

void use_joint_vocabulary(const Recipe& recipe,
                          std::vector<CheckpointPtr>& models) {
  std::vector<const Checkpoint*> files;
  for (const CheckpointPtr& model : models) files.push_back(model.get());
  auto vocabulary = joint_vocabulary(recipe, files);
  if (!vocabulary) return;
  for (const std::string& notice : vocabulary->notices) log::warn(notice);
  if (!vocabulary->changes_rows) return;
  const auto joint = std::make_shared<Joint>();
  joint->vocabulary = std::move(*vocabulary);
  joint->files = std::move(models);
  for (size_t k = 0; k < joint->files.size(); ++k) {
    joint->models.emplace_back(recipe.ingredients[k], *joint->files[k]);
  }
  models.clear();
  std::vector<std::set<size_t>> tables;
  for (const MergeModel& model : joint->models) {
    tables.push_back(find_tables(model));
  }
  check_rows(*joint);
  for (size_t k = 0; k < joint->files.size(); ++k) {
    const auto infos = joint->files[k]->tensors();
    std::vector<TensorInfo> tensors(infos.begin(), infos.end());
    for (size_t i : tables[k]) {
      tensors[i].dtype = common_type(*joint, infos[i]);
      tensors[i].shape[0] = joint->vocabulary.rows();
    }
    models.push_back(std::make_unique<RemappedModel>(
        joint, k, std::move(tensors), tables[k]));
  }
}

}  // namespace soup
