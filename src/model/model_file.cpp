#include "model/model_file.h"

#include <ATen/ATen.h>

#include <array>
#include <functional>
#include <set>

#include "core/file.h"
#include "core/hash.h"
#include "soup/error.h"

namespace soup {
namespace {

namespace fs = std::filesystem;

/// A row of the table of such files.
struct FileKind {
  std::string_view extension;
  std::unique_ptr<Model> (*make)(const fs::path&, const Checkpoint&,
                                 const at::Device&);
};

constexpr std::array kFileKinds = {
    FileKind{".pt2", make_exported},         FileKind{".ts", make_scripted},
    FileKind{".torchscript", make_scripted}, FileKind{".pt", make_scripted},
    FileKind{".pth", make_scripted},
};

}  // namespace

std::unique_ptr<Model> make_model_of_file(const std::string& name,
                                          const Checkpoint& like,
                                          const at::Device& device) {
  const fs::path file(name);
  for (const FileKind& kind : kFileKinds) {
    if (file.extension() != kind.extension) continue;
    if (!fs::is_regular_file(file)) {
      throw Error("--model " + name + ": no such file");
    }
    return kind.make(file, like, device);
  }
  return nullptr;
}

Slot same_slot(const std::string& name, const std::vector<int64_t>& shape) {
  return {
      .name = name, .shape = shape, .sources = {name}, .source_shape = shape};
}

void check_float32(const fs::path& file) {
  if (at::get_default_dtype_as_scalartype() == at::kFloat) return;
  throw Error(file.string() +
              ": computes as it was exported; --precision is for the models "
              "that soup knows itself");
}

Unused one_of(const std::vector<std::string>& names) {
  return
      [known = std::set<std::string, std::less<>>(names.begin(), names.end())](
          std::string_view name) { return known.contains(name); };
}

std::string file_identity(std::string_view kind, const fs::path& file) {
  return std::string(kind) + " " + hex(xxh3_128(MappedFile(file).bytes()));
}

}  // namespace soup
