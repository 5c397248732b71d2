#pragma once

#include "soup/data.h"

namespace soup {

/// CIFAR's binary version (Krizhevsky, cs.toronto.edu/~kriz/cifar.html):
/// records of label and 32 x 32 pixels, channel by channel; CIFAR-100 has the
/// coarse label in front of the fine one, which is the label here. Throws Error
/// for files that are not whole records and labels out of range.
Examples load_cifar10(const DatasetSpec&, const PictureShape&,
                      const Preprocess&);
Examples load_cifar100(const DatasetSpec&, const PictureShape&,
                       const Preprocess&);

}  // namespace soup
