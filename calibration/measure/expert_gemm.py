#!/usr/bin/env python3
"""Times the grouped GEMM of a mixture's experts as PyTorch runs it: bf16 and fp8 with row scales.

    expert_gemm.py --points FILE --out FILE [--seconds S] [--gpu NAME] [--check]

fp8 (nothing else here has it) goes to torch._scaled_grouped_mm with a scale for each row of the
input and for each output of the weights; bf16 to torch._grouped_mm. How the rows fall to the experts is as in grouped_gemm.cu: evenly, or "skewed" by Zipf's law. Reads
and writes the files of ridgeline_measure, in the conditions of torch_bench.py.
"""
import math
import sys

from torch_bench import Unsupported, run_points

FP8_SHARE = 0.5  # of the operand pool's elements


def rows_of_experts(groups, rows, skewed):
    """As RowsOfExperts in grouped_gemm.cu: the shares are rounded as running sums."""
    shares = [1 / (i + 1) if skewed else 1.0 for i in range(groups)]
    whole, so_far, before, given = sum(shares), 0.0, 0, []
    for share in shares:
        so_far += share
        upto = math.floor(rows * so_far / whole + 0.5)
        given.append(upto - before)
        before = upto
    return given


class ExpertGemm:
    """From a point to callables, one an operand set."""

    def __init__(self, torch, bench, arguments):
        self.torch = torch
        self.bench = bench
        self.checks = arguments.check
        self.fp8 = None
        self.fp8_used = 0

    def take(self, fp8, *shape):
        if not fp8:
            return self.bench.take(*shape)
        torch = self.torch
        if self.fp8 is None:
            count = int(FP8_SHARE * self.bench.pool.numel())
            self.fp8 = torch.empty(count, dtype=torch.float8_e4m3fn, device="cuda")
            step = 1 << 28
            for start in range(0, count, step):
                self.fp8[start:start + step] = self.bench.pool[start:start + step][
                    :max(0, count - start)].to(torch.float8_e4m3fn)
        count = math.prod(shape)
        start = self.fp8_used
        self.fp8_used += (count + 127) // 128 * 128
        if self.fp8_used > self.fp8.numel():
            raise Unsupported(f"out of memory: operands need {1e-9 * self.fp8_used:.1f} GB, the "
                              f"pool has {1e-9 * self.fp8.numel():.1f}")
        return self.fp8[start:start + count].view(*shape)

    def prepare(self, op, chosen):
        """Returns (calls, bytes of a set, library's name)."""
        torch = self.torch
        dtype = op.get("dtype", "bf16")
        known = {"fp8": ("", "skewed"), "bf16": ("", "skewed")}.get(dtype, ())
        if chosen not in known or op.get("weight_gradient"):
            raise Unsupported(f"no grouped GEMM here in {dtype} with '{chosen}'")
        fp8 = dtype == "fp8"
        groups, rows, n, k = (op[name] for name in ("groups", "m", "n", "k"))
        if n % 16 or k % 16:
            raise Unsupported("PyTorch's grouped GEMM takes widths that are multiples of 16")
        self.bench.used = self.fp8_used = 0
        torch.cuda.synchronize()
        given = rows_of_experts(groups, rows, chosen.endswith("skewed"))
        width = 1 if fp8 else 2
        size = width * (groups * n * k + rows * k) + 2 * rows * n
        calls = []
        with torch.cuda.stream(self.bench.stream):
            ends = torch.tensor(given).cumsum(0).to(torch.int32).cuda()
            for _ in range(self.bench.sets_for(size)):
                try:
                    inputs = self.take(fp8, rows, k)
                    weights = self.take(fp8, groups, n, k)
                except Unsupported:
                    if not calls:
                        raise
                    break
                multiply = self.scaled if fp8 else self.plain
                call = multiply(inputs, weights, ends)
                if self.checks and not calls:
                    self.compare(call(), inputs, weights, given)
                calls.append(call)
        self.bench.stream.synchronize()
        name = "_scaled_grouped_mm" if fp8 else "_grouped_mm"
        return calls, size, f"torch.{name} {torch.__version__}"

    def plain(self, inputs, weights, ends):
        turned = weights.transpose(1, 2)
        return lambda: self.torch._grouped_mm(inputs, turned, offs=ends)

    def scaled(self, inputs, weights, ends):
        torch = self.torch
        turned = weights.transpose(1, 2)
        of_rows = torch.ones(inputs.shape[0], dtype=torch.float32, device="cuda")
        of_outputs = torch.ones(weights.shape[:2], dtype=torch.float32, device="cuda")
        return lambda: torch._scaled_grouped_mm(inputs, turned, of_rows, of_outputs, offs=ends,
                                                out_dtype=torch.bfloat16, use_fast_accum=True)

    def compare(self, got, inputs, weights, given):
        """Against fp32 on upcast inputs, for small points."""
        if inputs.shape[0] * weights.shape[1] * weights.shape[2] > 1 << 34:
            return
        before, error, whole = 0, 0.0, 0.0
        for expert, rows in enumerate(given):
            part = slice(before, before + rows)
            wanted = inputs[part].float() @ weights[expert].float().t()
            error += (got[part].float() - wanted).square().sum().item()
            whole += wanted.square().sum().item()
            before += rows
        relative = math.sqrt(error / whole)
        if not relative < 2e-2:
            raise RuntimeError(f"grouped GEMM is wrong: relative error {relative:.3g}")


if __name__ == "__main__":
    sys.exit(run_points(ExpertGemm, "grouped_gemm", __doc__.splitlines()[0]))
