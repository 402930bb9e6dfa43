"""How much longer products in fp8 take when partial sums go to fp32 registers.

Transformer Engine and torchao add so in the products of gradients (split accumulator); the measured
tables hold the fast kind. Prints a JSON line a shape: seconds of the fast and of the precise
product with a bf16 result, of the precise one with an fp32 result, and of bf16.

    python3 fp8_accumulation.py > fp8-accumulation.jsonl
"""
import json
import time

import torch

SHAPES = [(8192, 8192), (7168, 8192), (2560, 8192), (8192, 2048), (14336, 4096), (4096, 14336), (28672, 8192), (8192, 28672),
          (13312, 16384), (16384, 6656), (6144, 4096), (12288, 12288)]


def seconds(run, budget=0.15):
    """Median of one execution in a replayed graph of about 10 ms, rested between replays."""
    for _ in range(3):
        run()
    torch.cuda.synchronize()
    begin = time.time()
    run()
    torch.cuda.synchronize()
    count = max(1, min(200, int(0.01 / max(time.time() - begin, 2e-6))))
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for _ in range(count):
            run()
    times = []
    end = time.time() + budget
    while time.time() < end or len(times) < 4:
        start, stop = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        torch.cuda.synchronize()
        time.sleep(0.03)
        start.record()
        graph.replay()
        stop.record()
        torch.cuda.synchronize()
        times.append(start.elapsed_time(stop) * 1e-3 / count)
    return sorted(times)[len(times) // 2]


def main():
    one = torch.tensor(1.0, device="cuda")
    for m in (4096, 8192, 16384):
        for n, k in SHAPES:
            a = torch.randn(m, k, device="cuda")
            b = torch.randn(n, k, device="cuda")
            a8, b8 = a.to(torch.float8_e4m3fn), b.to(torch.float8_e4m3fn).t()
            a16, b16 = a.to(torch.bfloat16), b.to(torch.bfloat16).t()
            line = {"m": m, "n": n, "k": k}
            for name, fast, result in (("fast", True, torch.bfloat16), ("precise", False, torch.bfloat16),
                                       ("precise_fp32", False, torch.float32)):
                line[name] = seconds(lambda: torch._scaled_mm(a8, b8, one, one, out_dtype=result, use_fast_accum=fast))
            line["bf16"] = seconds(lambda: a16 @ b16)
            print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
