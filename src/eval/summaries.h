#pragma once

#include <span>

#include "soup/eval.h"

/// Scores that are no means over the examples. All take at least one verdict.
/// Only the last one has bins; all have the type of Metric::whole.
/// A prediction of -1 (logits that are no numbers) is wrong for every class.
namespace soup {

/// Mean over the classes with examples of the share that is right, also called
/// balanced accuracy.
double class_accuracy(std::span<const Verdict> verdicts, int64_t = 0);

/// Mean of F1 = 2 tp / (true + predicted) over the classes that are some
/// example's label or prediction.
double macro_f1(std::span<const Verdict> verdicts, int64_t = 0);

/// F1 of class 1 against all others, 0 when it is no example's label or
/// prediction: GLUE's score of MRPC and QQP (arXiv:1804.07461).
double f1_of_class_1(std::span<const Verdict> verdicts, int64_t = 0);

/// The mean of accuracy and f1_of_class_1(): what GLUE's average takes of MRPC
/// and QQP.
double accuracy_and_f1(std::span<const Verdict> verdicts, int64_t = 0);

/// The correlation R_K of several classes (Gorodkin, Comparing two K-category
/// assignments by a K-category correlation coefficient, 2004), -1 to 1; 0 when
/// labels or predictions are all the same.
double matthews_correlation(std::span<const Verdict> verdicts, int64_t = 0);

/// Expected calibration error with bins of equal mass (arXiv:1909.10155): the
/// examples by `term`, their confidence, in `bins` that differ by one example
/// at most; mean of |share right - mean confidence| weighted by examples. Equal
/// confidences stay in the order given. NaN when a confidence is.
double calibration_error(std::span<const Verdict> verdicts, int64_t bins);

}  // namespace soup
