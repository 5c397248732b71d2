#include "checkpoint/names.h"

#include "core/text.h"

namespace soup {

std::string quote(std::string_view name) {
  constexpr size_t kLongest = 200;
  if (name.size() <= kLongest) return "'" + printable(name) + "'";
  return "'" + printable(name.substr(0, kLongest)) + "...'";
}

}  // namespace soup
