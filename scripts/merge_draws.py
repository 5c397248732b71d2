"""DARE and DELLA with soup's draws, in float64: check_merges.py.

Written from the papers (arXiv 2311.03099, 2406.11617), TIES (2306.01708) and
the definition of the draws in src/core/philox.h and src/recipe/draws.h, which
mergekit's generator cannot give.
"""

import numpy
import torch
import xxhash

MASK = numpy.uint64(0xFFFFFFFF)
HALF = numpy.uint64(32)


def philox(counter, key):
    """Philox4x32-10 of columns of counters."""
    c = [x.astype(numpy.uint64) for x in counter]
    low, high = key & 0xFFFFFFFF, key >> 32
    for _ in range(10):
        a = numpy.uint64(0xD2511F53) * c[0]
        b = numpy.uint64(0xCD9E8D57) * c[2]
        c = [(b >> HALF) ^ c[1] ^ numpy.uint64(low), b & MASK,
             (a >> HALF) ^ c[3] ^ numpy.uint64(high), a & MASK]
        low = (low + 0x9E3779B9) & 0xFFFFFFFF
        high = (high + 0xBB67AE85) & 0xFFFFFFFF
    return c


def draws(seed, name, ingredient, count):
    """32 random bits for every element."""
    text = seed.to_bytes(8, "little") + name.encode()
    key = xxhash.xxh3_128_intdigest(text) & 0xFFFFFFFFFFFFFFFF
    block = numpy.arange((count + 3) // 4, dtype=numpy.uint64)
    four = philox([block & MASK, block >> HALF,
                   numpy.full_like(block, ingredient),
                   numpy.zeros_like(block)], key)
    return numpy.stack(four, 1).reshape(-1)[:count]


def kept(method, delta, drawn, density, epsilon):
    """Which elements of a task vector stay."""
    drawn = torch.from_numpy(drawn.astype(numpy.float64)).reshape(delta.shape)
    if method.startswith("dare"):
        return drawn < numpy.floor(density * 2**32)
    rows = delta.reshape(delta.shape[0] if delta.dim() > 1 else 1, -1)
    rank = rows.abs().float().sort(dim=1, stable=True).indices.argsort(dim=1)
    last = rows.shape[1] - 1
    share = ((density - epsilon) + 2 * epsilon / last * rank.double() if last
             else torch.full_like(rows, density))
    return drawn < (share.clamp(0, 1) * 2**32).floor().reshape(delta.shape)


def merge(config, name, donors, base):
    """One tensor; the base model is the last ingredient."""
    method, shared = config["merge_method"], config["parameters"]
    base = base.double()
    terms, weights = [], []
    for k, (given, donor) in enumerate(zip(config["models"], donors)):
        delta = donor.double() - base
        weight = given["parameters"]["weight"]
        stays = kept(method, delta, draws(0, name, k, delta.numel()),
                     shared["density"], shared.get("epsilon", 0.15))
        rest = delta * stays
        total, left = delta.abs().sum(), rest.abs().sum()
        if min(total, left) >= 1e-7:
            rest = rest * (total / left)
        terms.append(rest * weight)
        weights.append(weight)
    terms = torch.stack(terms)
    by = torch.tensor(weights, dtype=torch.float64)
    by = by.reshape(-1, *[1] * base.dim())
    counts = torch.ones_like(terms, dtype=torch.bool)
    if method in ("dare_ties", "della"):
        sign = torch.where(terms.sum(0) >= 0, 1.0, -1.0)
        counts = terms.sign() == sign
    merged = (terms * counts).sum(0)
    if shared.get("normalize", method == "della"):
        divisor = (by * counts).sum(0)
        merged = merged / torch.where(divisor == 0, 1.0, divisor)
    return base + shared.get("lambda", 1) * merged
