#!/usr/bin/env python3
"""Turns result files into a suite of `ridgeline validate` (configs/validation/pytorch-steps.yaml).

    make_suite.py configs/validation/pytorch-steps/*.jsonl > configs/validation/pytorch-steps.yaml
"""
import itertools
import json
import math
import sys

import cases

HEADER = """\
# Written by tests/validation/measure/make_suite.py from pytorch-steps/*.jsonl: do not edit.
# Whole training steps and forward passes of real PyTorch on one H100, one and two H200.
name: pytorch-steps
source: "our own measurements: configs/validation/pytorch-steps/*.jsonl, by tests/validation/measure; {versions}"
held_out: odd-sha256
tolerance: {{step_time: 12 %, pass_time: 15 %, memory.allocated: 5 %}}
"""
TRAINING, FORWARD = "training", "forward"
SPAN_IN_DEVIATIONS = 2.563  # from the 10th to the 90th percentile of a normal distribution
MEDIAN_OVER_MEAN = 1.253    # standard error of a median over that of a mean


def read(paths):
    found = {}
    for path in paths:
        with open(path, encoding="utf-8") as lines:
            for case in map(json.loads, lines):
                found[case["id"]] = case
    return found


def group_of(case):
    """The kind of a case: what it adds to plain eager steps on one GPU, or its phase."""
    scenario = case["scenario"]
    if FORWARD in scenario:
        block = scenario[FORWARD]
        two = " tp" if block["parallelism"]["tp"] > 1 else ""
        return f"{block['phase']}{two}"
    block = scenario[TRAINING]
    axes = block["parallelism"]
    if axes.get("pp", 1) > 1:
        return "pipeline"
    if axes.get("tp", 1) > 1:
        return "tensor"
    if block["sharding"] in ("ddp", "fsdp"):
        return block["sharding"]
    word = cases.WORD[cases.framework_of(block)]
    return word


def quantity(value, unit, digits):
    places = max(0, digits - 1 - math.floor(math.log10(value)))
    return f"{value:.{places}f} {unit}"


def measured_of(case):
    if case.get("out_of_memory"):
        return {"oom": True}
    if "failed" in case:
        return None
    m = case["measured"]
    name = "step_time" if TRAINING in case["scenario"] else "pass_time"
    return {name: quantity(1e3 * m[name + "_s"], "ms", 5),
            "memory.allocated": quantity(1e-9 * m["allocated_bytes"], "GB", 6)}


def spread_of(case):
    """Two standard errors of the median time, relative."""
    m = case.get("measured")
    if m is None:
        return None
    count = m.get("steps") or m["passes"]
    error = MEDIAN_OVER_MEAN * m["spread"] / SPAN_IN_DEVIATIONS / math.sqrt(count)
    return f"{200 * error:.2f} %"


def flat(value, prefix=""):
    if not isinstance(value, dict):
        return {prefix: value}
    found = {}
    for key, inner in value.items():
        found |= flat(inner, f"{prefix}.{key}" if prefix else key)
    return found


def difference(one, other):
    """What alone differs between two scenarios, in words, from one to the other; None if more does."""
    a, b = flat(one["scenario"]), flat(other["scenario"])
    keys = {key for key in a | b if a.get(key) != b.get(key)}
    ends = {key.split(".", 1)[1]: (a.get(key), b.get(key)) for key in keys
            if key.startswith(TRAINING) or key.startswith(FORWARD)}
    if len(ends) != len(keys):
        return None
    if set(ends) == {"framework"}:
        words = {("pytorch-eager", "pytorch-compile"): "compiled",
                 ("pytorch-eager", "pytorch-graph"): "captured",
                 ("pytorch-graph", "pytorch-compile-graph"): "compiled"}
        return words.get(ends["framework"])
    if set(ends) == {"recompute"} and ends["recompute"] == ("none", "full"):
        return "recompute full"
    if set(ends) == {"parallelism.sequence_parallel"} and ends[
            "parallelism.sequence_parallel"] == (False, True):
        return "sequence parallel"
    if "schedule" in ends and set(ends) <= {"schedule", "parallelism.vpp"}:
        before, after = ends["schedule"]
        return f"{after} for 1f1b" if before == "1f1b" else None
    return None


def one_line(value):
    return json.dumps(value, separators=(", ", ": ")).replace('"', "")


def main():
    found = read(sys.argv[1:])
    order = {case["id"]: index for index, case in enumerate(
        case for gpu in cases.NODES for group in cases.GROUPS for case in cases.cases_of(gpu, group))}
    kept = sorted((case for case in found.values() if measured_of(case)),
                  key=lambda case: order[case["id"]])
    ok = next(case for case in kept if "measured" in case)
    versions = (f"PyTorch {ok['torch']}, CUDA {ok['cuda']}, cuDNN {ok['cudnn']}, NCCL {ok['nccl']}, "
                f"driver {ok['driver']}")
    print(HEADER.format(versions=versions), end="")
    print("pairs:")
    for one, other in itertools.permutations(kept, 2):
        what = difference(one, other)
        if what:
            print(f"  - {{from: {one['id']}, to: {other['id']}, what: {what}}}")
    print("cases:")
    for case in kept:
        print(f"  - id: {case['id']}")
        print(f"    group: {group_of(case)}")
        if spread_of(case):
            print(f"    spread: {spread_of(case)}")
        print(f"    scenario: {one_line(case['scenario'])}")
        print(f"    measured: {one_line(measured_of(case))}")


if __name__ == "__main__":
    main()
