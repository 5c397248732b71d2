#include "cli/selection.h"

#include <CLI/CLI.hpp>
#include <array>
#include <sstream>

#include "cli/options.h"
#include "core/file.h"
#include "core/table.h"

namespace soup {

std::vector<CLI::Option*> SelectionArguments::add_to(CLI::App& app,
                                                     SearchOptions& search) {
  const size_t before = app.get_options().size();
  CLI::Option* backwards = app.add_flag(
      "--pruned", pruned,
      "start from all and leave out, the worst first, what does not help");
  CLI::Option* rounds =
      app.add_flag("--with-replacement", replacement,
                   "add the best of all in every round, again and again, as "
                   "long as one gains: whole-numbered weights")
          ->excludes(backwards);
  CLI::Option* visits = app.add_option(
      "--order", order,
      "candidates by score, as given, random, or as this FILE lists them");
  visits->type_name("score|given|random|FILE")->capture_default_str();
  app.add_option("--seed", search.seed, "of --order random")
      ->capture_default_str();
  app.add_option("--orders", search.orders,
                 "search in so many random orders, from --seed on; the best "
                 "soup is written")
      ->check(positive_number())
      ->excludes(visits);
  app.add_option("--accept", accept,
                 "ge: keep what is as good (the paper); gt: only what is "
                 "better (its released code)")
      ->check(CLI::IsMember({"ge", "gt"}))
      ->capture_default_str();
  app.add_option("--min-gain", search.min_gain, "examples a candidate must win")
      ->check(not_negative());
  app.add_option("--alpha", search.alpha,
                 "accept only what McNemar's paired test finds better, with "
                 "a p-value below this")
      ->check(positive_number());
  app.add_option("--max-ingredients", search.max_ingredients,
                 "stop at so many (default: no limit; 100 with "
                 "--with-replacement)")
      ->check(positive_number());
  app.add_option("--sweeps", search.sweeps,
                 "how often the candidates are gone through (default: 1; with "
                 "--pruned until nothing changes)")
      ->check(positive_number())
      ->excludes(rounds);
  app.add_flag("--leave-one-out", search.leave_one_out,
               "score the soup without each of its ingredients, too");
  app.add_option("--scores", scores,
                 "JSON Lines with known scores, as soup eval prints them");
  app.add_flag("--full", search.full,
               "score every candidate on every example: same answer, "
               "slower");
  CLI::Option* lazy = app.add_flag(
      "--lazy", search.lazy,
      "rank only as many checkpoints as the choice depends on: same soup, but "
      "no scores of the others");
  for (const char* other : {"--pruned", "--with-replacement", "--order",
                            "--orders", "--sweeps", "--scores"}) {
    lazy->excludes(app.get_option(other));
  }
  std::vector<CLI::Option*> added = app.get_options(nullptr);
  added.erase(added.begin(), added.begin() + static_cast<ptrdiff_t>(before));
  return added;
}

const Search& SelectionArguments::choose(SearchOptions& search) const {
  choose_order(search);
  search.accept_equal = accept == "ge";
  return find_search(pruned        ? "pruned"
                     : replacement ? "replacement"
                                   : "greedy");
}

void SelectionArguments::choose_order(SearchOptions& search) const {
  constexpr std::array kOrders = {Order::kScore, Order::kGiven, Order::kRandom};
  const std::string wanted =
      search.orders > 1 ? std::string(name(Order::kRandom)) : order;
  for (Order one : kOrders) {
    search.order = one;
    if (wanted == name(one)) return;
  }
  if (!std::filesystem::is_regular_file(wanted)) {
    std::vector<std::string_view> names;
    for (Order one : kOrders) names.push_back(name(one));
    throw UsageError("--order: there is no file '" + wanted + "'" +
                     suggestion(wanted, names));
  }
  search.order = Order::kFile;
  std::istringstream lines(read_text(wanted, size_t{64} << 20));
  for (std::string line; std::getline(lines, line);) {
    if (!line.empty()) search.visit.emplace_back(line);
  }
}

}  // namespace soup
