#pragma once

#include "soup/data.h"

namespace soup {

Examples load_idx(const DatasetSpec&, const PictureShape&, const Preprocess&);

}  // namespace soup
