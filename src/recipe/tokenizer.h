#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <string_view>

namespace soup {

/// Tokens and their ids: rows of the embedding.
using TokenIds = std::map<std::string, int64_t>;

/// A tokenizer.json of the `tokenizers` library: model BPE, WordPiece,
/// WordLevel or Unigram.
class Tokenizer {
 public:
  /// Throws Error naming `where` for text that is no such file.
  Tokenizer(std::string_view text, const std::string& where);

  /// Ordinary and added tokens.
  const TokenIds& ids() const { return ids_; }
  /// Highest id + 1.
  int64_t size() const;

  /// Takes out the tokens with ids from `rows` on, which no embedding has.
  /// Returns whether there were any.
  bool strip(int64_t rows);
  /// Gives the tokens of `other` that are missing the next ids: the ordinary
  /// ones into the model's vocabulary (with their merges or scores), then the
  /// added ones. Throws Error with the reason where the ordinary tokens of both
  /// do not mean the same.
  void join(const Tokenizer& other);
  /// Gives `token` the next id, as an added token, unless there is one.
  void add(const std::string& token);

  /// Added tokens by id, as tokenizer.json describes them.
  const std::map<int64_t, nlohmann::json>& added() const { return added_; }
  /// The file's text. Throws Error where the model cannot number its tokens so.
  std::string text() const;

 private:
  void read_vocabulary();
  void read_added();
  bool is_added(const std::string& token) const;
  bool spells_bytes() const;
  void check_alike(const Tokenizer& other) const;
  void join_ordinary(const Tokenizer& other);
  void join_merges(const Tokenizer& other, const std::set<std::string>& taken);
  void list_scores(nlohmann::json& model) const;
  [[noreturn]] void fail(const std::string& what) const;

  std::string where_;
  nlohmann::json json_;  ///< without vocabulary and added tokens
  std::string kind_;     ///< BPE, ...
  TokenIds ids_;
  TokenIds ordinary_;                     ///< of the model
  std::map<std::string, double> scores_;  ///< of Unigram
  std::map<int64_t, nlohmann::json> added_;
};

}  // namespace soup
