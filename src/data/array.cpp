#include "data/array.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "core/file.h"
#include "core/text.h"
#include "data/npz.h"
#include "soup/error.h"

namespace soup {
namespace {

namespace fs = std::filesystem;

// From Fortran order to C order.
void gather(const NpyHeader& header, std::span<const std::byte> from,
            std::span<std::byte> to) {
  const std::vector<int64_t>& shape = header.shape;
  std::vector<int64_t> index(shape.size());
  int64_t at = 0;  // of `index`, in Fortran order
  for (int64_t i = 0; i < header.count; ++i) {
    std::copy_n(from.begin() + at * header.width, header.width,
                to.begin() + i * header.width);
    int64_t stride = header.count;
    for (size_t d = shape.size(); d-- > 0;) {
      stride /= shape[d];
      at += stride;
      if (++index[d] < shape[d]) break;
      at -= stride * shape[d];
      index[d] = 0;
    }
  }
}

void swap_bytes(std::span<std::byte> values, int64_t width) {
  for (auto at = values.begin(); at != values.end(); at += width) {
    std::reverse(at, at + width);
  }
}

/// FILE.npz and NAME, which is empty where the path ends with the file.
std::pair<fs::path, std::string> split(const fs::path& path) {
  fs::path file;
  for (auto part = path.begin(); part != path.end(); ++part) {
    file /= *part;
    std::error_code error;
    if (part->extension() != ".npz" || fs::is_directory(file, error)) continue;
    fs::path name;
    while (++part != path.end()) name /= *part;
    return {file, name.generic_string()};
  }
  return {path, {}};
}

std::string choose(const Npz& file, std::span<const std::string_view> usual,
                   const std::string& where) {
  const std::vector<std::string>& names = file.names();
  for (const std::string_view name : usual) {
    const auto found = std::find(names.begin(), names.end(), name);
    if (found != names.end()) return *found;
  }
  if (names.size() == 1) return names.front();
  if (names.empty()) throw Error(where + ": holds no array");
  std::vector<std::string> wanted;
  for (const std::string_view name : usual) wanted.push_back(quote(name));
  throw Error(
      where + ": holds the arrays " + printable(join(names, ", ")) +
      (wanted.empty() ? "" : ", none of them called " + join(wanted, " or ")) +
      "; say which is meant, as in '" + where + "/" + printable(names.front()) +
      "'");
}

}  // namespace

Array parse_array(std::span<const std::byte> file, const std::string& where,
                  std::shared_ptr<const void> owner) {
  Array array{.header = parse_npy_header(file, where), .where = where};
  const NpyHeader& header = array.header;
  array.values = file.subspan(header.offset);
  array.owner = std::move(owner);
  const bool reorder = header.fortran && header.count > 0;
  if (!reorder && !header.big_endian) return array;
  const auto mended = std::make_shared<std::vector<std::byte>>(
      array.values.begin(), array.values.end());
  if (reorder) gather(header, array.values, *mended);
  if (header.big_endian) swap_bytes(*mended, header.width);
  array.values = *mended;
  array.owner = mended;
  return array;
}

Array read_array(const fs::path& path,
                 std::span<const std::string_view> usual) {
  const auto [file, name] = split(path);
  const auto mapped = std::make_shared<const MappedFile>(file);
  const std::string where = file.string();
  if (!is_zip(mapped->bytes())) {
    return parse_array(mapped->bytes(), where, mapped);
  }
  const Npz npz(mapped->bytes(), where, mapped);
  return npz.read(name.empty() ? choose(npz, usual, where) : name);
}

std::map<std::string, Array> read_arrays(const fs::path& file) {
  const auto mapped = std::make_shared<const MappedFile>(file);
  const Npz npz(mapped->bytes(), file.string(), mapped);
  std::map<std::string, Array> arrays;
  for (const std::string& name : npz.names()) arrays[name] = npz.read(name);
  return arrays;
}

fs::path array_file(const fs::path& path) { return split(path).first; }

}  // namespace soup
