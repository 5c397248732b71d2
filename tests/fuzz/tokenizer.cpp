#include "recipe/tokenizer.h"

#include "invariants.h"
#include "soup/error.h"

// What is accepted joins what it is cut down from, and reads back.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    const soup::Tokenizer whole(text, "x");
    soup::Tokenizer part = whole;
    part.strip(whole.size() / 2);
    part.join(whole);
    part.add("<new>");
    for (const auto& [token, id] : whole.ids()) {
      soup::fuzz::require(id >= 0 && part.ids().contains(token));
    }
    const soup::Tokenizer again(part.text(), "y");
    soup::fuzz::require(again.size() <= part.size());
  } catch (const soup::Error&) {
    // refused, as it should be
  }
  return 0;
}
