#pragma once

#include <array>
#include <string_view>

#include "soup/recipe.h"

/// Settings of the rows of rules(): names, defaults and ranges, mergekit's
/// where it has the rule.
namespace soup::options {

constexpr RuleSetting truth(std::string_view name, bool otherwise) {
  return {.name = name,
          .otherwise = otherwise ? 1.0 : 0.0,
          .least = 0,
          .most = 1,
          .whole = true};
}
constexpr RuleSetting of_model(std::string_view name, double otherwise) {
  return {.name = name,
          .otherwise = otherwise,
          .per_model = true,
          .least = 0,
          .most = 1};
}
constexpr RuleSetting share(std::string_view name, double otherwise,
                            double most = 1) {
  return {.name = name, .otherwise = otherwise, .least = 0, .most = most};
}
constexpr RuleSetting steps(double otherwise) {
  return {.name = "max_iter",
          .otherwise = otherwise,
          .least = 1,
          .most = 10000,
          .whole = true};
}

inline constexpr RuleSetting kDensity = of_model("density", 1);
inline constexpr RuleSetting kGamma = of_model("gamma", 0.01);
inline constexpr RuleSetting kEpsilon = of_model("epsilon", 0.15);
inline constexpr RuleSetting kLambda = {.name = "lambda", .otherwise = 1};
inline constexpr RuleSetting kNormalized = truth("normalize", true);
inline constexpr RuleSetting kAdded = truth("normalize", false);
inline constexpr RuleSetting kRescaled = truth("rescale", true);
inline constexpr RuleSetting kAsIs = truth("rescale", false);

inline constexpr std::array kLinear = {kNormalized};
inline constexpr std::array kSlerp = {RuleSetting{.name = "t"}};
inline constexpr std::array kNuslerp = {truth("nuslerp_row_wise", false),
                                        truth("nuslerp_flatten", true)};
inline constexpr std::array kMultislerp = {truth("normalize_weights", true),
                                           share("eps", 1e-8)};
inline constexpr std::array kKarcher = {steps(10), share("tol", 1e-5)};
inline constexpr std::array kTaskArithmetic = {kAdded, kLambda};
inline constexpr std::array kTies = {kDensity, kNormalized, kAsIs, kLambda};
inline constexpr std::array kDare = {kDensity, kAdded, kRescaled, kLambda};
inline constexpr std::array kBreadcrumbs = {kDensity, kGamma, kAdded, kAsIs,
                                            kLambda};
inline constexpr std::array kDella = {kDensity, kEpsilon, kNormalized,
                                      kRescaled, kLambda};
inline constexpr std::array kDellaLinear = {kDensity, kEpsilon, kAdded,
                                            kRescaled, kLambda};
inline constexpr std::array kModelStock = {truth("filter_wise", false),
                                           truth("ratio_of_sums", false)};
inline constexpr std::array kGeometricMedian = {steps(200), share("tol", 1e-9)};
inline constexpr std::array kTrimmedMean = {share("trim", 0.2, 0.5)};
inline constexpr std::array kLines = {
    RuleSetting{.name = "alpha", .otherwise = 0},
    RuleSetting{.name = "beta", .otherwise = 1}};

inline constexpr std::array kNearswap = {RuleSetting{.name = "t", .least = 0}};
inline constexpr std::array kSce = {share("select_topk", 1)};
inline constexpr std::array kRam = {
    RuleSetting{.name = "epsilon", .otherwise = 1e-5, .least = 0}};
inline constexpr std::array kRamplus = {
    RuleSetting{.name = "epsilon", .otherwise = 1e-5, .least = 0},
    RuleSetting{.name = "r", .otherwise = 0.1},
    RuleSetting{.name = "alpha", .otherwise = 0.2, .least = 0}};
inline constexpr std::array kPassthrough = {
    RuleSetting{.name = "scale", .otherwise = 1, .per_model = true}};
inline constexpr std::array kFisher = {
    RuleSetting{.name = "floor", .otherwise = 1e-6, .least = 0}};
inline constexpr std::array kSubspaces = {
    RuleSetting{.name = "alpha", .otherwise = 1}};

}  // namespace soup::options
