#include "data/npz.h"

#include <string_view>
#include <utility>

#include "core/text.h"
#include "data/inflate.h"
#include "soup/error.h"

namespace soup {
namespace {

constexpr std::string_view kExtension = ".npy";
constexpr uint16_t kStored = 0;
constexpr uint16_t kDeflated = 8;

}  // namespace

bool is_zip(std::span<const std::byte> file) {
  const std::string_view text(reinterpret_cast<const char*>(file.data()),
                              file.size());
  return text.starts_with("PK\3\4") || text.starts_with("PK\5\6");
}

Npz::Npz(std::span<const std::byte> file, std::string where,
         std::shared_ptr<const void> owner)
    : where_(std::move(where)),
      archive_(file, where_),
      owner_(std::move(owner)) {
  for (const ZipEntry& entry : archive_.entries()) {
    if (!entry.name.ends_with(kExtension)) continue;
    names_.emplace_back(
        entry.name.substr(0, entry.name.size() - kExtension.size()));
  }
}

Array Npz::read(const std::string& name) const {
  const ZipEntry* entry = archive_.find(name + std::string(kExtension));
  if (entry == nullptr) {
    throw Error(where_ + ": has no array " + quote(name) +
                (names_.empty() ? "" : ", only ") +
                printable(join(names_, ", ")));
  }
  const std::string where = where_ + ": array " + quote(name);
  if (entry->method == kStored) {
    const std::span<const std::byte> bytes = archive_.bytes(*entry);
    check_crc(bytes, entry->crc, where);
    return parse_array(bytes, where, owner_);
  }
  if (entry->method != kDeflated) {
    throw Error(where + ": is packed by method " +
                std::to_string(entry->method) +
                ", expected deflate; save it again with numpy.savez");
  }
  const auto unpacked = std::make_shared<const std::vector<std::byte>>(
      inflate(archive_.packed_bytes(*entry), entry->size, where));
  check_crc(*unpacked, entry->crc, where);
  return parse_array(*unpacked, where, unpacked);
}

}  // namespace soup
