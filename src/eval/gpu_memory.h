#pragma once

#include <cstdint>
#include <functional>

namespace soup {

/// Calls `work`, which takes `unit` examples at a time, and where the memory of
/// the GPU is too small for that once more from its beginning with half as
/// many, which is announced; `unit` stays so. Throws Error when it is too small
/// for one.
void halve_until_it_fits(int64_t& unit, const std::function<void()>& work);

}  // namespace soup
