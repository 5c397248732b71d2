#include "core/pattern.h"

#include <re2/re2.h>

#include "core/text.h"
#include "soup/error.h"

namespace soup {
namespace {

constexpr size_t kMaxLength = 10'000;  // bytes, of what people write by hand

re2::RE2::Options options() {
  re2::RE2::Options options;
  options.set_log_errors(false);  // they are thrown
  options.set_never_capture(true);
  options.set_encoding(re2::RE2::Options::EncodingLatin1);  // any bytes
  return options;
}

}  // namespace

Pattern::Pattern(const std::string& what, const std::string& text) {
  if (text.size() > kMaxLength) {
    throw UsageError(what + ": a regular expression of " +
                     std::to_string(text.size()) + " bytes is too long, " +
                     std::to_string(kMaxLength) + " are the limit");
  }
  compiled_ = std::make_shared<re2::RE2>(text, options());
  if (!compiled_->ok()) {
    throw UsageError(
        what + " '" + printable(text) +
        "' is not a regular expression: " + printable(compiled_->error()));
  }
}

bool Pattern::found_in(std::string_view text) const {
  return re2::RE2::PartialMatch({text.data(), text.size()}, *compiled_);
}

}  // namespace soup
