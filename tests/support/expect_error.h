#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "soup/error.h"

namespace soup::testing {

/// Runs `work`, expects it to throw an E whose message contains `part`.
template <typename E, typename Work>
void expect_error(Work&& work, const std::string& part) {
  try {
    work();
    ADD_FAILURE() << "nothing thrown, expected: " << part;
  } catch (const E& e) {
    EXPECT_THAT(e.what(), ::testing::HasSubstr(part));
  }
}

}  // namespace soup::testing
