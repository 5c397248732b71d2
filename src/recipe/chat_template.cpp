#include "recipe/chat_template.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "core/json.h"
#include "recipe/merge_config.h"
#include "recipe/model_folder.h"

namespace soup {
namespace {

using nlohmann::ordered_json;

// "{%" or "{{": Jinja.
constexpr size_t kShortestTemplate = 20;

struct NamedTemplate {
  std::string_view name;
  std::string_view text;
};

// The formats that these models were published with.
constexpr std::array kTemplates = {
    NamedTemplate{
        "alpaca",
        "{% for message in messages %}"
        "{% if message['role'] == 'user' %}{{ '### Instruction:\\n' }}"
        "{% elif message['role'] == 'assistant' %}{{ '### Response:\\n' }}"
        "{% endif %}{{ message['content'] | trim + '\\n\\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '### Response:\\n' }}{% endif %}"},
    NamedTemplate{
        "chatml",
        "{% for message in messages %}{{ '<|im_start|>' + message['role'] + "
        "'\\n' + message['content'] + '<|im_end|>\\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}"
        "{% endif %}"},
    NamedTemplate{
        "exaone",
        "{% if messages[0]['role'] != 'system' %}"
        "{{ '[|system|][|endofturn|]\\n' }}{% endif %}"
        "{% for message in messages %}"
        "{{ '[|' + message['role'] + '|]' + message['content'] }}"
        "{% if message['role'] != 'user' %}{{ '[|endofturn|]' }}{% endif %}"
        "{{ '\\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '[|assistant|]' }}{% endif %}"},
    NamedTemplate{"llama3",
                  "{{ bos_token }}{% for message in messages %}"
                  "{{ '<|start_header_id|>' + message['role'] + "
                  "'<|end_header_id|>\\n\\n' + message['content'] | trim + "
                  "'<|eot_id|>' }}{% endfor %}{% if add_generation_prompt %}"
                  "{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}"
                  "{% endif %}"},
    NamedTemplate{
        "mistral",
        "{{ bos_token }}{% set start = namespace(text='') %}"
        "{% for message in messages %}{% if message['role'] == 'system' %}"
        "{% set start.text = message['content'] + '\\n\\n' %}"
        "{% elif message['role'] == 'user' %}"
        "{{ '[INST] ' + start.text + message['content'] + ' [/INST]' }}"
        "{% set start.text = '' %}{% else %}"
        "{{ ' ' + message['content'] + eos_token }}{% endif %}{% endfor %}"},
};

// A model's own template.
std::string template_of(const Ingredient& ingredient, const Checkpoint& file) {
  std::string text = companion(ingredient, file, "chat_template.jinja");
  const std::string config =
      companion(ingredient, file, "tokenizer_config.json");
  if (!text.empty() || config.empty()) return text;
  const ordered_json json =
      parse_json(config, title(ingredient) + ": tokenizer_config.json");
  if (json.is_object() && json.contains("chat_template") &&
      json["chat_template"].is_string()) {
    text = json["chat_template"].get<std::string>();
  }
  return text;
}

// The one that most ingredients have; of equally many the first.
std::string most_common_template(
    const Recipe& recipe, std::span<const Checkpoint* const> ingredients) {
  std::vector<std::pair<std::string, int>> counts;
  for (size_t k = 0; k < ingredients.size(); ++k) {
    const std::string text =
        template_of(recipe.ingredients[k], *ingredients[k]);
    if (text.empty()) continue;
    const auto found =
        std::find_if(counts.begin(), counts.end(),
                     [&](const auto& c) { return c.first == text; });
    if (found == counts.end()) {
      counts.emplace_back(text, 1);
    } else {
      ++found->second;
    }
  }
  const auto most = std::max_element(
      counts.begin(), counts.end(),
      [](const auto& a, const auto& b) { return a.second < b.second; });
  return most == counts.end() ? "" : most->first;
}

const NamedTemplate* find_template(const std::string& name) {
  const auto* found =
      std::find_if(kTemplates.begin(), kTemplates.end(),
                   [&](const NamedTemplate& t) { return t.name == name; });
  return found == kTemplates.end() ? nullptr : found;
}

}  // namespace

std::vector<std::string> chat_template_names() {
  std::vector<std::string> names = {"auto"};
  for (const NamedTemplate& t : kTemplates) names.emplace_back(t.name);
  return names;
}

bool is_chat_template(const std::string& wanted) {
  return wanted == "auto" || find_template(wanted) != nullptr ||
         (wanted.size() >= kShortestTemplate &&
          wanted.find('{') != std::string::npos);
}

void set_chat_template(std::map<std::string, std::string>& files,
                       const Recipe& recipe,
                       std::span<const Checkpoint* const> ingredients) {
  std::string text = recipe.merge->chat_template;
  if (text == "auto") {
    text = most_common_template(recipe, ingredients);
  } else if (const NamedTemplate* known = find_template(text)) {
    text = known->text;
  }
  if (text.empty()) return;
  files["chat_template.jinja"] = text;
  const auto config = files.find("tokenizer_config.json");
  if (config == files.end()) return;
  ordered_json json = parse_json(config->second, "tokenizer_config.json");
  if (!json.is_object()) return;
  json["chat_template"] = text;
  config->second = json.dump(2) + "\n";
}

}  // namespace soup
