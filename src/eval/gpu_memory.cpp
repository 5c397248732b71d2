#include "eval/gpu_memory.h"

#include <c10/core/CachingDeviceAllocator.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <array>
#include <string>
#include <string_view>

#include "core/log.h"
#include "soup/error.h"

namespace soup {
namespace {

// TorchScript hands on no more than the text, and libraries that get memory by
// themselves have words of their own.
constexpr std::array<std::string_view, 3> kTexts = {
    "CUDA out of memory", "CUDA error: out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED"};

bool is_out_of_memory(const std::exception& error) {
  const std::string_view text = error.what();
  return dynamic_cast<const c10::OutOfMemoryError*>(&error) != nullptr ||
         std::any_of(kTexts.begin(), kTexts.end(), [&](std::string_view one) {
           return text.find(one) != std::string_view::npos;
         });
}

// The code in a .pt2 says that something failed, and not what.
int64_t failed_allocations(const at::Device& device) {
  if (device.is_cpu()) return 0;
  return c10::getDeviceAllocator(device.type())
      ->getDeviceStats(device.index())
      .num_ooms;
}

std::string too_small_for(int64_t examples) {
  const std::string start = "the memory of the GPU is too small for ";
  if (examples == 1) {
    return start + "one example; --device cpu takes that of the machine";
  }
  return start + "the " + std::to_string(examples) +
         " examples that --model was exported for; export it again: what "
         "scripts/export_model.py makes now takes fewer as well";
}

}  // namespace

bool fits_in_memory(const Model& model, const std::function<void()>& work) {
  const at::Device& device = model.device();
  const int64_t before = failed_allocations(device);
  try {
    work();
    return true;
  } catch (const std::exception& error) {
    if (!is_out_of_memory(error) && failed_allocations(device) == before) {
      throw;
    }
  }
  // Not before the exception is gone, which may hold tensors. What libtorch
  // keeps for later is out of reach for others.
  if (!device.is_cpu()) c10::getDeviceAllocator(device.type())->emptyCache();
  return false;
}

void halve_until_it_fits(const Model& model, int64_t& unit,
                         const std::function<void()>& work) {
  while (!fits_in_memory(model, work)) {
    if (unit <= model.least_batch()) {
      throw Error(too_small_for(model.least_batch()));
    }
    unit /= 2;
    log::info("out of memory on the GPU: from now on as with --batch-size " +
              std::to_string(unit));
  }
}

}  // namespace soup
