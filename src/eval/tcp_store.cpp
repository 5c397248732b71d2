#include <c10/util/Logging.h>

#include <torch/csrc/distributed/c10d/TCPStore.hpp>

#include "eval/module.h"
#include "soup/error.h"

namespace soup {
namespace {

using namespace std::chrono_literals;

/// PyTorch's store, which torchrun hosts too.
class TcpStore : public Store {
 public:
  explicit TcpStore(const Launch& launch)
      : where_(launch.address + ":" + std::to_string(launch.port)),
        prefix_("soup/" + launch.run + "/") {
    // What it says on standard error, with a backtrace, comes as an exception,
    // too.
    FLAGS_caffe2_log_level = 3;
    try {
      store_ = open(launch);
    } catch (const std::exception& e) {
      throw Error(where_ + ": " + why_not_open(launch) + ": " + first_line(e));
    }
    store_->setTimeout(30s);
  }

  void set(const std::string& key, const std::string& value) override {
    checked([&] { store_->set(prefix_ + key, value); });
  }

  std::optional<std::string> get(const std::string& key) override {
    // One question that does not wait: a plain get() of what is not there, or
    // was erased after a check(), blocks all other threads. Where there is a
    // value, it is not this one and stays; else this one comes back.
    static const std::vector<uint8_t> nothing = {0, 'n', 'o', 'n', 'e', 0};
    std::vector<uint8_t> found;
    checked(
        [&] { found = store_->compareSet(prefix_ + key, nothing, nothing); });
    if (found == nothing) return std::nullopt;
    return std::string(found.begin(), found.end());
  }

  void erase(const std::string& key) override {
    checked([&] { store_->deleteKey(prefix_ + key); });
  }

 private:
  static c10::intrusive_ptr<c10d::Store> open(const Launch& launch) {
    c10d::TCPStoreOptions options;
    options.port = launch.port;
    options.isServer = launch.hosts_store;
    options.waitWorkers = false;
    options.timeout = std::chrono::seconds(launch.patience);
    try {
      return c10::make_intrusive<c10d::TCPStore>(launch.address, options);
    } catch (const std::exception&) {
      if (!launch.hosts_store) throw;
      // Builds of libtorch without libuv have a simpler server.
      options.useLibUV = false;
      return c10::make_intrusive<c10d::TCPStore>(launch.address, options);
    }
  }

  static std::string why_not_open(const Launch& launch) {
    if (launch.hosts_store) {
      return "rank 0 cannot listen at this MASTER_ADDR:MASTER_PORT; another "
             "MASTER_PORT may be free";
    }
    return "no store was found at this MASTER_ADDR:MASTER_PORT within " +
           std::to_string(launch.patience) +
           " s (SOUP_CONNECT_TIMEOUT): rank 0 has not begun or has ended";
  }

  static std::string first_line(const std::exception& e) {
    const std::string text = engine::message_of(e);
    return text.substr(0, text.find('\n'));
  }

  template <typename Work>
  void checked(const Work& work) const {
    try {
      work();
    } catch (const std::exception& e) {
      throw Error("the store of the processes at " + where_ +
                  " cannot be reached; where rank 0 has ended, its error says "
                  "why: " +
                  first_line(e));
    }
  }

  std::string where_;
  std::string prefix_;
  c10::intrusive_ptr<c10d::Store> store_;
};

}  // namespace

std::unique_ptr<Store> engine::connect_store(const Launch& launch) {
  return std::make_unique<TcpStore>(launch);
}

}  // namespace soup
