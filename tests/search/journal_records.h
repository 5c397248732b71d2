#pragma once

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace soup::testing {

/// The journal without times.
inline std::vector<nlohmann::ordered_json> records(
    const std::filesystem::path& run) {
  std::ifstream lines(run / "journal.jsonl");
  std::vector<nlohmann::ordered_json> all;
  for (std::string line; std::getline(lines, line);) {
    all.push_back(nlohmann::ordered_json::parse(line));
    all.back().erase("seconds");
    all.back().erase("check");
    for (const char* key : {"guards", "singles"}) {
      if (!all.back().contains(key)) continue;
      for (nlohmann::ordered_json& one : all.back()[key]) one.erase("seconds");
    }
  }
  return all;
}

}  // namespace soup::testing
