#include <algorithm>

#include "data/list.h"
#include "invariants.h"
#include "soup/error.h"

// The first byte says which kind of list the rest is.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const char* const name = data[0] == 'c'   ? "x.csv"
                           : data[0] == 't' ? "x.tsv"
                                            : "x.jsonl";
  try {
    const soup::Listing listing = soup::parse_list(
        {reinterpret_cast<const char*>(data) + 1, size - 1}, name, "/pictures");
    soup::fuzz::require(listing.files.size() == listing.labels.size());
    soup::fuzz::require(
        std::all_of(listing.labels.begin(), listing.labels.end(),
                    [](const soup::Labels& labels) {
                      return labels.size() == 1 && labels[0] >= 0;
                    }));
  } catch (const soup::Error&) {
    // refused, as it should be
  }
  return 0;
}
