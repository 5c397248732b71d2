#pragma once

#include <string>
#include <vector>

#include "cli/output.h"
#include "core/short_names.h"
#include "soup/search.h"

namespace soup {

/// Prints the steps of a search as it takes them.
class Steps {
 public:
  /// `names`: of the candidates. `counts`: scores are shares of examples.
  Steps(const Output& output, ShortNames names, bool counts);

  /// Has `options` call this object, which must outlive the search.
  void watch(SearchOptions& options);
  /// After a search in several orders: their mean and standard deviation.
  void summarize() const;

 private:
  void print(const std::filesystem::path& path, const Score& score) const;
  void print(const Candidate& candidate);
  void print(const OrderResult& order);
  void print(const LearnedEpoch& epoch);
  std::string what(const Candidate& candidate) const;
  std::vector<std::string> cells(const Candidate& candidate) const;
  std::string text(double score) const;

  const Output& output_;
  ShortNames names_;
  bool counts_;
  std::vector<Column> columns_;
  bool begun_ = false;
  std::vector<double> orders_;  ///< scores
};

/// A table of what each ingredient is worth, where that is known of all.
void print_contributions(const Output& output, const SearchResult& result,
                         const ShortNames& names);

}  // namespace soup
