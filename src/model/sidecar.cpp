#include "model/sidecar.h"

#include <cmath>

#include "core/file.h"
#include "core/json.h"
#include "soup/error.h"

namespace soup {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

constexpr size_t kMaxConfig = 4 << 20;
constexpr const char* kName = "config.json";

// The content of the first of `names` in `folder`, or null.
ordered_json read_first(const fs::path& folder,
                        std::initializer_list<const char*> names) {
  for (const char* name : names) {
    const fs::path path = folder / name;
    std::error_code error;
    if (!fs::is_regular_file(path, error)) continue;
    ordered_json content = read_json(path, kMaxConfig);
    if (!content.is_object()) {
      throw Error(path.string() + ": expected a JSON object, found " +
                  content.type_name());
    }
    return content;
  }
  return nullptr;
}

const ordered_json* member(const ordered_json* object, const std::string& key) {
  if (object == nullptr || !object->is_object()) return nullptr;
  const auto found = object->find(key);
  return found == object->end() || found->is_null() ? nullptr : &*found;
}

}  // namespace

Sidecar read_sidecar(const Checkpoint& checkpoint) {
  const fs::path& path = checkpoint.path();
  std::error_code error;
  const fs::path folder =
      fs::is_directory(path, error) ? path : folder_of(path);
  Sidecar sidecar;
  sidecar.config = read_first(folder, {kName, "open_clip_config.json"});
  sidecar.preprocessor = read_first(folder, {"preprocessor_config.json"});
  const ordered_json* name = member(&sidecar.config, "architecture");
  if (name != nullptr && name->is_string()) {
    sidecar.architecture = name->get<std::string>();
  }
  return sidecar;
}

const ordered_json* find_argument(const ordered_json& config,
                                  const std::string& key) {
  const ordered_json* open_clip = member(&config, "model_cfg");
  for (const ordered_json* place :
       {member(&config, "model_args"), member(&config, "vision_config"),
        member(open_clip, "vision_cfg"), open_clip, &config}) {
    const ordered_json* found = member(place, key);
    if (found != nullptr) return found;
  }
  return nullptr;
}

std::optional<int64_t> integer_argument(const ordered_json& config,
                                        const std::string& key) {
  const ordered_json* value = find_argument(config, key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_number_integer() || value->get<double>() < 1 ||
      value->get<double>() > 1e9) {
    throw Error(std::string(kName) + ": '" + key +
                "' is no whole number above 0");
  }
  return value->get<int64_t>();
}

std::optional<double> positive_argument(
    const ordered_json& config, std::initializer_list<const char*> keys) {
  for (const char* key : keys) {
    const ordered_json* value = find_argument(config, key);
    if (value == nullptr) continue;
    if (!value->is_number() || !std::isfinite(value->get<double>()) ||
        value->get<double>() <= 0) {
      throw Error(std::string(kName) + ": '" + key + "' is no number above 0");
    }
    return value->get<double>();
  }
  return std::nullopt;
}

}  // namespace soup
