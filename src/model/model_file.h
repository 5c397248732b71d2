#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "model/layout.h"
#include "soup/model.h"

/// Models that are programs in a file, for any network: `--model FILE`. They
/// run what is in the file.
namespace soup {

/// Makes the model of a file by its extension: .pt2 of
/// scripts/export_model.py, or TorchScript (.ts, .torchscript, .pt, .pth).
/// nullptr: `name` is no such file's. Throws Error when the file is missing,
/// broken or not one for `like` and the device.
std::unique_ptr<Model> make_model_of_file(const std::string& name,
                                          const Checkpoint& like,
                                          const at::Device& device);

/// Those behind it.
std::unique_ptr<Model> make_exported(const std::filesystem::path& file,
                                     const Checkpoint& like,
                                     const at::Device& device);
std::unique_ptr<Model> make_scripted(const std::filesystem::path& file,
                                     const Checkpoint& like,
                                     const at::Device& device);

/// A slot for a tensor that is called and shaped the same in checkpoints.
Slot same_slot(const std::string& name, const std::vector<int64_t>& shape);

/// Throws Error when weights of another type are asked for: the program of a
/// file computes in its own.
void check_float32(const std::filesystem::path& file);

/// True for exactly these names.
Unused one_of(const std::vector<std::string>& names);

/// "module scripted, content hash ...": see Model::identity().
std::string file_identity(std::string_view kind,
                          const std::filesystem::path& file);

}  // namespace soup
