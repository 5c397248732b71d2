#include "recipe/model_refs.h"

#include <algorithm>
#include <cstdlib>

#include "core/file.h"
#include "core/text.h"
#include "recipe/paths.h"
#include "soup/error.h"

namespace soup {
namespace fs = std::filesystem;
namespace {

constexpr size_t kMaxRef = 4096;

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

// `org/name` or `name`, of characters that ids may have.
bool is_id(const std::string& name) {
  if (name.empty() || name.front() == '.' || name.front() == '/' ||
      std::count(name.begin(), name.end(), '/') > 1 ||
      name.find("..") != std::string::npos || name.back() == '/') {
    return false;
  }
  return std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.' || c == '/';
  });
}

// `models--org--name` in the cache.
fs::path cached_repository(const std::string& id) {
  std::string folder = "models--";
  for (char c : id) folder += c == '/' ? std::string("--") : std::string(1, c);
  return hub_cache() / folder;
}

// The snapshot of `revision`, empty when it is not in the cache.
fs::path snapshot(const std::string& id, const std::string& revision) {
  const fs::path repository = cached_repository(id);
  std::string commit = revision.empty() ? "main" : revision;
  if (commit.find("..") != std::string::npos) return {};
  const fs::path ref = repository / "refs" / commit;
  if (fs::is_regular_file(ref)) {
    commit = read_text(ref, kMaxRef);
    while (!commit.empty() &&
           std::isspace(static_cast<unsigned char>(commit.back())) != 0) {
      commit.pop_back();
    }
    if (commit.find('/') != std::string::npos) return {};
  }
  fs::path found = repository / "snapshots" / commit;
  return !commit.empty() && fs::is_directory(found) ? found : fs::path();
}

bool is_below(const fs::path& path, const fs::path& folder) {
  const auto [end, rest] =
      std::mismatch(folder.begin(), folder.end(), path.begin(), path.end());
  return end == folder.end();
}

fs::path real(const fs::path& path) {
  std::error_code failed;
  const fs::path found = fs::weakly_canonical(fs::absolute(path), failed);
  return failed ? fs::absolute(path).lexically_normal() : found;
}

}  // namespace

fs::path hub_cache() {
  if (const std::string cache = variable("HF_HUB_CACHE"); !cache.empty()) {
    return cache;
  }
  if (const std::string home = variable("HF_HOME"); !home.empty()) {
    return fs::path(home) / "hub";
  }
  return fs::path(variable("HOME")) / ".cache" / "huggingface" / "hub";
}

fs::path find_model(const std::string& name, const std::string& revision,
                    const fs::path& folder) {
  fs::path local = from_recipe(name, folder);
  std::error_code error;
  if (revision.empty() && fs::exists(local, error)) return local;
  if (is_id(name)) {
    const fs::path cached = snapshot(name, revision);
    if (!cached.empty()) return cached;
    throw Error(
        "'" + printable(name) + (revision.empty() ? "" : "@") +
        printable(revision) + "' is neither " + printable(local.string()) +
        " nor in the cache " + hub_cache().string() +
        "; soup downloads nothing: fetch it with 'hf download " + name +
        (revision.empty() ? "" : " --revision " + printable(revision)) + "'");
  }
  throw Error(printable(local.string()) + ": no such file or folder");
}

void check_allowed(const std::set<fs::path>& paths,
                   std::span<const fs::path> allowed) {
  std::vector<fs::path> roots = {real(hub_cache())};
  for (const fs::path& folder : allowed) roots.push_back(real(folder));
  std::vector<std::string> mistakes;
  const auto is_allowed = [&](const fs::path& file) {
    const fs::path target = real(file);
    for (const fs::path& root : roots) {
      if (is_below(target, root)) return true;
    }
    const bool linked = target != fs::absolute(file).lexically_normal();
    std::error_code error;
    const fs::path folder =
        fs::is_directory(target, error) ? target : target.parent_path();
    mistakes.push_back(
        printable(file.string()) +
        (linked ? " is " + printable(target.string()) + ", which"
                : std::string(":")) +
        " lies outside of the recipe's folder; allow it with --allow-path " +
        printable(folder.string()));
    return false;
  };
  for (const fs::path& path : paths) {
    std::error_code error;
    if (!is_allowed(path) || !fs::is_directory(path, error)) continue;
    for (const fs::directory_entry& entry : fs::directory_iterator(path)) {
      if (entry.is_symlink()) is_allowed(entry.path());
    }
  }
  if (!mistakes.empty()) throw Error(join(mistakes, "\n  "));
}

}  // namespace soup
