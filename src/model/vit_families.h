#pragma once

#include <memory>

#include "model/sidecar.h"
#include "soup/model.h"

/// Families of files whose network is a Vision Transformer: what their tensors
/// are called, and what their code does by default.
namespace soup {

/// timm's vision_transformer.py and deit.py.
bool looks_like_vit(const Checkpoint&);
std::unique_ptr<Model> make_vit(const Checkpoint&, const Sidecar&,
                                const at::Device&);

/// ViTForImageClassification and DeiTForImageClassification, with or without
/// teacher, of Hugging Face's transformers.
bool looks_like_hf_vit(const Checkpoint&);
std::unique_ptr<Model> make_hf_vit(const Checkpoint&, const Sidecar&,
                                   const at::Device&);

/// Image towers of OpenAI's and open_clip's CLIP, with a linear head on
/// features of length 1, as in the paper.
bool looks_like_clip(const Checkpoint&);
std::unique_ptr<Model> make_clip(const Checkpoint&, const Sidecar&,
                                 const at::Device&);

/// The same of Hugging Face's transformers, or its CLIPForImageClassification.
bool looks_like_hf_clip(const Checkpoint&);
std::unique_ptr<Model> make_hf_clip(const Checkpoint&, const Sidecar&,
                                    const at::Device&);

}  // namespace soup
