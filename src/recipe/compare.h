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
/// of them at once: one as a sentence, several as a table.
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
  struct Difference {
    std::string tensor;
    std::string found;
    std::string expected;
  };

  std::string sentence_of_names() const;
  std::string sentence_of(const Difference&) const;
  void add_names(const std::string& file, const std::vector<std::string>& names,
                 const std::string& what);
  void add_differences(const std::string& file,
                       const std::vector<Difference>& found, const char* what);

  std::string first_;
  std::vector<std::string> missing_, extra_;  ///< of this ingredient
  std::vector<Difference> shapes_, dtypes_;   ///< of this ingredient
  std::string sentence_;                      ///< of the first mistake
  std::string way_out_;                       ///< of the first difference
  size_t mistakes_ = 0;                       ///< sentences it would take
  std::vector<std::vector<std::string>> rows_;
  size_t files_ = 0;
};

}  // namespace soup
