#pragma once

#include <filesystem>
#include <string>
#include <unordered_map>

#include "data/listing.h"

namespace soup {

/// Labels by the name of a picture or of a class folder. A picture without a
/// label is one that does not count.
using LabelMap = std::unordered_map<std::string, Labels>;

/// Reads a map: `.json` is an object of names to a label or a list of labels,
/// or an array of them, one for each of `pictures` in bytewise order of their
/// file names; everything else has a line a name: the name, a tab, labels with
/// commas between them. Throws Error naming `path` and the place.
LabelMap read_label_map(const std::filesystem::path& path,
                        const std::vector<std::string>& pictures);

/// Gives `listing` the labels of `map`: those of a picture's name, else those
/// of the folder it is in. Pictures that have none are left out, and a notice
/// says how many. Throws Error when none is left.
void apply_label_map(const LabelMap& map, const std::string& where,
                     Listing& listing);

/// `classes` of a spec: a line a class, with the outputs of the head whose
/// largest is its logit, commas between them. Throws Error naming the line.
std::vector<Labels> read_classes(const std::filesystem::path& path);

}  // namespace soup
