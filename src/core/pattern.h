#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace re2 {
class RE2;
}

namespace soup {

/// A regular expression in RE2's syntax (Perl's without look-around and back
/// references), searched in time linear in the text and on a bounded stack:
/// recipes and names of tensors come from anywhere. Safe to share between
/// threads.
class Pattern {
 public:
  /// `what` names the option or key in messages.
  /// Throws UsageError when `text` is no regular expression or needs more than
  /// a few MB.
  Pattern(const std::string& what, const std::string& text);

  /// True when some part of `text` matches.
  bool found_in(std::string_view text) const;

 private:
  std::shared_ptr<const re2::RE2> compiled_;
};

}  // namespace soup
