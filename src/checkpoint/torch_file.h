#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "checkpoint/state_dict.h"

/// The two file formats of torch.save. No libtorch.
namespace soup {

/// The state dict of a zip archive (torch 1.6 and later).
TorchContents parse_torch_zip(std::span<const std::byte> file,
                              const OpenOptions&, const std::string& where);
/// The state dict of five pickles and raw storages (torch before 1.6, or
/// `_use_new_zipfile_serialization=False`).
TorchContents parse_torch_legacy(std::span<const std::byte> file,
                                 const OpenOptions&, const std::string& where);

}  // namespace soup
