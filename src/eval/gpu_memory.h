#pragma once

#include <cstdint>
#include <functional>

#include "soup/model.h"

namespace soup {

/// Calls `work`; false when the memory of the model's GPU was too small for it.
/// Whatever else it throws is thrown on.
bool fits_in_memory(const Model& model, const std::function<void()>& work);

/// Calls `work`, which has `model` take `unit` examples at a time, and where
/// the memory of its GPU is too small for that once more from its beginning
/// with half as many, which is announced; `unit` stays so. Throws Error when it
/// is too small for the fewest that the model can take.
void halve_until_it_fits(const Model& model, int64_t& unit,
                         const std::function<void()>& work);

}  // namespace soup
