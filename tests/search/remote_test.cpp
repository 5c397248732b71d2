#include "search/remote.h"

#include <gtest/gtest.h>

#include <thread>

#include "search/records.h"
#include "search/table_evaluator.h"
#include "support/expect_error.h"
#include "support/memory_store.h"

namespace soup {
namespace {

using namespace std::chrono_literals;
using nlohmann::ordered_json;
using testing::expect_error;
using testing::MemoryStore;
using testing::TableEvaluator;

const Job kJob = {.mixture = {0, 1}, .part = {.begin = 1, .end = 3}};

/// A hand whose other process is the test.
class RemoteHandTest : public ::testing::Test {
 protected:
  void hello(const std::string& token) {
    store_.set("hello/3", token);
    store_.set(token + "/answer/0", "{}");
  }
  /// Keeps the bearer of `token` alive.
  std::jthread beat(const std::string& token) {
    return std::jthread([this, token](const std::stop_token& end) {
      for (int i = 0; !end.stop_requested(); ++i) {
        store_.set(token + "/beat", std::to_string(i));
        std::this_thread::sleep_for(5ms);
      }
    });
  }
  Outcome perform() { return hand_.perform(kJob, {}); }
  /// The outcome of kJob.
  static ordered_json outcome() {
    return {{"outcome",
             {{"labels", values_json(std::vector<int32_t>{1, 1})},
              {"predictions", values_json(std::vector<int32_t>{1, 0})},
              {"margins", values_json(std::vector<float>{2, -3})},
              {"terms", values_json(std::vector<double>{1, 0})},
              {"seconds", 1.5}}}};
  }
  /// How many seconds the outcome of kJob says it took.
  double seconds() { return std::get<PartOutcome>(perform()).seconds; }

  MemoryStore store_;
  TableEvaluator evaluator_{4};
  ordered_json identity_ = {{"ingredients", {1, 2}}};
  RemoteHand hand_{store_, 3, {evaluator_}, identity_, {100ms, 100ms}};
};

TEST_F(RemoteHandTest, TellsTheSearchThenTheJob) {
  hello("a");
  const auto alive = beat("a");
  ASSERT_TRUE(hand_.wait_ready({}));
  EXPECT_EQ(ordered_json::parse(*store_.get("a/job/0"))["identity"], identity_);
  store_.set("a/answer/1", outcome().dump());
  const auto found = std::get<PartOutcome>(perform());
  ASSERT_EQ(found.verdicts.size(), 2U);
  EXPECT_EQ(found.verdicts[0].example, 1);
  EXPECT_EQ(found.verdicts[1].example, 2);
  EXPECT_EQ(found.verdicts[1].margin, -3);
  EXPECT_EQ(ordered_json::parse(*store_.get("a/job/1"))["job"]["ingredients"],
            ordered_json({0, 1}));
  EXPECT_FALSE(store_.get("a/answer/1"));
}

TEST_F(RemoteHandTest, WithoutABeatItIsLost) {
  hello("a");
  ASSERT_TRUE(hand_.wait_ready({}));
  EXPECT_THROW(perform(), Lost);
}

TEST_F(RemoteHandTest, OneThatIsHeardAgainIsReadyAfterItsLateAnswer) {
  hello("a");
  ASSERT_TRUE(hand_.wait_ready({}));
  EXPECT_THROW(perform(), Lost);
  const auto alive = beat("a");
  store_.set("a/answer/1", outcome().dump());
  ASSERT_TRUE(hand_.wait_ready({}));
  store_.set("a/answer/2", outcome().dump());
  EXPECT_EQ(seconds(), 1.5);
}

TEST_F(RemoteHandTest, OneThatWasStartedAnewTakesThePlaceOfTheLost) {
  hello("a");
  ASSERT_TRUE(hand_.wait_ready({}));
  EXPECT_THROW(perform(), Lost);
  hello("b");
  const auto alive = beat("b");
  ASSERT_TRUE(hand_.wait_ready({}));
  store_.set("b/answer/1", outcome().dump());
  EXPECT_EQ(seconds(), 1.5);
}

TEST_F(RemoteHandTest, WhatIsNoLongerWantedIsStopped) {
  hello("a");
  const auto alive = beat("a");
  ASSERT_TRUE(hand_.wait_ready({}));
  std::jthread other([&] {
    while (!store_.get("a/stop/1")) std::this_thread::yield();
    store_.set("a/answer/1", R"({"stopped": true})");
  });
  std::stop_source stop;
  stop.request_stop();
  EXPECT_THROW(hand_.perform(kJob, stop.get_token()), Stopped);
  EXPECT_FALSE(store_.get("a/stop/1"));
}

TEST_F(RemoteHandTest, RefusesWhatIsNoOutcome) {
  hello("a");
  const auto alive = beat("a");
  ASSERT_TRUE(hand_.wait_ready({}));
  ordered_json short_margins = outcome();
  short_margins["outcome"]["margins"] = "AAAA";
  ordered_json no_terms = outcome();
  no_terms["outcome"].erase("terms");
  int64_t n = 1;
  for (const std::string& text : {
           std::string("nonsense"),
           std::string("[]"),
           std::string("{}"),
           std::string(R"({"stopped": true})"),
           std::string(R"({"error": 3})"),
           std::string(R"({"error": "broken\u001b[2J"})"),
           std::string(R"({"outcome": 3})"),
           short_margins.dump(),
           no_terms.dump(),
           std::string(R"({"pieces": 1})"),
           std::string(R"({"pieces": -1})"),
           std::string(R"({"pieces": "x"})"),
       }) {
    store_.set("a/answer/" + std::to_string(n++), text);
    EXPECT_ANY_THROW(perform()) << text.substr(0, 80);
  }
}

TEST_F(RemoteHandTest, LongMessagesGoInPieces) {
  std::string text;
  for (int i = 0; text.size() < size_t{5} << 19; ++i) {
    text += std::to_string(i);
  }
  put_text(store_, "key", text);
  EXPECT_LE(store_.get("key/0")->size(), size_t{1} << 20);
  EXPECT_EQ(take_text(store_, "key", text.size()), text);
  for (const char* key : {"key", "key/0", "key/1", "key/2"}) {
    EXPECT_FALSE(store_.get(key)) << key;
  }
  EXPECT_EQ(take_text(store_, "key", text.size()), std::nullopt);
  put_text(store_, "key", text);
  expect_error<Error>([&] { take_text(store_, "key", text.size() - 1); },
                      "is longer than it can be");
}

TEST_F(RemoteHandTest, DismissesAndWaitsForTheAnswer) {
  hello("a");
  const auto alive = beat("a");
  ASSERT_TRUE(hand_.wait_ready({}));
  std::jthread other([&] {
    while (!store_.get("a/job/1")) std::this_thread::yield();
    store_.set("a/answer/1", "{}");
  });
  hand_.dismiss();
  EXPECT_EQ(*store_.get("a/job/1"), R"({"end":true})");
  EXPECT_FALSE(store_.get("a/answer/1"));
}

TEST_F(RemoteHandTest, DoesNotWaitForeverForWhoNeverCame) {
  hand_.dismiss();
  EXPECT_TRUE(store_.get("late/3"));
  std::stop_source stop;
  stop.request_stop();
  EXPECT_FALSE(hand_.wait_ready(stop.get_token()));
}

TEST_F(RemoteHandTest, OneThatDoesNotFitTakesNoPart) {
  store_.set("hello/3", "a");
  store_.set("a/answer/0", R"({"error": "other data"})");
  const auto alive = beat("a");
  std::stop_source stop;
  std::jthread later([&] {
    while (store_.get("a/answer/0")) std::this_thread::yield();
    stop.request_stop();
  });
  EXPECT_FALSE(hand_.wait_ready(stop.get_token()));
  hand_.dismiss();  // at once
}

TEST_F(RemoteHandTest, AStoreThatHasGoneIsAnError) {
  hello("a");
  ASSERT_TRUE(hand_.wait_ready({}));
  store_.close();
  EXPECT_THROW(perform(), Lost);
  expect_error<Error>([&] { hand_.wait_ready({}); }, "the store is closed");
}

}  // namespace
}  // namespace soup
