#!/usr/bin/env python3
"""Writes the files of points that a calibration run measures.

    points.py FOLDER [--ranks N] [--ranks-per-node N] [--seed S] [--scale X]

One file a family, JSON lines, shuffled by a fixed seed: a run that is cut off has measured a fair
sample. About two thirds of the shapes are those of models under tensor parallelism, with odd ones
between; the rest is drawn log-uniformly, so that no fit can live off the grid. `--scale 0.1` keeps a
tenth. Prints points and a rough estimate of the time for each file.
"""
import argparse
import json
import math
import os
import random
import sys

from attention_points import attention, decode, paged

# hidden, feed-forward (per expert for mixtures), heads, KV heads, head_dim, vocabulary
MODELS = {
    "llama-3.1-8b": (4096, 14336, 32, 8, 128, 128256),
    "llama-3.1-70b": (8192, 28672, 64, 8, 128, 128256),
    "llama-3.1-405b": (16384, 53248, 128, 8, 128, 128256),
    "llama-2-7b": (4096, 11008, 32, 32, 128, 32000),
    "qwen2.5-7b": (3584, 18944, 28, 4, 128, 152064),
    "qwen3-1.7b": (2048, 6144, 16, 8, 128, 151936),
    "qwen3-14b": (5120, 17408, 40, 8, 128, 151936),
    "qwen3-32b": (5120, 25600, 64, 8, 128, 151936),
    "qwen3-30b-a3b": (2048, 768, 32, 4, 128, 151936),
    "qwen3-235b-a22b": (4096, 1536, 64, 4, 128, 151936),
    "mixtral-8x7b": (4096, 14336, 32, 8, 128, 32000),
    "mixtral-8x22b": (6144, 16384, 48, 8, 128, 32000),
    "gpt-3-175b": (12288, 49152, 96, 96, 128, 50304),
    "gpt-2-xl": (1600, 6400, 25, 25, 64, 50304),
    "megatron-22b": (6144, 24576, 64, 64, 96, 51200),
    "deepseek-v3": (7168, 2048, 128, 128, 128, 129280),
    "gpt-oss-120b": (2880, 2880, 64, 8, 64, 201088),
}
ON_GRID = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768]
BETWEEN = [3, 6, 12, 24, 48, 96, 160, 192, 320, 384, 640, 768, 1280, 1536, 2560, 3072, 5120, 6144,
           12288, 24576]


def weights():
    """(n, k) of every linear layer above under tensor parallelism of 1 to 8."""
    shapes = set()
    for hidden, ffn, heads, kv_heads, dim, vocabulary in MODELS.values():
        for tp in (1, 2, 4, 8):
            if heads % tp == 0:
                qkv = (heads // tp + 2 * max(1, kv_heads // tp)) * dim
                shapes |= {(qkv, hidden), (hidden, heads // tp * dim)}
            if ffn % tp == 0:
                shapes |= {(2 * ffn // tp, hidden), (ffn // tp, hidden), (hidden, ffn // tp)}
            if vocabulary % tp == 0:
                shapes.add((vocabulary // tp, hidden))
    # Low-rank projections of multi-head latent attention.
    shapes |= {(1536, 7168), (576, 7168), (24576, 1536), (32768, 512), (7168, 16384), (2112, 7168)}
    return sorted(shape for shape in shapes if min(shape) >= 64)


class Draw:
    def __init__(self, seed, family):
        self.random = random.Random(f"{seed} {family}")
        self.points = {}

    def add(self, op, condition=None, chosen=None):
        point = {"op": op, "condition": {"clock": "burst", "launch": "graph", "cache": "cold",
                                         **(condition or {})}}
        if chosen:
            point["with"] = chosen
        self.points.setdefault(json.dumps(point, sort_keys=True), point)

    def log_uniform(self, low, high, multiple=1):
        value = math.exp(self.random.uniform(math.log(low), math.log(high)))
        return max(multiple, int(value / multiple + 0.5) * multiple)

    def until(self, count, draw):
        """Calls `draw`, which adds a point or does not, until `count` more are there."""
        wanted = len(self.points) + count
        for _ in range(50 * count):
            if len(self.points) >= wanted:
                break
            draw()

    def write(self, path, scale):
        points = list(self.points.values())
        self.random.shuffle(points)
        points = points[:max(1, round(scale * len(points)))] if points else points
        with open(path, "w", encoding="utf-8") as out:
            for point in points:
                out.write(json.dumps(point, separators=(",", ":")) + "\n")
        return points


def gemm(draw):
    grid = weights()
    pick = draw.random.choice

    def shape(on_grid, multiple=8):
        """m, n, k of at most 25 TFLOP; large ones are kept rare, for they take long."""
        while True:
            if on_grid:
                n, k = pick(grid)
                if n % multiple or k % multiple:
                    continue
                m = pick(ON_GRID) if draw.random.random() < 0.7 else pick(BETWEEN)
            else:
                m = draw.log_uniform(1, 32768)
                n = draw.log_uniform(64, 65536, multiple)
                k = draw.log_uniform(64, 32768, multiple)
            flops = 2.0 * m * n * k
            if flops <= 5e12 or (flops <= 2.5e13 and draw.random.random() < 0.3):
                return m, n, k

    def one(on_grid, dtype="bf16", multiple=8, layout="TN", condition=None, row_multiple=1, **more):
        m, n, k = shape(on_grid, multiple)
        m = max(row_multiple, m // row_multiple * row_multiple)
        draw.add({"op": "gemm", "dtype": dtype, "m": m, "n": n, "k": k, **more},
                 {"layout": layout, **(condition or {})})

    draw.until(3000, lambda: one(True))
    draw.until(1300, lambda: one(False))
    draw.until(60, lambda: one(False, multiple=1))  # widths that no kernel likes
    for layout in ("NN", "NT"):
        draw.until(450, lambda layout=layout: one(True, layout=layout))
        draw.until(200, lambda layout=layout: one(False, layout=layout))
    draw.until(250, lambda: one(True, layout="NT", output_dtype="fp32", accumulates=True))
    draw.until(60, lambda: one(False, layout="NT", output_dtype="fp32", accumulates=True))
    # Rows need no multiple of 16 (decoding has few), and are often padded to one.
    draw.until(1600, lambda: one(True, "fp8", 16, row_multiple=pick([1, 16])))
    draw.until(800, lambda: one(False, "fp8", 16, row_multiple=pick([1, 16])))
    draw.until(200, lambda: one(True, "fp16"))
    draw.until(80, lambda: one(False, "fp16"))
    draw.until(150, lambda: one(True, "tf32"))
    draw.until(60, lambda: one(False, "tf32", 4))
    draw.until(150, lambda: one(True, "int8", 16, row_multiple=16))
    draw.until(60, lambda: one(False, "int8", 16, row_multiple=16))
    draw.until(120, lambda: one(True, condition={"cache": "warm"}))
    draw.until(100, lambda: one(True, condition={"launch": "eager"}))

    def batched():
        batch = draw.log_uniform(2, 512)
        m = pick([1, 16, 64, 128, 512, 1024, 2048, draw.log_uniform(1, 2048)])
        n = pick([64, 128, 512, 1024, 2048, draw.log_uniform(32, 2048, 8)])
        k = pick([64, 128, 192, 512, 1024, 2048, draw.log_uniform(32, 2048, 8)])
        if 2.0 * batch * m * n * k <= 5e12 and batch * (m * n + m * k + n * k) <= 1e9:
            draw.add({"op": "gemm", "dtype": "bf16", "m": m, "n": n, "k": k, "batch": batch},
                     {"layout": pick(["TN", "NN"])})

    draw.until(300, batched)


def sustained(draw):
    """Two seconds each: GEMM and one kernel bound by memory, back to back until clocks settle."""
    hot = {"clock": "sustained"}
    for dtype in ("bf16", "fp8"):
        for m, n, k in ((8192, 8192, 8192), (4096, 4096, 4096), (16384, 14336, 4096),
                        (2048, 8192, 28672), (1024, 8192, 8192), (512, 57344, 8192),
                        (128, 8192, 28672), (16, 28672, 8192)):
            draw.add({"op": "gemm", "dtype": dtype, "m": m, "n": n, "k": k},
                     {"layout": "TN", **hot})
            draw.add({"op": "gemm", "dtype": dtype, "m": m, "n": n, "k": k}, {"layout": "TN"})
    def drawn():
        n, k = draw.random.choice(weights())
        m = draw.log_uniform(16, 16384, 8)
        if 2.0 * m * n * k <= 5e12:
            dtype = draw.random.choice(["bf16", "bf16", "fp8"])
            for clock in (hot, {}):
                draw.add({"op": "gemm", "dtype": dtype, "m": m, "n": n // 16 * 16, "k": k // 16 * 16},
                         {"layout": "TN", **clock})

    draw.until(40, drawn)
    for layout in ("NN", "NT"):
        draw.add({"op": "gemm", "dtype": "bf16", "m": 8192, "n": 8192, "k": 8192},
                 {"layout": layout, **hot})
    draw.add({"op": "gemm", "dtype": "tf32", "m": 8192, "n": 8192, "k": 8192},
             {"layout": "TN", **hot})
    draw.add({"op": "copy", "dtype": "bf16", "bytes": 1 << 30}, hot)
    draw.add({"op": "rmsnorm", "dtype": "bf16", "tokens": 8192, "hidden": 8192}, hot)


def moe(draw):
    pick = draw.random.choice
    mixtures = [(8, 4096, 14336, 2), (8, 6144, 16384, 2), (128, 2048, 768, 8), (128, 4096, 1536, 8),
                (256, 7168, 2048, 8), (64, 2048, 1408, 6), (16, 5120, 8192, 1), (32, 2880, 2880, 4)]

    def one():
        experts, hidden, ffn, top_k = pick(mixtures)
        groups = max(1, experts // pick([1, 1, 2, 4, 8]))  # expert parallelism
        rows = max(1, draw.log_uniform(1, 16384) * top_k * groups // experts)
        groups = min(groups, rows)
        n, k = pick([(2 * ffn, hidden), (hidden, ffn)])
        if 2.0 * rows * n * k <= 2e13 and 2.0 * groups * n * k <= 1.2e10:
            draw.add({"op": "grouped_gemm", "dtype": "bf16", "groups": groups, "m": rows, "n": n,
                      "k": k}, {"layout": "TN"}, pick(["cublas", "cublas", "cublas-skewed"]))

    draw.until(260, one)


def experts(draw):
    """What cuBLAS's grouped call lacks or frameworks do not call: PyTorch's grouped GEMM."""
    moe(draw)
    shapes = [(point["op"], point.get("with")) for point in draw.points.values()]
    draw.points.clear()
    for i, (op, chosen) in enumerate(shapes):
        dtype = {"dtype": "fp8"} if i % 2 == 0 else {}
        draw.add({**op, **dtype}, {"layout": "TN"},
                 "skewed" if chosen.endswith("skewed") else None)


def hbm(draw):
    pick = draw.random.choice
    widths = sorted({model[0] for model in MODELS.values()})

    def tokens(most):
        if draw.random.random() < 0.6:
            return min(most, pick(ON_GRID))
        return min(most, draw.log_uniform(1, 32768))

    def width(low=512, high=16384):
        return pick(widths) if draw.random.random() < 0.7 else draw.log_uniform(low, high, 64)

    def norm():
        op = {"op": pick(["rmsnorm", "rmsnorm", "layernorm"]), "dtype": "bf16",
              "tokens": tokens(32768), "hidden": width()}
        if draw.random.random() < 0.4:
            op["residual"] = True
        draw.add(op)

    def rotary():
        heads, kv_heads, dim = pick([m[2:5] for m in MODELS.values() if m[4] in (64, 128)])
        tp = pick([1, 1, 2, 4])
        draw.add({"op": "rotary", "dtype": "bf16", "tokens": tokens(32768),
                  "heads": max(1, heads // tp), "kv_heads": max(1, kv_heads // tp),
                  "head_dim": dim})

    def activation():
        ffn = pick([m[1] for m in MODELS.values()]) // pick([1, 2, 4, 8]) // 8 * 8
        if draw.random.random() < 0.3:
            ffn = draw.log_uniform(256, 32768, 8)
        rows = tokens(32768)
        if rows * ffn <= 1.2e9:
            draw.add({"op": pick(["swiglu", "swiglu", "gelu"]), "dtype": "bf16", "tokens": rows,
                      "ffn": ffn})

    def element_wise():
        draw.add({"op": pick(["residual_add", "residual_add", "embedding"]), "dtype": "bf16",
                  "tokens": tokens(32768), "hidden": width()})

    def softmax():
        rows, columns = tokens(32768), pick([512, 1024, 2048, 4096, 8192, 32000, 128256, 151936,
                                             draw.log_uniform(128, 131072, 8)])
        if rows * columns <= 2e9:
            draw.add({"op": "softmax", "dtype": "bf16", "tokens": rows, "hidden": columns})

    def cross_entropy():
        rows = tokens(16384)
        vocabulary = pick([32000, 50304, 128256, 129280, 151936, 16032, 64128,
                           draw.log_uniform(8192, 262144, 8)])
        if rows * vocabulary <= 2e9:
            draw.add({"op": "cross_entropy", "dtype": "bf16", "tokens": rows,
                      "vocabulary": vocabulary})

    def adam():
        draw.add({"op": "adam", "dtype": pick(["bf16", "bf16", "fp32"]),
                  "gradient_dtype": pick(["fp32", "bf16"]),
                  "parameters": draw.log_uniform(1 << 14, 4e8, 8)})

    def cast():
        source, target = pick([("bf16", "fp32"), ("fp32", "bf16"), ("bf16", "fp8"),
                               ("bf16", "fp8")])
        draw.add({"op": "cast", "dtype": source, "output_dtype": target,
                  "elements": draw.log_uniform(1 << 12, 1 << 30, 16)})

    def copy():
        draw.add({"op": "copy", "dtype": "bf16", "bytes": draw.log_uniform(1 << 12, 8e9, 64)},
                 pick([None, None, None, {"cache": "warm"}]))

    def gemv():
        n, k = pick([shape for shape in weights() if shape[1] % 128 == 0])
        draw.add({"op": "dequant_gemv", "dtype": pick(["int4", "int8"]), "m": 1, "n": n, "k": k})

    for count, one in ((330, norm), (140, rotary), (240, activation), (160, element_wise),
                       (120, softmax), (120, cross_entropy), (120, adam), (120, cast), (100, copy),
                       (60, gemv)):
        draw.until(count, one)
    for dtype, count in (("fp32", 40),):
        draw.until(count, lambda dtype=dtype: draw.add(
            {"op": pick(["rmsnorm", "residual_add", "softmax"]), "dtype": dtype,
             "tokens": tokens(8192), "hidden": width()}))
    draw.until(30, lambda: draw.add({"op": "rmsnorm", "dtype": "bf16", "tokens": tokens(8192),
                                     "hidden": width()}, {"launch": "eager"}))


def host(draw):
    """Launches, and copies between host and device."""
    for launch in ("graph", "eager"):
        for blocks in (1, 132, 1056):
            draw.add({"op": "launch", "blocks": blocks, "threads": 128}, {"launch": launch})
    for op in ("host_to_device", "device_to_host"):
        for power in range(10, 31, 2):
            draw.add({"op": op, "bytes": 1 << power}, {"cache": "warm"})


def beside(draw, ranks):
    """One thing beside another, both directions: on one GPU a copy, on several collectives."""
    gemms = [(4096, 4096, 4096), (8192, 8192, 8192), (4096, 14336, 4096), (2048, 8192, 28672),
             (512, 8192, 8192), (64, 8192, 8192), (16384, 1024, 8192)]
    others = [{"op": "rmsnorm", "dtype": "bf16", "tokens": 16384, "hidden": 8192},
              {"op": "swiglu", "dtype": "bf16", "tokens": 8192, "ffn": 14336}]
    work = [{"op": "gemm", "dtype": "bf16", "m": m, "n": n, "k": k} for m, n, k in gemms] + others
    if ranks == 1:
        for size in (1 << 22, 1 << 25, 1 << 28):
            for each in work:
                copy = {"op": "copy", "dtype": "bf16", "bytes": size}
                draw.add({"op": "beside", "of": each, "beside": copy})
                draw.add({"op": "beside", "of": copy, "beside": each})
        return
    for name in ("all_reduce", "all_gather", "reduce_scatter", "all_to_all"):
        for size in (1 << 20, 1 << 24, 1 << 26, 1 << 28):
            collective = {"op": name, "dtype": "bf16", "bytes": size, "ranks": ranks}
            for each in work:
                draw.add({"op": "beside", "of": each, "beside": collective})
                draw.add({"op": "beside", "of": collective, "beside": each})


def collectives(draw, ranks, per_node):
    kinds = ("all_reduce", "all_gather", "reduce_scatter", "all_to_all", "broadcast", "send")
    for kind in kinds:
        group = {"ranks": 2 if kind == "send" else ranks}
        if per_node:
            group["ranks_per_node"] = min(per_node, group["ranks"])

        def add(size, kind=kind, group=group, **condition):
            unit = 16 * ranks
            draw.add({"op": kind, "dtype": "bf16", "bytes": max(unit, size // unit * unit),
                      **group}, condition)

        for power in range(10, 31):
            add(1 << power)
            if power % 2 == 0:
                add(1 << power, launch="eager")
        for _ in range(14):
            add(draw.log_uniform(1 << 10, 1 << 30))
        for power in (12, 20, 24):
            add(1 << power, cache="warm")


def estimated_seconds(point):
    """Rough: what measuring takes on an H100, setting up included."""
    op = point["op"]
    if point["condition"]["clock"] == "sustained":
        return 2.0
    one = 0.0
    if op["op"] == "gemm":
        rate = {"fp8": 1.2e15, "int8": 1.2e15, "tf32": 3.5e14}.get(op["dtype"], 6.5e14)
        one = 2.0 * op["m"] * op["n"] * op["k"] * op.get("batch", 1) / rate
    elif op["op"] == "attention" and op["phase"] == "prefill":
        flops = 4.0 * op["batch"] * op["heads"] * op["head_dim"] * op["q_len"] * op["kv_len"]
        flops *= 0.5 if op["causal"] else 1.0
        one = flops * (2.5 / 4.5e14 if op["pass"] == "backward" else 1 / 5e14)
    set_up = 0.05 if op["op"] == "attention" else 0.012
    return set_up + (5 if one > 15e-3 else 8) * max(one, 2e-3)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder")
    parser.add_argument("--ranks", type=int, default=1)
    parser.add_argument("--ranks-per-node", type=int, default=0)
    parser.add_argument("--seed", type=int, default=4)
    parser.add_argument("--scale", type=float, default=1.0)
    arguments = parser.parse_args()
    ranks = arguments.ranks
    files = {"beside": lambda draw: beside(draw, ranks)}
    if ranks == 1:
        files |= {"gemm": gemm, "sustained": sustained, "moe": moe, "hbm": hbm,
                  "attention": attention, "host": host, "paged": paged,
                  "decode": decode, "experts": experts}
    else:
        files["collectives"] = lambda draw: collectives(draw, ranks, arguments.ranks_per_node)
    if ranks == 2:
        files["peer"] = lambda draw: [
            draw.add({"op": "peer_copy", "bytes": 1 << power}) for power in range(10, 31)]
    os.makedirs(arguments.folder, exist_ok=True)
    for family, fill in sorted(files.items()):
        draw = Draw(arguments.seed, family)
        fill(draw)
        points = draw.write(os.path.join(arguments.folder, f"{family}.jsonl"), arguments.scale)
        seconds = sum(estimated_seconds(point) for point in points)
        print(f"{family:12} {len(points):6} points, about {seconds:5.0f} s on an H100")
    return 0


if __name__ == "__main__":
    sys.exit(main())
