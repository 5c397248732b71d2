#include <nlohmann/json.hpp>

#include "invariants.h"
#include "recipe/merge_config.h"
#include "soup/error.h"

// What is accepted of a recipe in YAML has a strict form that reads back.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  try {
    for (const soup::YamlNode& document : soup::parse_yaml(text, "x")) {
      soup::Complaints complaints("x");
      const soup::MergeConfig config =
          soup::read_merge_config(document, complaints);
      complaints.check();
      const std::string written =
          soup::json_of_node(soup::node_of(config)).dump();
      soup::Complaints again("y");
      const soup::MergeConfig read = soup::read_merge_config(
          soup::node_of_json(nlohmann::ordered_json::parse(written)), again,
          config.models.size());
      again.check();
      soup::fuzz::require(soup::json_of_node(soup::node_of(read)).dump() ==
                          written);
    }
  } catch (const soup::Error&) {
    // refused, as it should be
  } catch (const nlohmann::json::exception&) {
    // a text that is not UTF-8
  }
  return 0;
}
