#include "recipe/whole.h"

#include <algorithm>
#include <utility>

#include "core/threads.h"
#include "recipe/piece.h"
#include "recipe/portions.h"
#include "recipe/runs.h"

namespace soup {
namespace {

constexpr int64_t kPart = int64_t{1} << 17;

}  // namespace

WholeTensor::WholeTensor(const PlannedTensor& tensor,
                         std::span<const TensorData> values, int threads,
                         Pages touch, Pages leave)
    : tensor_(tensor),
      values_(values),
      threads_(threads > 0 ? threads : default_threads()),
      count_(item_count(tensor.out)),
      touch_(std::move(touch)),
      leave_(std::move(leave)) {}

size_t WholeTensor::parts() const {
  return static_cast<size_t>((count_ + kPart - 1) / kPart);
}

void WholeTensor::read(size_t k, const Span& span, double* out) const {
  read(k, span.begin, static_cast<int64_t>(span.n), out);
}

void WholeTensor::read(size_t k, int64_t begin, int64_t n, double* out) const {
  const DType dtype = tensor_.sources[k].dtype;
  const size_t offset = static_cast<size_t>(begin) * item_bytes(dtype);
  widen(dtype, values_[k].bytes().data() + offset, static_cast<size_t>(n), out);
}

std::optional<Span> WholeTensor::Worker::next() {
  if (at_ == end_) {
    leave();
    const size_t part = next_++;
    if (part >= whole_.parts()) return std::nullopt;
    part_ = part;
    at_ = static_cast<int64_t>(part) * kPart;
    end_ = std::min(at_ + kPart, whole_.count_);
    for (size_t k = 0; k < whole_.values_.size(); ++k) {
      whole_.touch_(k, at_, end_);
    }
  }
  const Span span{*part_, at_, std::min(kRun, static_cast<size_t>(end_ - at_))};
  at_ += static_cast<int64_t>(span.n);
  return span;
}

void WholeTensor::Worker::leave() {
  if (!part_) return;
  const int64_t begin = static_cast<int64_t>(*part_) * kPart;
  for (size_t k = 0; k < whole_.values_.size(); ++k) {
    whole_.leave_(k, begin, end_);
  }
  part_.reset();
}

WholeTensor::Worker::~Worker() { leave(); }

void WholeTensor::run(const std::function<void(Worker&)>& work) const {
  std::atomic<size_t> next{0};
  const int64_t workers =
      std::min<int64_t>(threads_, static_cast<int64_t>(parts()));
  parallel_for(workers, static_cast<int>(workers), [&](int64_t) {
    Worker worker(*this, next);
    work(worker);
  });
}

std::vector<double> WholeTensor::sums(
    size_t width,
    const std::function<std::function<void(const Span&, double*)>()>& adder)
    const {
  std::vector<double> by_part(parts() * width);
  run([&](Worker& worker) {
    const auto add = adder();
    while (const std::optional<Span> span = worker.next()) {
      add(*span, &by_part[span->part * width]);
    }
  });
  std::vector<double> sum(width);
  for (size_t i = 0; i < by_part.size(); ++i) sum[i % width] += by_part[i];
  return sum;
}

void WholeTensor::rows(
    int64_t width,
    const std::function<std::function<void(int64_t)>()>& worker) const {
  if (count_ == 0) return;
  const int64_t block = std::max<int64_t>(kPart / width, 1) * width;
  const int64_t blocks = (count_ + block - 1) / block;
  std::atomic<int64_t> next{0};
  const int64_t workers = std::min<int64_t>(threads_, blocks);
  parallel_for(workers, static_cast<int>(workers), [&](int64_t) {
    const auto work = worker();
    for (int64_t i = next++; i < blocks; i = next++) {
      const int64_t first = i * block;
      const int64_t end = std::min(first + block, count_);
      for (size_t k = 0; k < values_.size(); ++k) touch_(k, first, end);
      for (int64_t at = first; at < end; at += width) work(at);
      for (size_t k = 0; k < values_.size(); ++k) leave_(k, first, end);
    }
  });
}

void WholeTensor::scan(size_t part,
                       const std::function<bool(const Span&)>& work) const {
  const int64_t first = static_cast<int64_t>(part) * kPart;
  const int64_t end = std::min(first + kPart, count_);
  for (size_t k = 0; k < values_.size(); ++k) touch_(k, first, end);
  for (int64_t at = first; at < end; at += static_cast<int64_t>(kRun)) {
    const size_t n = std::min(kRun, static_cast<size_t>(end - at));
    if (!work({part, at, n})) break;
  }
  for (size_t k = 0; k < values_.size(); ++k) leave_(k, first, end);
}

}  // namespace soup
