#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "soup/checkpoint.h"

/// Do the ingredients fit together?
namespace soup {

/// `--exclude REGEX` for the module that tensor `name` belongs to.
std::string exclusion(const std::string& name);

/// Collects mistakes of one ingredient after another, so that a user sees all
/// of them at once.
class Mistakes {
 public:
  /// `first`: the ingredient the others are compared with.
  explicit Mistakes(const Checkpoint& first) : first_(first.path().string()) {}

  void missing(const std::string& name) { missing_.push_back(name); }
  void extra(const std::string& name) { extra_.push_back(name); }
  void shape(const TensorInfo& expected, const TensorInfo& found);
  void dtype(const TensorInfo& expected, const TensorInfo& found);
  /// Ends the list of `ingredient`.
  void finish(const Checkpoint& ingredient);

  /// Throws Error with everything that was found.
  void check() const;

 private:
  void differs(std::vector<std::string>& lines, const TensorInfo& tensor,
               const std::string& found, const std::string& expected);

  std::string first_;
  bool hinted_ = false;
  std::vector<std::string> missing_, extra_, shapes_, dtypes_;
  std::vector<std::string> lines_;
  size_t files_ = 0;
};

}  // namespace soup
