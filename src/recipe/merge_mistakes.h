#pragma once

#include <map>
#include <string>
#include <utility>

namespace soup {

/// What is wrong with a merge, with the lines of its recipe where they are
/// known. What many tensors have in common is said once.
class MergeMistakes {
 public:
  /// `where`: the recipe's file.
  explicit MergeMistakes(std::string where) : where_(std::move(where)) {}
  /// `line` 0: no place is known.
  void add(int line, const std::string& what);
  /// Mistake `what` of tensor `name`.
  void add_tensor(int line, const std::string& what, const std::string& name);
  /// Throws Error with everything that was found, by line.
  void check() const;

 private:
  struct Tensors {
    std::string first;
    size_t count = 0;
  };
  std::string where_;
  std::map<std::pair<int, std::string>, Tensors> said_;
};

}  // namespace soup
