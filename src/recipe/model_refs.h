#pragma once

#include <filesystem>
#include <set>
#include <span>
#include <string>

/// Where the models are that recipes name. Nothing is downloaded.
namespace soup {

/// The folder of Hugging Face's cache: $HF_HUB_CACHE, $HF_HOME/hub, or
/// ~/.cache/huggingface/hub.
std::filesystem::path hub_cache();

/// What `name` means in a recipe in `folder`: a file or folder, or an id of
/// the cache at `revision` (empty: main). Relative to the current folder where
/// it lies below.
/// Throws Error that says how to fetch what is not there.
std::filesystem::path find_model(const std::string& name,
                                 const std::string& revision,
                                 const std::filesystem::path& folder);

/// Throws Error, naming all that are concerned, unless `paths` and the files in
/// them, links followed, lie in one of `allowed` or in the cache.
void check_allowed(const std::set<std::filesystem::path>& paths,
                   std::span<const std::filesystem::path> allowed);

}  // namespace soup
