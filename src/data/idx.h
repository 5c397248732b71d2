#pragma once

#include "soup/data.h"

namespace soup {

bool idx_present(const DatasetSpec&);
Examples load_idx(const DatasetSpec&, const PictureShape&, const Preprocess&);

}  // namespace soup
