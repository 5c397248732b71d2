#include "checkpoint/names.h"

#include "core/text.h"

namespace soup {

std::string quote(std::string_view name) {
  constexpr size_t kLongest = 200;
  if (name.size() <= kLongest) return "'" + printable(name) + "'";
  return "'" + printable(name.substr(0, kLongest)) + "...'";
}

bool is_utf8(std::string_view text) {
  size_t i = 0;
  while (i < text.size()) {
    const auto lead = static_cast<unsigned char>(text[i]);
    const size_t size = lead < 0x80   ? 1
                        : lead < 0xc2 ? 0
                        : lead < 0xe0 ? 2
                        : lead < 0xf0 ? 3
                        : lead < 0xf5 ? 4
                                      : 0;
    if (size == 0 || size > text.size() - i) return false;
    for (size_t k = 1; k < size; ++k) {
      if ((static_cast<unsigned char>(text[i + k]) & 0xc0) != 0x80)
        return false;
    }
    if (size > 2) {
      const auto next = static_cast<unsigned char>(text[i + 1]);
      if ((lead == 0xe0 && next < 0xa0) || (lead == 0xed && next > 0x9f) ||
          (lead == 0xf0 && next < 0x90) || (lead == 0xf4 && next > 0x8f)) {
        return false;
      }
    }
    i += size;
  }
  return true;
}

}  // namespace soup
