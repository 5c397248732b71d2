#include <ATen/ATen.h>
#include <ATen/Context.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <dlfcn.h>
#include <torch/version.h>

#include <charconv>
#include <filesystem>

#include "core/log.h"
#include "soup/error.h"
#include "soup/model.h"

namespace soup {
namespace {

bool gpu_may_be_there() {
  std::error_code error;
  // Natively, and in Windows' Linux.
  return std::filesystem::exists("/dev/nvidiactl", error) ||
         std::filesystem::exists("/dev/dxg", error);
}

// soup is linked to libtorch_cpu alone, so that it starts fast and runs where
// there is no CUDA; this library registers itself when it is opened.
void open_cuda_library() {
  if (dlopen("libtorch_cuda.so", RTLD_NOW | RTLD_GLOBAL) == nullptr) {
    log::debug(std::string("no CUDA: ") + dlerror());
  }
  // torch lets cuDNN round the operands of float32 convolutions to 10 bits, and
  // add in any order.
  at::globalContext().setAllowTF32CuDNN(false);
  at::globalContext().setDeterministicCuDNN(true);
}

int64_t gpu_count() {
  return at::hasCUDA() ? at::detail::getCUDAHooks().deviceCount() : 0;
}

// N of "cuda:N"; 0 for "cuda".
int64_t gpu_index(const std::string& name) {
  if (name == "cuda") return 0;
  int64_t index = -1;
  const char* end = name.data() + name.size();
  if (name.starts_with("cuda:")) {
    const auto [stop, error] = std::from_chars(name.data() + 5, end, index);
    if (error == std::errc() && stop == end && index >= 0 && index < 128) {
      return index;
    }
  }
  throw UsageError("unknown device '" + name +
                   "'; there is: auto, cpu, cuda, cuda:N");
}

}  // namespace

at::Device find_device(const std::string& name) {
  const at::Device cpu(at::kCPU);
  if (name == "cpu") return cpu;
  if (name == "auto") {
    if (!gpu_may_be_there()) return cpu;
    open_cuda_library();
    return gpu_count() > 0 ? at::Device(at::kCUDA, 0) : cpu;
  }
  const int64_t index = gpu_index(name);
  open_cuda_library();
  const int64_t count = gpu_count();
  if (index >= count) {
    throw Error("--device " + name + ": " +
                (count == 0 ? std::string("no usable NVIDIA GPU")
                            : "there are " + std::to_string(count) + " GPUs") +
                "; --device cpu works everywhere");
  }
  return {at::kCUDA, static_cast<c10::DeviceIndex>(index)};
}

std::string torch_message(const std::exception& e) {
  const auto* const of_torch = dynamic_cast<const c10::Error*>(&e);
  return of_torch != nullptr ? of_torch->what_without_backtrace() : e.what();
}

TorchInfo torch_info() {
  if (gpu_may_be_there()) open_cuda_library();
  return {.version = TORCH_VERSION, .gpus = gpu_count()};
}

}  // namespace soup
