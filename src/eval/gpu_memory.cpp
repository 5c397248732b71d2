#include "eval/gpu_memory.h"

#include <c10/util/Exception.h>

#include <string>
#include <string_view>

#include "core/log.h"
#include "soup/error.h"

namespace soup {
namespace {

// TorchScript hands on no more than the text.
bool is_out_of_memory(const std::exception& error) {
  return dynamic_cast<const c10::OutOfMemoryError*>(&error) != nullptr ||
         std::string_view(error.what()).find("CUDA out of memory") !=
             std::string_view::npos;
}

}  // namespace

void halve_until_it_fits(int64_t& unit, const std::function<void()>& work) {
  for (;;) {
    try {
      work();
      return;
    } catch (const std::exception& error) {
      if (!is_out_of_memory(error)) throw;
    }
    // Not before the exception is gone, which may hold tensors.
    if (unit == 1) {
      throw Error(
          "the memory of the GPU is too small for one example; --device cpu "
          "takes that of the machine");
    }
    unit /= 2;
    log::info("out of memory on the GPU: from now on as with --batch-size " +
              std::to_string(unit));
  }
}

}  // namespace soup
