#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <map>
#include <numeric>
#include <tuple>

#include "checkpoint/formats.h"
#include "core/hash.h"
#include "core/log.h"
#include "core/text.h"
#include "core/threads.h"

namespace soup {
namespace {

constexpr size_t kSampleBytes = 64;

// Names, dtypes and shapes in the order of names; another container may order
// them otherwise.
struct Contents {
  const Checkpoint* checkpoint = nullptr;
  std::vector<size_t> order;
};

Contents contents_of(const Checkpoint& checkpoint) {
  Contents contents{&checkpoint,
                    std::vector<size_t>(checkpoint.tensors().size())};
  std::iota(contents.order.begin(), contents.order.end(), size_t{0});
  std::sort(
      contents.order.begin(), contents.order.end(), [&](size_t a, size_t b) {
        return checkpoint.tensors()[a].name < checkpoint.tensors()[b].name;
      });
  return contents;
}

std::string header_key(const Contents& contents) {
  std::string key;
  for (size_t index : contents.order) {
    const TensorInfo& tensor = contents.checkpoint->tensors()[index];
    key += tensor.name;
    key += '\0';
    key += name(tensor.dtype);
    key += shape_text(tensor.shape);
  }
  return key;
}

// A few bytes from the middle of up to `count` tensors.
std::string sample(const Contents& contents, size_t count) {
  std::string out;
  const size_t step = std::max<size_t>(contents.order.size() / count, 1);
  for (size_t i = 0; i < contents.order.size(); i += step) {
    const TensorData data = contents.checkpoint->read(contents.order[i]);
    const size_t n = std::min(kSampleBytes, data.bytes().size());
    const size_t middle = (data.bytes().size() - n) / 2;
    out.append(reinterpret_cast<const char*>(data.bytes().data()) + middle, n);
  }
  return out;
}

bool same_inode(const Checkpoint& a, const Checkpoint& b) {
  struct stat x {};
  struct stat y {};
  return stat(a.path().c_str(), &x) == 0 && stat(b.path().c_str(), &y) == 0 &&
         x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

bool same_values(const Contents& a, const Contents& b) {
  std::atomic<bool> same{true};
  parallel_for(static_cast<int64_t>(a.order.size()), 0, [&](int64_t i) {
    if (!same) return;
    const auto at = static_cast<size_t>(i);
    const TensorData x = a.checkpoint->read(a.order[at]);
    const TensorData y = b.checkpoint->read(b.order[at]);
    if (x.bytes().size() != y.bytes().size() ||
        std::memcmp(x.bytes().data(), y.bytes().data(), x.bytes().size()) !=
            0) {
      same = false;
    }
  });
  return same;
}

// Cheap tests first: a sweep over the head of a frozen model passes the first
// sample, hardly the second, and is read in full only when both agree.
bool same_weights(const Contents& a, const Contents& b) {
  if (same_inode(*a.checkpoint, *b.checkpoint)) return true;
  return sample(a, 16) == sample(b, 16) &&
         sample(a, a.order.size()) == sample(b, b.order.size()) &&
         same_values(a, b);
}

}  // namespace

void drop_duplicates(std::vector<CheckpointPtr>& checkpoints) {
  std::map<std::string, std::vector<Contents>> kept;
  std::erase_if(checkpoints, [&](const CheckpointPtr& checkpoint) {
    const Contents contents = contents_of(*checkpoint);
    std::vector<Contents>& alike = kept[header_key(contents)];
    for (const Contents& earlier : alike) {
      if (!same_weights(earlier, contents)) continue;
      log::info(printable(checkpoint->path().string()) +
                ": the same weights as " +
                printable(earlier.checkpoint->path().string()) +
                ", counted once (--keep-duplicates counts both)");
      return true;
    }
    alike.push_back(contents);
    return false;
  });
}

}  // namespace soup
