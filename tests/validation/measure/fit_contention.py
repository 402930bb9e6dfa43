"""Fits the coefficients of sim/training/contention.h to the points of collectives beside computation.

usage: python3 tests/validation/measure/fit_contention.py [configs/calibration/points]

Points with a neighbour for 90 % of the time and collectives of 64 MiB and more; the rested repeat of a point where there is one.
Prints the best coefficients of a grid search over squared logarithms and the residuals by kind of operation.
"""

import gzip
import itertools
import json
import math
import pathlib
import statistics
import sys

MULTIPROCESSORS = 132
CHANNELS = {"all_reduce": 24, "all_gather": 24, "reduce_scatter": 24, "all_to_all": 32}
MEMORY = 0.85 * 4.8e12  # bytes/s
PASSES = {"all_reduce": 3, "all_gather": 4, "reduce_scatter": 4, "all_to_all": 4}
SENT = {"all_reduce": 1.0, "all_gather": 0.5, "reduce_scatter": 0.5, "all_to_all": 0.5}  # of two ranks
ONE_WAVE = 512  # rows of the product whose tiles fill the GPU once: left out of the fit


def bytes_of(op):
    if op["op"] == "gemm":
        m, n, k = op["m"], op["n"], op["k"]
        return 2 * (m * k + k * n + m * n)
    return 4 * op["tokens"] * op["hidden"] if op["op"] == "rmsnorm" else 6 * op["tokens"] * op["ffn"]


def points(folder):
    seen = {}
    for name in ("beside_collectives_rested", "beside_collectives"):
        with gzip.open(folder / f"h200-sxm-{name}.jsonl.gz", "rt") as lines:
            for line in lines:
                point = json.loads(line)
                seen.setdefault(json.dumps(point["op"], sort_keys=True), point)
    return [point for point in seen.values() if point["covered"] >= 0.9]


def name_of(op):
    return f"gemm {op['m']}x{op['n']}x{op['k']}" if op["op"] == "gemm" else op["op"]


def report(title, coefficients, residuals):
    logs = [abs(math.log(ratio)) for _, ratio in residuals]
    print(f"{title}: {coefficients}; {len(logs)} points, median {statistics.median(logs):.1%}, p90 {sorted(logs)[int(0.9 * len(logs))]:.1%}")
    for name in sorted({name for name, _ in residuals}):
        own = [ratio for other, ratio in residuals if other == name]
        print(f"    {name:28} {len(own):3}  predicted / measured {statistics.median(own):.2f}")


def main():
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "configs/calibration/points")
    computations, collectives = [], []
    for point in points(folder):
        of, beside = point["op"]["of"], point["op"]["beside"]
        if of["op"] in SENT and of["bytes"] >= 2**26 and point["beside_alone_s"] < 1e-3:
            memory = min(1.0, bytes_of(beside) / point["beside_alone_s"] / MEMORY)
            wait = point["beside_alone_s"] / point["alone_s"]
            collectives.append((name_of(beside), memory, wait, point["ratio"]))
        elif of["op"] not in SENT and beside["bytes"] >= 2**26:
            kind = beside["op"]
            memory = min(1.0, bytes_of(of) / point["alone_s"] / MEMORY)
            moved = PASSES[kind] * SENT[kind] * beside["bytes"] / point["beside_alone_s"] / MEMORY
            computations.append((name_of(of), of.get("m"), memory, CHANNELS[kind] / MULTIPROCESSORS, moved, point["ratio"]))

    def computation(held, felt, memory, channels, moved):
        return 1 + (1 - memory) * (1 / (1 - held * channels) - 1) + memory * (1 / (1 - felt * moved) - 1)

    def collective(base, by_memory, wait, memory, kernel):
        return base + by_memory * memory + wait * kernel

    steps = [0.05 * i for i in range(0, 31)]
    best = min(itertools.product(steps, steps[:23]), key=lambda c: sum(math.log(computation(*c, *p[2:5]) / p[5]) ** 2 for p in computations if p[1] != ONE_WAVE))
    report("computation (held by a channel, memory felt)", [round(c, 2) for c in best], [(p[0], computation(*best, *p[2:5]) / p[5]) for p in computations])
    best = min(itertools.product([1 + s for s in steps[:11]], steps[:21], steps[:21]), key=lambda c: sum(math.log(collective(*c, p[1], p[2]) / p[3]) ** 2 for p in collectives))
    report("collective (base, by memory, wait)", [round(c, 2) for c in best], [(p[0], collective(*best, p[1], p[2]) / p[3]) for p in collectives])


if __name__ == "__main__":
    main()
