#!/usr/bin/env python3
"""What scikit-learn and SciPy say of random answers, for the tests of scores.

make_score_references.py [OUT]    (default: tests/data/scores.json)

Needs numpy, scipy and scikit-learn. The expected calibration error, which they
lack, is computed here with numpy.array_split; logits are exact in float32.
"""

import json
import sys
import warnings
from pathlib import Path

import numpy as np
from scipy.special import log_softmax
from scipy.stats import binomtest, sem
from sklearn import metrics

CLASSES = 7
EXAMPLES = 218  # no multiple of the 15 bins


def answers():
    """Unbalanced labels; class 6 is answered, but never true."""
    rng = np.random.default_rng(5)
    labels = rng.choice(CLASSES - 1, EXAMPLES, p=[.4, .2, .2, .1, .06, .04])
    logits = rng.normal(0, 1.5, (EXAMPLES, CLASSES))
    logits[np.arange(EXAMPLES), labels] += rng.normal(1.5, 1.5, EXAMPLES)
    return np.round(logits * 1024) / 1024, labels


def calibration_error(confidence, right, bins=15):
    order = np.argsort(confidence, kind="stable")
    return sum(abs(right[part].mean() - confidence[part].mean()) * len(part)
               for part in np.array_split(order, bins)) / len(order)


def scores(logits, labels):
    log_p = log_softmax(logits, axis=1)
    best = logits.argmax(axis=1)
    truth = np.eye(CLASSES)[labels]
    own = log_p[np.arange(EXAMPLES), labels]
    brier = ((np.exp(log_p) - truth) ** 2).sum(axis=1)
    mse = ((logits - truth) ** 2).mean(axis=1)
    every = np.arange(CLASSES)
    top5 = metrics.top_k_accuracy_score(
        labels, logits, k=5, labels=every, normalize=False)
    return {
        "top1": (metrics.accuracy_score(labels, best), sem(best == labels)),
        "top5": (top5 / EXAMPLES,
                 sem(np.arange(EXAMPLES) < top5)),
        "class_accuracy": (metrics.balanced_accuracy_score(labels, best), None),
        "macro_f1": (metrics.f1_score(labels, best, average="macro"), None),
        "f1": (metrics.f1_score(labels == 1, best == 1), None),
        "accuracy_f1": ((metrics.accuracy_score(labels, best) +
                         metrics.f1_score(labels == 1, best == 1)) / 2, None),
        "mcc": (metrics.matthews_corrcoef(labels, best), None),
        "nll": (metrics.log_loss(labels, np.exp(log_p), labels=every),
                sem(-own)),
        "brier": (brier.mean(), sem(brier)),
        "ece": (calibration_error(np.exp(log_p.max(axis=1)), best == labels),
                None),
        "ece:20": (calibration_error(np.exp(log_p.max(axis=1)),
                                     best == labels, 20), None),
        "mse": (metrics.mean_squared_error(truth, logits), sem(mse)),
    }


def intervals():
    for correct, count in [(0, 1), (1, 1), (0, 30), (30, 30), (7, 9),
                           (123, 200), (20000, 26000), (37941, 50000)]:
        low, high = binomtest(correct, count).proportion_ci(0.95, "exact")
        yield {"correct": correct, "count": count, "low": low, "high": high}


def paired():
    for a, b in [(0, 0), (1, 0), (3, 3), (2, 9), (9, 2), (0, 30), (812, 700),
                 (5210, 4930)]:
        p = binomtest(a, a + b).pvalue if a + b > 0 else 1.0
        yield {"only_a": a, "only_b": b, "p_value": p}


def main():
    warnings.simplefilter("ignore")  # of the class that is never true
    default = Path(__file__).parents[1] / "tests/data/scores.json"
    out = Path(sys.argv[1]) if len(sys.argv) > 1 else default
    logits, labels = answers()
    table = {name: {"value": float(value),
                    "standard_error": None if error is None else float(error)}
             for name, (value, error) in scores(logits, labels).items()}
    text = ",\n".join(
        f'"{key}": {json.dumps(value)}' for key, value in {
            "classes": CLASSES,
            "labels": labels.tolist(),
            "logits": logits.ravel().tolist(),
            "scores": table,
            "intervals": list(intervals()),
            "paired": list(paired())}.items())
    out.write_text("{\n" + text + "\n}\n")


main()
