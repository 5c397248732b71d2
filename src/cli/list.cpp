#include <array>

#include "cli/commands.h"
#include "core/table.h"
#include "soup/checkpoint.h"
#include "soup/data.h"
#include "soup/eval.h"
#include "soup/recipe.h"
#include "soup/search.h"

namespace soup {
namespace {

struct Entry {
  std::string name;
  std::string summary;
  std::optional<bool> present;
};

template <typename Row>
std::vector<Entry> entries(std::span<const Row> table) {
  std::vector<Entry> out;
  for (const Row& row : table) {
    out.push_back({std::string(row.name), std::string(row.summary), {}});
  }
  return out;
}

std::vector<Entry> dataset_entries() {
  std::vector<Entry> out;
  for (const NamedDataset& named : named_datasets({})) {
    out.push_back({named.spec.name, named.spec.summary, named.present});
  }
  return out;
}

struct Topic {
  std::string_view name;
  std::string_view summary;
  std::vector<Entry> (*entries)();
};

constexpr std::array kTopics = {
    Topic{"commands", "what soup does", [] { return entries(commands()); }},
    Topic{"searches", "ways to choose ingredients",
          [] { return entries(searches()); }},
    Topic{"rules", "ways to make one tensor of several",
          [] { return entries(rules()); }},
    Topic{"formats", "kinds of checkpoints", [] { return entries(formats()); }},
    Topic{"models", "architectures that can be scored",
          [] {
            return entries(
                std::span<const EngineInfo::Model>(engine_info().models));
          }},
    Topic{"datasets", "named data sets, and whether they are here",
          dataset_entries},
    Topic{"loaders", "kinds of data sets a spec can describe",
          [] { return entries(dataset_loaders()); }},
    Topic{"metrics", "what is scored", [] { return entries(metrics()); }},
};

class List : public Task {
 public:
  explicit List(CLI::App& app) {
    app.add_option("TOPIC", topic_, "one of the topics; none: all of them");
  }

  int run(const Output& output) override {
    const std::span<const Topic> topics = kTopics;
    if (!topic_.empty()) {
      print(find_row(topics, topic_, "topic"), output);
      return 0;
    }
    for (const Topic& topic : topics) {
      output.line(std::string(topic.name) + ": " + std::string(topic.summary));
      print(topic, output);
      output.line("");
    }
    return 0;
  }

 private:
  static void print(const Topic& topic, const Output& output) {
    std::vector<std::vector<std::string>> rows;
    for (const Entry& entry : topic.entries()) {
      nlohmann::ordered_json object = {{"kind", "name"},
                                       {"topic", topic.name},
                                       {"name", entry.name},
                                       {"summary", entry.summary}};
      if (entry.present) object["present"] = *entry.present;
      output.object(object);
      rows.push_back({"  " + entry.name,
                      entry.present.value_or(true) ? "" : "(not here)",
                      entry.summary});
    }
    print_rows(output, rows);
  }

  static void print_rows(const Output& output,
                         const std::vector<std::vector<std::string>>& rows) {
    size_t width = 0;
    bool absent = false;
    for (const auto& row : rows) {
      width = std::max(width, row[0].size());
      absent = absent || !row[1].empty();
    }
    const std::vector<Column> columns = {
        {"", width}, {"", absent ? size_t{10} : 0}, {"", 0}};
    for (const auto& row : rows) output.line(table_row(columns, row));
  }

  std::string topic_;
};

}  // namespace

std::unique_ptr<Task> make_list(CLI::App& app) {
  return std::make_unique<List>(app);
}

}  // namespace soup
