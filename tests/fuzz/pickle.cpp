#include "checkpoint/pickle.h"

#include "checkpoint/state_dict.h"
#include "invariants.h"
#include "soup/error.h"

// The pickle alone, whatever it calls its storages: all are the input itself.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto file = soup::fuzz::as_bytes(data, size);
  for (const bool ema : {false, true}) {
    try {
      soup::Budget budget("x", size);
      const soup::Pickle pickle = soup::parse_pickle(file, "x", budget);
      const auto find = [&](const soup::TorchStorage&, const std::string&) {
        return soup::TorchExtent{0, static_cast<int64_t>(size)};
      };
      const soup::TorchContents contents = soup::read_state_dict(
          pickle, {.ema = ema}, "x", static_cast<int64_t>(size), budget, find);
      soup::fuzz::check_contents(contents, file);
    } catch (const soup::Error&) {
      // refused, as it should be
    }
  }
  return 0;
}
