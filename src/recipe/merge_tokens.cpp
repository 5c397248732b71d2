#include <array>
#include <cmath>

#include "core/text.h"
#include "recipe/merge_names.h"

namespace soup {
namespace {

constexpr std::array<std::string_view, 3> kTokenizerKeys = {
    "source", "tokens", "pad_to_multiple_of"};
constexpr std::array<std::string_view, 2> kTokenKeys = {"source", "force"};
constexpr std::array<std::string_view, 4> kKindKeys = {"kind", "model", "token",
                                                       "token_id"};
constexpr std::string_view kModelPrefix = "model:";

class TokenizerReader {
 public:
  TokenizerReader(NameReader& names, Complaints& complaints)
      : names_(names), complaints_(complaints) {}

  TokenizerRule read(const YamlNode& node) {
    if (node.is_scalar()) {
      read_source(node);
      return std::move(rule_);
    }
    if (!node.is_map()) {
      complaints_.add(node.line,
                      "'tokenizer' must be a mapping, not " + describe(node));
      return std::move(rule_);
    }
    names_.check_keys(node, kTokenizerKeys, "tokenizer");
    if (const YamlNode* source = node.find("source");
        source != nullptr && !source->is_null()) {
      read_source(*source);
    }
    if (const YamlNode* tokens = node.find("tokens");
        tokens != nullptr && !tokens->is_null()) {
      read_tokens(*tokens);
    }
    rule_.multiple = whole(node, "pad_to_multiple_of", 1 << 20).value_or(0);
    return std::move(rule_);
  }

 private:
  // A number in [0, limit] under `key`.
  std::optional<int64_t> whole(const YamlNode& map, const char* key,
                               int64_t limit) {
    const YamlNode* node = map.find(key);
    if (node == nullptr || node->is_null()) return std::nullopt;
    const auto value = read_number(*node, names_.strict());
    if (value && *value == std::trunc(*value) && *value >= 0 &&
        *value <= static_cast<double>(limit)) {
      return static_cast<int64_t>(*value);
    }
    complaints_.add(node->line,
                    std::string("'") + key + "' must be a whole number up to " +
                        std::to_string(limit) + ", not " + describe(*node));
    return std::nullopt;
  }

  void read_source(const YamlNode& node) {
    if (node.is_scalar() && node.text == "union") return;
    if (node.is_scalar() && node.text == "base") {
      rule_.source = TokenizerRule::Source::kBase;
      return;
    }
    YamlNode reference = node;
    if (reference.text.starts_with(kModelPrefix)) {
      reference.text.erase(0, kModelPrefix.size());
    }
    if (const std::optional<size_t> model = names_.model(reference)) {
      rule_.source = TokenizerRule::Source::kModel;
      rule_.model = *model;
    }
  }

  void read_tokens(const YamlNode& node) {
    if (!node.is_map()) {
      complaints_.add(node.line,
                      "'tokens' must be a mapping, not " + describe(node));
      return;
    }
    for (const auto& [token, entry] : node.entries) {
      TokenSource source;
      if (entry.is_map()) {
        names_.check_keys(entry, kTokenKeys, "tokens");
        if (const YamlNode* force = entry.find("force");
            force != nullptr && !force->is_null()) {
          const auto value = read_number(*force, names_.strict());
          if (!value) {
            complaints_.add(force->line, "'force' must be true or false, not " +
                                             describe(*force));
          }
          source.force = value.value_or(0) != 0;
        }
        if (const YamlNode* from = entry.find("source");
            from != nullptr && !from->is_null()) {
          read_token_source(*from, source);
        }
      } else if (!entry.is_null()) {
        complaints_.add(entry.line, "the token '" + printable(token) +
                                        "' must be a mapping, not " +
                                        describe(entry));
      }
      rule_.tokens.emplace_back(token, source);
    }
  }

  void read_token_source(const YamlNode& node, TokenSource& source) {
    const YamlNode* kind = node.find("kind");
    if (kind == nullptr) {
      if (const auto model = names_.model(node)) {
        source.kind = TokenSource::Kind::kModel;
        source.model = *model;
      }
      return;
    }
    names_.check_keys(node, kKindKeys, "source");
    if (kind->text == "zero") {
      source.kind = TokenSource::Kind::kZero;
      return;
    }
    if (kind->text != "model_token") {
      complaints_.add(kind->line, "'kind' must be model_token or zero, not " +
                                      describe(*kind));
      return;
    }
    source.kind = TokenSource::Kind::kToken;
    if (const auto model = names_.model(node, "model")) {
      source.model = *model;
    } else if (node.find("model") == nullptr) {
      complaints_.add(node.line, "a model_token needs 'model'");
    }
    source.token = names_.text(node, "token");
    source.id = whole(node, "token_id", 1 << 30);
    if (source.token.empty() == !source.id.has_value()) {
      complaints_.add(node.line, "a model_token needs 'token' or 'token_id'");
    }
  }

  NameReader& names_;
  Complaints& complaints_;
  TokenizerRule rule_;
};

YamlNode index(size_t model) {
  return YamlNode::number(static_cast<double>(model));
}

YamlNode node_of(const TokenSource& source) {
  YamlNode entry = YamlNode::map();
  YamlNode kind = YamlNode::map();
  switch (source.kind) {
    case TokenSource::Kind::kDefault:
      break;
    case TokenSource::Kind::kModel:
      entry.set("source", index(source.model));
      break;
    case TokenSource::Kind::kToken:
      kind.set("kind", YamlNode::string("model_token"));
      kind.set("model", index(source.model));
      if (source.id) {
        kind.set("token_id", YamlNode::number(static_cast<double>(*source.id)));
      } else {
        kind.set("token", YamlNode::string(source.token));
      }
      entry.set("source", std::move(kind));
      break;
    case TokenSource::Kind::kZero:
      kind.set("kind", YamlNode::string("zero"));
      entry.set("source", std::move(kind));
      break;
  }
  if (source.force) entry.set("force", YamlNode::number(1));
  return entry;
}

}  // namespace

std::optional<TokenizerRule> read_tokenizer_rule(const YamlNode& document,
                                                 NameReader& names,
                                                 Complaints& complaints) {
  const YamlNode* source = document.find("tokenizer_source");
  const YamlNode* full = document.find("tokenizer");
  if (source != nullptr && source->is_null()) source = nullptr;
  if (full != nullptr && full->is_null()) full = nullptr;
  if (source == nullptr && full == nullptr) return std::nullopt;
  if (source != nullptr && full != nullptr) {
    complaints.add(full->line,
                   "only one of 'tokenizer' and 'tokenizer_source' can be "
                   "given");
  }
  return TokenizerReader(names, complaints)
      .read(source != nullptr ? *source : *full);
}

YamlNode node_of(const TokenizerRule& rule) {
  YamlNode node = YamlNode::map();
  switch (rule.source) {
    case TokenizerRule::Source::kUnion:
      node.set("source", YamlNode::string("union"));
      break;
    case TokenizerRule::Source::kBase:
      node.set("source", YamlNode::string("base"));
      break;
    case TokenizerRule::Source::kModel:
      node.set("source", index(rule.model));
      break;
  }
  if (!rule.tokens.empty()) {
    YamlNode tokens = YamlNode::map();
    for (const auto& [token, entry] : rule.tokens) {
      tokens.set(token, node_of(entry));
    }
    node.set("tokens", std::move(tokens));
  }
  if (rule.multiple > 0) {
    node.set("pad_to_multiple_of",
             YamlNode::number(static_cast<double>(rule.multiple)));
  }
  return node;
}

}  // namespace soup
