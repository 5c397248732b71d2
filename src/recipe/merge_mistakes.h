#pragma once

#include <map>
#include <string>
#include <vector>

namespace soup {

/// What is wrong with a merge, with the lines of its recipe where they are
/// known. What many tensors have in common is said once.
class MergeMistakes {
 public:
  void add(int line, const std::string& what);
  /// Mistake `what` of tensor `name`.
  void add_tensor(const std::string& what, const std::string& name);
  /// Throws Error with everything that was found.
  void check() const;

 private:
  struct Repeated {
    std::string first;
    size_t count = 0;
  };
  std::vector<std::string> lines_;
  std::map<std::string, Repeated> repeated_;
};

}  // namespace soup
