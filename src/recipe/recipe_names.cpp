#include "recipe/recipe_names.h"

#include <algorithm>
#include <array>
#include <span>

#include "core/table.h"

namespace soup {
namespace {

template <typename T>
struct Named {
  std::string_view name;
  T value;
};

constexpr std::array kPolicies = {Named<IntPolicy>{"equal", IntPolicy::kEqual},
                                  Named<IntPolicy>{"first", IntPolicy::kFirst}};
constexpr std::array kNumerics = {
    Named<Numerics>{"default", Numerics::kDefault},
    Named<Numerics>{"mergekit", Numerics::kMergekit}};
constexpr std::array kLayouts = {
    Named<ExpertLayout>{"keep", ExpertLayout::kKeep},
    Named<ExpertLayout>{"separate", ExpertLayout::kSeparate},
    Named<ExpertLayout>{"fused", ExpertLayout::kFused}};

template <typename T>
std::string_view name_in(std::span<const Named<T>> table, T value) {
  return std::find_if(table.begin(), table.end(),
                      [&](const Named<T>& row) { return row.value == value; })
      ->name;
}

}  // namespace

IntPolicy find_int_policy(const std::string& name) {
  return find_row<Named<IntPolicy>>(kPolicies, name, "ints").value;
}

Numerics find_numerics(const std::string& name) {
  return find_row<Named<Numerics>>(kNumerics, name, "numerics").value;
}

ExpertLayout find_expert_layout(const std::string& name) {
  return find_row<Named<ExpertLayout>>(kLayouts, name, "layout of experts")
      .value;
}

std::string_view name_of(IntPolicy policy) {
  return name_in<IntPolicy>(kPolicies, policy);
}

std::string_view name_of(Numerics numerics) {
  return name_in<Numerics>(kNumerics, numerics);
}

std::string_view name_of(ExpertLayout layout) {
  return name_in<ExpertLayout>(kLayouts, layout);
}

}  // namespace soup
