#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <string>
#include <thread>

#include "soup/error.h"
#include "soup/eval.h"
#include "support/expect_error.h"

namespace soup {
namespace {

using testing::expect_error;

// A port that nobody uses at the moment.
uint16_t free_port() {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* const raw = reinterpret_cast<sockaddr*>(&address);
  EXPECT_EQ(bind(fd, raw, size), 0);
  EXPECT_EQ(getsockname(fd, raw, &size), 0);
  close(fd);
  return ntohs(address.sin_port);
}

Launch launch(int64_t rank, uint16_t port) {
  return {.launcher = "a test",
          .rank = rank,
          .size = 2,
          .address = "127.0.0.1",
          .port = port,
          .hosts_store = rank == 0,
          .run = "1"};
}

TEST(TcpStore, WhatOneProcessSetsAnotherGets) {
  const uint16_t port = free_port();
  auto host = connect_store(launch(0, port));
  const auto guest = connect_store(launch(1, port));
  EXPECT_EQ(guest->get("key"), std::nullopt);
  host->set("key", std::string("a\0b", 3));
  EXPECT_TRUE(host->get("key"));  // by now all have it
  EXPECT_EQ(guest->get("key"), std::string("a\0b", 3));
  guest->set("key", "");
  EXPECT_EQ(guest->get("key"), "");
  EXPECT_EQ(host->get("key"), "");
  guest->erase("key");
  EXPECT_EQ(host->get("key"), std::nullopt);
  host = nullptr;
  expect_error<Error>([&] { guest->get("key"); },
                      "the store of the processes at 127.0.0.1:" +
                          std::to_string(port) + " cannot be reached");
}

// What one looks for the other may take away at that moment.
TEST(TcpStore, LookingNeverWaits) {
  const uint16_t port = free_port();
  const auto host = connect_store(launch(0, port));
  const auto guest = connect_store(launch(1, port));
  std::atomic<int64_t> now = 0;
  std::jthread other([&](const std::stop_token& stop) {
    for (; !stop.stop_requested(); ++now) {
      host->set(std::to_string(now), "x");
      host->erase(std::to_string(now));
    }
  });
  int64_t found = 0;
  for (int64_t i = 0; i < 20'000; ++i) {
    found += guest->get(std::to_string(now)) ? 1 : 0;
  }
  EXPECT_GT(found, 0);
}

TEST(TcpStore, StartsAreApart) {
  Launch first = launch(0, free_port());
  const auto host = connect_store(first);
  first.rank = 1;
  first.hosts_store = false;
  first.run = "2";
  const auto other = connect_store(first);
  host->set("key", "x");
  EXPECT_EQ(other->get("key"), std::nullopt);
}

TEST(TcpStore, WithoutAnAddressItIsAnError) {
  expect_error<UsageError>(
      [] {
        connect_store({.launcher = "MPI", .variable = "PMI_RANK", .size = 2});
      },
      "2 processes by MPI, but MASTER_ADDR, the host of rank 0, is not set; "
      "set it, or unset PMI_RANK to run alone");
}

TEST(TcpStore, ATakenPortIsAnError) {
  const uint16_t port = free_port();
  const auto host = connect_store(launch(0, port));
  expect_error<Error>([&] { connect_store(launch(0, port)); },
                      "127.0.0.1:" + std::to_string(port) +
                          ": rank 0 cannot listen at this "
                          "MASTER_ADDR:MASTER_PORT; another MASTER_PORT may be "
                          "free: ");
}

TEST(TcpStore, WaitsNoLongerThanItShallForWhoListens) {
  Launch guest = launch(1, free_port());
  guest.patience = 1;
  const auto begin = std::chrono::steady_clock::now();
  expect_error<Error>([&] { connect_store(guest); },
                      "127.0.0.1:" + std::to_string(guest.port) +
                          ": no store was found at this "
                          "MASTER_ADDR:MASTER_PORT within 1 s "
                          "(SOUP_CONNECT_TIMEOUT): rank 0 has not begun or has "
                          "ended: ");
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(20));
}

}  // namespace
}  // namespace soup
