#include "recipe/tokenizer.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "core/json.h"
#include "core/text.h"
#include "soup/error.h"

namespace soup {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

constexpr int64_t kMaxId = 1 << 30;
// Ids leave out no more than this.
constexpr int64_t kMaxGap = 1 << 20;
// Below the score of any token of a Unigram model: never chosen.
constexpr double kNever = 10;

int64_t id_of(const json& value) {
  if (!value.is_number_integer()) return -1;
  const auto id = value.get<int64_t>();
  return id < 0 || id > kMaxId ? -1 : id;
}

bool holds_type(const json& value, std::string_view type) {
  if (value.is_object()) {
    const auto found = value.find("type");
    if (found != value.end() && *found == std::string(type)) return true;
  }
  return (value.is_object() || value.is_array()) &&
         std::any_of(value.begin(), value.end(),
                     [&](const json& part) { return holds_type(part, type); });
}

// Tokens in the order of their ids.
std::vector<std::pair<int64_t, std::string>> by_id(const TokenIds& ids) {
  std::vector<std::pair<int64_t, std::string>> list;
  for (const auto& [token, id] : ids) list.emplace_back(id, token);
  std::sort(list.begin(), list.end());
  return list;
}

// BPE's rule [a, b]: stored as such or as "a b".
std::optional<std::pair<std::string, std::string>> merge_of(const json& rule) {
  if (rule.is_array() && rule.size() == 2 && rule[0].is_string() &&
      rule[1].is_string()) {
    return std::pair(rule[0].get<std::string>(), rule[1].get<std::string>());
  }
  if (!rule.is_string()) return std::nullopt;
  const auto text = rule.get<std::string>();
  const size_t space = text.find(' ');
  if (space == std::string::npos) return std::nullopt;
  return std::pair(text.substr(0, space), text.substr(space + 1));
}

}  // namespace

void Tokenizer::fail(const std::string& what) const {
  throw Error(where_ + ": " + what);
}

Tokenizer::Tokenizer(std::string_view text, const std::string& where)
    : where_(where), json_(parse_large_json(text, where)) {
  if (!json_.is_object() || !json_.contains("model") ||
      !json_["model"].is_object() || !json_["model"].contains("vocab")) {
    fail("its vocabulary is of no known kind");
  }
  const json& model = json_["model"];
  if (model.contains("type") && model["type"].is_string()) {
    kind_ = model["type"].get<std::string>();
  } else {  // older files leave it out
    kind_ = model["vocab"].is_array()  ? "Unigram"
            : model.contains("merges") ? "BPE"
                                       : "WordPiece";
  }
  read_vocabulary();
  read_added();
  if (size() > std::ssize(ids_) + kMaxGap) {
    fail("its ids are far more than its tokens");
  }
}

void Tokenizer::read_vocabulary() {
  const json vocab = std::move(json_["model"]["vocab"]);
  json_["model"].erase("vocab");
  if (kind_ == "Unigram" ? !vocab.is_array() : !vocab.is_object()) {
    fail("its vocabulary is of no known kind");
  }
  int64_t place = 0;
  for (const auto& [key, value] : vocab.items()) {
    if (kind_ != "Unigram") {
      const int64_t id = id_of(value);
      if (id < 0) fail("token '" + printable(key) + "' has no id");
      ordinary_[key] = id;
      continue;
    }
    if (!value.is_array() || value.size() != 2 || !value[0].is_string() ||
        !value[1].is_number()) {
      fail("entry " + std::to_string(place) + " is no token and score");
    }
    const auto token = value[0].get<std::string>();
    ordinary_.emplace(token, place++);
    scores_.emplace(token, value[1].get<double>());
  }
  ids_ = ordinary_;
}

void Tokenizer::read_added() {
  const json added = json_.value("added_tokens", json::array());
  json_.erase("added_tokens");
  for (const json& entry : added) {
    const int64_t id =
        entry.is_object() ? id_of(entry.value("id", json())) : -1;
    if (id < 0 || !entry.contains("content") || !entry["content"].is_string()) {
      fail("an added token has no id or text");
    }
    if (!added_.emplace(id, entry).second) {
      fail("two added tokens have the id " + std::to_string(id));
    }
    ids_[entry["content"].get<std::string>()] = id;
  }
}

int64_t Tokenizer::size() const {
  int64_t size = 0;
  for (const auto& [token, id] : ids_) size = std::max(size, id + 1);
  return size;
}

bool Tokenizer::is_added(const std::string& token) const {
  const auto found = ids_.find(token);
  if (found == ids_.end()) return false;
  const auto entry = added_.find(found->second);
  return entry != added_.end() && entry->second["content"] == token;
}

bool Tokenizer::strip(int64_t rows) {
  const auto beyond = [&](const auto& entry) { return entry.second >= rows; };
  if (std::none_of(ids_.begin(), ids_.end(), beyond)) return false;
  std::erase_if(ids_, beyond);
  std::erase_if(ordinary_, beyond);
  std::erase_if(added_, [&](const auto& entry) { return entry.first >= rows; });
  const auto merges = json_["model"].find("merges");
  if (merges == json_["model"].end()) return true;
  json kept = json::array();
  for (json& rule : *merges) {
    const auto parts = merge_of(rule);
    if (parts && ordinary_.contains(parts->first) &&
        ordinary_.contains(parts->second) &&
        ordinary_.contains(parts->first + parts->second)) {
      kept.push_back(std::move(rule));
    }
  }
  *merges = std::move(kept);
  return true;
}

// GPT-2's way to write bytes as letters.
bool Tokenizer::spells_bytes() const {
  return holds_type(json_.value("pre_tokenizer", json()), "ByteLevel") ||
         holds_type(json_.value("decoder", json()), "ByteLevel");
}

void Tokenizer::check_alike(const Tokenizer& other) const {
  const auto refuse = [&](const std::string& what) {
    fail("cannot take the tokens of " + other.where_ + ": " + what +
         ", so the same text is not the same token; give tokens of one kind, "
         "or tokenizer_source: base");
  };
  if (kind_ != other.kind_) {
    refuse("this one is " + printable(kind_) + ", that one " +
           printable(other.kind_));
  }
  if (spells_bytes() != other.spells_bytes()) {
    refuse("only one of both spells bytes as letters");
  }
  for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
    if (json_["model"].value(key, json()) !=
        other.json_["model"].value(key, json())) {
      refuse(std::string("they differ in '") + key + "'");
    }
  }
}

void Tokenizer::join(const Tokenizer& other) {
  join_ordinary(other);
  for (const auto& [id, entry] : other.added_) {
    const auto token = entry["content"].get<std::string>();
    const auto known = ids_.try_emplace(token, size());
    if (added_.contains(known.first->second)) continue;
    json copy = entry;
    copy["id"] = known.first->second;
    added_[known.first->second] = std::move(copy);
  }
}

void Tokenizer::join_ordinary(const Tokenizer& other) {
  std::set<std::string> taken;
  for (const auto& [id, token] : by_id(other.ordinary_)) {
    if (ids_.contains(token) || other.is_added(token)) continue;
    if (taken.empty()) check_alike(other);
    taken.insert(token);
  }
  int64_t next = size();
  for (const auto& [id, token] : by_id(other.ordinary_)) {
    if (!taken.contains(token)) continue;
    ids_[token] = next;
    ordinary_[token] = next++;
    const auto score = other.scores_.find(token);
    if (score != other.scores_.end()) scores_[token] = score->second;
  }
  if (!taken.empty() && kind_ == "BPE") join_merges(other, taken);
}

// The rules that make new tokens, after those that were there: what could be
// said before is said as before.
void Tokenizer::join_merges(const Tokenizer& other,
                            const std::set<std::string>& taken) {
  json merges = json::array();
  for (const json& rule : json_["model"].value("merges", json::array())) {
    const auto parts = merge_of(rule);
    if (!parts) fail("a merge is no pair of tokens");
    merges.push_back({parts->first, parts->second});
  }
  for (const json& rule : other.json_["model"].value("merges", json::array())) {
    const auto parts = merge_of(rule);
    if (!parts) other.fail("a merge is no pair of tokens");
    if (taken.contains(parts->first + parts->second)) {
      merges.push_back({parts->first, parts->second});
    }
  }
  json_["model"]["merges"] = std::move(merges);
}

void Tokenizer::add(const std::string& token) {
  if (ids_.contains(token)) return;
  const int64_t id = size();
  ids_[token] = id;
  added_[id] = {{"id", id},        {"content", token}, {"single_word", false},
                {"lstrip", false}, {"rstrip", false},  {"normalized", false},
                {"special", false}};
}

// Unigram numbers tokens by their places: added tokens between them get one,
// with a score that is never chosen.
void Tokenizer::list_scores(json& model) const {
  double least = 0;
  for (const auto& [token, score] : scores_) least = std::min(least, score);
  int64_t count = 0;
  for (const auto& [token, id] : ordinary_) count = std::max(count, id + 1);
  std::vector<json> list(static_cast<size_t>(count));
  for (const auto& [token, id] : ordinary_) {
    list[static_cast<size_t>(id)] = {token, scores_.at(token)};
  }
  for (size_t id = 0; id < list.size(); ++id) {
    if (!list[id].is_null()) continue;
    const auto entry = added_.find(static_cast<int64_t>(id));
    if (entry == added_.end()) {
      fail("no token has the id " + std::to_string(id) +
           ", which a Unigram model needs");
    }
    list[id] = {entry->second["content"], least - kNever};
  }
  model["vocab"] = list;
}

std::string Tokenizer::text() const {
  ordered_json out = json_;
  ordered_json& added = out["added_tokens"] = ordered_json::array();
  for (const auto& [id, entry] : added_) {
    added.push_back(ordered_json(entry));
  }
  if (kind_ == "Unigram") {
    json model = json_["model"];
    list_scores(model);
    out["model"] = model;
  } else {
    // Key by key an ordered object would look for every key in all before.
    ordered_json::object_t vocab;
    for (const auto& [id, token] : by_id(ordinary_)) {
      vocab.emplace_back(token, id);
    }
    out["model"]["vocab"] = std::move(vocab);
  }
  return out.dump(2) + "\n";
}

}  // namespace soup
