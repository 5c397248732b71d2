#!/usr/bin/env python3
"""What mergekit makes of small tensors, for the tests of the rules.

make_rule_references.py [OUT]    (default: tests/data/rules)

Needs mergekit 0.1.5, torch and safetensors. Writes
  models.safetensors      what is merged, exact in bfloat16
  cases.json              rule, settings, models, base
  exact.safetensors       CASE: by mergekit's own methods in float64; rules it
                          lacks from their papers' formulas
  rounded.safetensors     CASE/DTYPE: in that type, rounded after every operation
Densities are moved until no result depends on which of several equal magnitudes
is chosen: mergekit leaves that undefined.
"""

import json
import sys
from pathlib import Path

import torch
from mergekit.merge_methods.api import merge_tensors
from safetensors.torch import save_file

SHAPE = (12, 16)
TYPES = {"BF16": torch.bfloat16, "F16": torch.float16, "F32": torch.float32}
FAMILY = {"linear", "task_arithmetic", "ties", "breadcrumbs",
          "breadcrumbs_ties"}


def models():
    draw = torch.Generator().manual_seed(20260)
    base = torch.randn(SHAPE, generator=draw) * 0.05
    made = {"base": base}
    common = torch.randn(SHAPE, generator=draw) * 0.02
    for k, name in enumerate("abcde"):
        change = torch.randn(SHAPE, generator=draw) * (0.01 + 0.004 * k)
        made[name] = base + common + change
    made = {name: x.bfloat16().float() for name, x in made.items()}
    made["a"][0, :3] = made["base"][0, :3]  # elements that did not change
    for name in ("fa", "fb"):  # diagonals of Fisher matrices
        made[name] = (torch.randn(SHAPE, generator=draw) ** 2).bfloat16().float()
    # Every other row away from the base on the other side.
    made["opposed"] = made["b"].clone()
    made["opposed"][::2] = (2 * made["base"] - made["a"])[::2].bfloat16().float()
    return made


def case(rule, names, settings=None, base="base", **per_model):
    return {"rule": rule, "models": list(names), "base": base,
            "settings": settings or {}, "per_model": per_model}


CASES = {
    "linear": case("linear", "abc", base=None, weight=[0.5, 0.3, 0.2]),
    "linear_sum": case("linear", "abc", {"normalize": False}, None,
                       weight=[0.5, 0.3, -0.1]),
    "linear_five": case("linear", "abcde", base=None,
                        weight=[1, 0.3, 0.7, 0.1, 0.45]),
    "slerp": case("slerp", "a", {"t": 0.3}),
    "slerp_beyond": case("slerp", "b", {"t": 1.4}),
    "nuslerp": case("nuslerp", "ab", base=None, weight=[0.3, 0.9]),
    "nuslerp_base": case("nuslerp", "ab", weight=[0.3, 0.9]),
    "nuslerp_rows": case("nuslerp", "ab", {"nuslerp_flatten": False}, None,
                         weight=[1, 1]),
    "nuslerp_columns": case(
        "nuslerp", "ab", {"nuslerp_flatten": False, "nuslerp_row_wise": True},
        weight=[0.6, 0.4]),
    "multislerp": case("multislerp", "abc", base=None, weight=[1, 2, 0.5]),
    "multislerp_base": case("multislerp", "abc", {"normalize_weights": False},
                            weight=[0.4, 0.3, 0.5]),
    "karcher": case("karcher", "abcd", base=None),
    "task_arithmetic": case("task_arithmetic", "ab", {"lambda": 0.8},
                            weight=[0.3, 0.7]),
    "task_arithmetic_one": case("task_arithmetic", "a", weight=[1]),
    "task_arithmetic_mean": case("task_arithmetic", "abc",
                                 {"normalize": True}, weight=[0.3, 0.7, 0.1]),
    "ties": case("ties", "abc", weight=[0.5, 0.3, 0.6],
                 density=[0.3, 0.55, 0.8]),
    "ties_sum": case("ties", "ab", {"normalize": False, "lambda": 1.3},
                     weight=[0.5, -0.3], density=[1, 0.4]),
    "ties_five": case("ties", "abcde", weight=[0.5, 0.3, 0.6, 0.1, 1],
                      density=[0.45, 0.5, 0.6, 0.7, 0.2]),
    "ties_rescaled": case("ties", "ab", {"rescale": True}, weight=[1, 1],
                          density=[0.5, 0.4]),
    "breadcrumbs": case("breadcrumbs", "ab", weight=[0.5, 0.6],
                        density=[0.6, 0.7], gamma=[0.05, 0.02]),
    "breadcrumbs_ties": case("breadcrumbs_ties", "abc", weight=[0.5, 0.6, 1],
                             density=[0.6, 0.9, 0.3], gamma=[0.05, 0.2, 0]),
    "model_stock": case("model_stock", "abc"),
    "model_stock_two": case("model_stock", "ab"),
    "model_stock_rows": case("model_stock", "abc", {"filter_wise": True}),
    "nearswap": case("nearswap", "a", {"t": 0.004}),
    "arcee_fusion": case("arcee_fusion", "a"),
    "sce": case("sce", "abc"),
    "sce_part": case("sce", "abcd", {"select_topk": 0.4}),
    "ram": case("ram", "abc", {"epsilon": 0.01}),
    # Ratios of counts are float32 in mergekit whatever the tensors are: here
    # they reach alpha.
    "ramplus_tl": case("ramplus_tl", "abc", {"epsilon": 0.015, "r": 0.25,
                                             "alpha": 0.5}),
    "passthrough": case("passthrough", "a", base=None, scale=[0.3]),
}


# Rules that mergekit lacks, from their papers.
def median(x, weight):
    at = torch.stack(x).mean(0)
    for _ in range(3000):
        w = [f / (y - at).norm() for y, f in zip(x, weight)]
        at = sum(f * y for f, y in zip(w, x)) / sum(w)
    return at


def trimmed(x, cut):
    return torch.stack(x).sort(0).values[cut:len(x) - cut].mean(0)


def isotropic(tasks):
    u, s, v = torch.linalg.svd(sum(tasks), full_matrices=False)
    return s.mean() * (u @ v)


def task_vectors(tasks):
    rank = min(tasks[0].shape) // len(tasks)
    parts = [torch.linalg.svd(t, full_matrices=False) for t in tasks]
    u = torch.cat([u[:, :rank] for u, _, _ in parts], 1)
    s = torch.cat([s[:rank] for _, s, _ in parts])
    v = torch.cat([v[:rank] for _, _, v in parts], 0)
    whiten = lambda m: (lambda f: f[0] @ f[2])(
        torch.linalg.svd(m, full_matrices=False))
    return whiten(u) @ torch.diag(s) @ whiten(v)


def ramplus(base, tasks, epsilon, r, alpha):
    active = torch.stack([t.abs() > epsilon for t in tasks])
    several = active.sum(0) > 1
    out = base.clone()
    for task, own in zip(tasks, active):
        shared, unique = own & several, own & ~several
        ratio = min(shared.sum().item() / unique.sum().item(), alpha)
        out += task * unique * (1 + r * ratio)
        out += task * shared / active.sum(0).clamp(min=1)
    return out


def stock_by_rows(base, tasks):
    """arXiv:2403.19522, a ratio for every row; from 0 to 1 as ours are."""
    count, unit = len(tasks), [t / t.norm(dim=1, keepdim=True) for t in tasks]
    pairs = [(a * b).sum(1) for i, a in enumerate(unit) for b in unit[:i]]
    cosine = sum(pairs) / len(pairs)
    ratio = (count * cosine / (1 + (count - 1) * cosine)).clamp(0, 1)
    return base + ratio[:, None] * sum(tasks) / count


def fisher(x, diagonals, weight):
    f = [w * d.clamp(min=1e-6) for d, w in zip(diagonals, weight)]
    return sum(a * b for a, b in zip(f, x)) / sum(f)


OURS = {
    "geometric_median": (
        case("geometric_median", "abcde", {"max_iter": 3000, "tol": 1e-13},
             None, weight=[1, 0.5, 1, 2, 1]),
        lambda m: median([m[k] for k in "abcde"], [1, 0.5, 1, 2, 1])),
    "trimmed_mean": (case("trimmed_mean", "abcde", {"trim": 0.25}, None),
                     lambda m: trimmed([m[k] for k in "abcde"], 1)),
    "iso_c": (case("iso_c", "abc", {"alpha": 0.7}),
              lambda m: m["base"] + 0.7 * isotropic(
                  [m[k] - m["base"] for k in "abc"])),
    "tsv_m": (case("tsv_m", "abc"),
              lambda m: m["base"] + task_vectors(
                  [m[k] - m["base"] for k in "abc"])),
    "ramplus_tl_free": (
        case("ramplus_tl", "abc", {"epsilon": 0.015, "r": 0.3, "alpha": 99}),
        lambda m: ramplus(m["base"], [m[k] - m["base"] for k in "abc"], 0.015,
                          0.3, 99)),
    "model_stock_rows_opposed": (
        case("model_stock", ["a", "opposed"], {"filter_wise": True}),
        lambda m: stock_by_rows(m["base"], [m["a"] - m["base"],
                                            m["opposed"] - m["base"]])),
    "model_stock_rows_three": (
        case("model_stock", ["a", "b", "opposed"], {"filter_wise": True}),
        lambda m: stock_by_rows(m["base"], [m[k] - m["base"] for k in
                                            ["a", "b", "opposed"]])),
    "fisher": (case("fisher", ["a", "b", "fa", "fb"], base=None,
                    weight=[1, 0.6, 1, 1]),
               lambda m: fisher([m["a"], m["b"]], [m["fa"], m["fb"]],
                                [1, 0.6])),
}


def has_ties(x, base, share, top, dtype):
    """Would the choice among equal magnitudes matter?"""
    size = (x.to(dtype) - base.to(dtype)).abs().double().flatten()
    size = size.sort(descending=True).values
    kept = int(share * len(size))
    drop = min(int(top * len(size)), len(size) - kept)
    return any(0 < cut < len(size) and size[cut - 1] == size[cut]
               for cut in (drop, drop + kept))


def avoid_ties(case, tensors):
    """Moves densities and gammas to where mergekit's result is defined."""
    numbers = case["per_model"]
    types = [torch.float64, *TYPES.values()]
    for k, share in enumerate(numbers.get("density", [])):
        top = numbers.get("gamma", [0] * 9)[k]
        while share < 1 and any(has_ties(tensors[k], tensors[-1], share, top, t)
                                for t in types):
            share += 1 / tensors[k].numel()
            if top and share > 0.95:
                share, top = share - 0.3, top + 0.01
        numbers["density"][k] = share
        if "gamma" in numbers:
            numbers["gamma"][k] = top


def merge(case, tensors, dtype):
    ids = case["models"] + (["base"] if case["base"] else [])
    parameters = dict(case["settings"])
    for name, values in case["per_model"].items():
        parameters[name] = dict(zip(case["models"], values))
    return merge_tensors(tensors, case["rule"], parameters=parameters, ids=ids,
                         base_index=len(ids) - 1 if case["base"] else None,
                         dtype=dtype).contiguous()


def main():
    here = Path(__file__).resolve().parent.parent
    out = Path(sys.argv[1]) if len(sys.argv) > 1 else here / "tests/data/rules"
    out.mkdir(parents=True, exist_ok=True)
    given = models()
    exact, rounded = {}, {}
    for name, what in CASES.items():
        tensors = [given[m] for m in what["models"]]
        if what["base"]:
            tensors.append(given[what["base"]])
        avoid_ties(what, tensors)
        exact[name] = merge(what, tensors, torch.float64)
        if what["rule"] not in FAMILY:
            continue
        for short, dtype in TYPES.items():
            if what["settings"].get("rescale") and short != "F32":
                continue  # the ratio of two sums in 16 bits
            rounded[f"{name}/{short}"] = merge(what, tensors, dtype)
    double = {name: x.double() for name, x in given.items()}
    for name, (_, reference) in OURS.items():
        exact[name] = reference(double).contiguous()
    save_file({k: v.bfloat16() for k, v in given.items()},
              out / "models.safetensors")
    save_file(exact, out / "exact.safetensors")
    save_file(rounded, out / "rounded.safetensors")
    (out / "cases.json").write_text(json.dumps(
        CASES | {name: what for name, (what, _) in OURS.items()}, indent=1) + "\n")


if __name__ == "__main__":
    main()
