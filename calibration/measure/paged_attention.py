#!/usr/bin/env python3
"""Times decode attention over a paged KV cache as serving engines run it: FlashInfer's kernels.

    paged_attention.py --points FILE --out FILE --modules FOLDER [--seconds S] [--gpu NAME] [--check]

`--modules`: what flashinfer_modules.py compiled (default: $RIDGELINE_FLASHINFER). Two kinds of point,
both phase "decode" with one query a sequence:

  with "flashinfer-paged": keys and values in pages of 16 tokens, in random order. Four or more query
  heads a KV head go to the tensor-core kernels, as FlashInfer advises; fewer to the others.

  head_dim 576, v_head_dim 512, one KV head, nothing said with: multi-head latent attention with
  absorbed weights, pages of 64 tokens, FlashInfer's kernel for Hopper.

The plan (which block takes which part of which context) is made outside the time, once a point: an
engine makes it once a step, for all layers. Reads and writes the files of ridgeline_measure, in the
conditions of torch_bench.py.
"""
import math
import os
import sys

from torch_bench import Unsupported, run_points

PAGE = 16
MLA_PAGE = 64
MLA_WIDTH = 576
MLA_VALUES = 512
TENSOR_CORE_GROUP = 4
FLOAT_WORKSPACE = 1 << 30
INT_WORKSPACE = 64 << 20


class PagedAttention:
    """From a point to callables, one an operand set."""

    def __init__(self, torch, bench, arguments):
        self.torch = torch
        self.bench = bench
        self.checks = arguments.check
        self.folder = arguments.modules
        self.modules = {}
        self.version = ""
        if not self.folder:
            return
        version = os.path.join(self.folder, "version.txt")
        if os.path.exists(version):
            with open(version, encoding="utf-8") as text:
                self.version = " " + text.read().strip()
        self.floats = torch.empty(FLOAT_WORKSPACE, dtype=torch.uint8, device="cuda")
        self.ints = torch.empty(INT_WORKSPACE, dtype=torch.uint8, device="cuda")
        self.pinned = torch.empty(INT_WORKSPACE, dtype=torch.uint8, pin_memory=True)

    def module(self, name):
        if not self.folder:
            raise Unsupported("FlashInfer's modules are not here (flashinfer_modules.py makes them)")
        if name not in self.modules:
            path = os.path.join(self.folder, name + ".so")
            if not os.path.exists(path):
                raise Unsupported(f"no module {name} of FlashInfer here")
            import tvm_ffi
            self.modules[name] = tvm_ffi.load_module(path)
        return self.modules[name]

    def on_our_stream(self, call):
        """FlashInfer launches on tvm_ffi's current stream, which is not PyTorch's."""
        import tvm_ffi
        with tvm_ffi.use_torch_stream():
            return call()

    def prepare(self, op, chosen):
        """Returns (calls, bytes of a set, library's name)."""
        torch = self.torch
        if op.get("phase") != "decode" or op.get("q_len", 1) != 1:
            raise Unsupported("paged attention is measured in decoding, one query a sequence")
        if op.get("dtype", "bf16") != "bf16" or op.get("window", 0):
            raise Unsupported("paged attention is measured in bf16, without a window")
        self.bench.used = 0
        shape = dict(batch=op.get("batch", 1), context=op["kv_len"], heads=op["heads"])
        torch.cuda.synchronize()
        with torch.cuda.stream(self.bench.stream):
            if op.get("v_head_dim", op["head_dim"]) != op["head_dim"]:
                if (op["head_dim"], op["v_head_dim"], op["kv_heads"]) != (MLA_WIDTH, MLA_VALUES, 1):
                    raise Unsupported("latent attention is measured as 512 + 64, one KV head")
                if chosen:
                    raise Unsupported(f"no such kernel of latent attention: {chosen}")
                made = self.latent(**shape)
            elif chosen == "flashinfer-paged":
                made = self.paged(kv_heads=op["kv_heads"], dim=op["head_dim"], **shape)
            else:
                raise Unsupported(f"no such kernel here: {chosen}")
        self.bench.stream.synchronize()
        return made

    def pages(self, batch, context, page):
        """Page counts and last fill on the host; a maker of random block tables."""
        torch = self.torch
        each = -(-context // page)
        offsets = torch.arange(0, batch + 1, dtype=torch.int32) * each
        last = torch.full((batch,), context - (each - 1) * page, dtype=torch.int32)
        table = lambda: torch.randperm(batch * each, device="cuda").to(torch.int32)
        return each, offsets, last, table

    def paged(self, batch, context, heads, kv_heads, dim):
        torch = self.torch
        group = heads // kv_heads
        if dim not in (64, 128) or (group < TENSOR_CORE_GROUP and group not in (1, 2, 3)):
            raise Unsupported("FlashInfer is measured with heads of 64 and 128")
        dense = group >= TENSOR_CORE_GROUP
        module = self.module(("paged" if dense else "decode") + str(dim))
        each, offsets, last, table = self.pages(batch, context, PAGE)
        queries = torch.arange(0, batch + 1, dtype=torch.int32)
        # As in engines, planned for use inside a CUDA graph.
        if dense:
            lengths = torch.full((batch,), context, dtype=torch.int32)
            plan = self.on_our_stream(lambda: module.plan(
                self.floats, self.ints, self.pinned, queries, offsets, lengths, batch, batch, heads,
                kv_heads, PAGE, True, dim, dim, False, -1, -1, False, 0, 0))
        else:
            nothing = torch.empty(0, dtype=torch.bfloat16)
            plan = self.on_our_stream(lambda: module.plan(
                self.floats, self.ints, self.pinned, offsets, batch, heads, kv_heads, PAGE, True, -1,
                0.0, dim, dim, nothing, nothing))
        self.bench.stream.synchronize()
        queries, offsets, last = queries.cuda(), offsets.cuda(), last.cuda()
        size = 2 * dim * batch * (2 * heads + 2 * context * kv_heads)
        scale = 1 / math.sqrt(dim)
        calls = []
        for _ in range(self.bench.sets_for(size)):
            try:
                q = self.bench.take(batch, heads, dim)
                cache = self.bench.take(batch * each, 2, PAGE, kv_heads, dim)
            except Unsupported:
                if not calls:
                    raise
                break  # whole pages need more than the tokens do: fewer sets
            k, v, out, pages = cache[:, 0], cache[:, 1], torch.empty_like(q), table()
            if dense:
                arguments = (self.floats, self.ints, plan, q, k, v, queries, offsets, pages, last,
                             out, None, 0, 0, -1, False, *[None] * 8, 0.0, scale, 1.0, 1e-4, 0)
                run = module.paged_run
            else:
                arguments = (self.floats, self.ints, plan, q, k, v, offsets, pages, last, out, None,
                             0, -1, False, None, 0.0, scale, 1.0, 1e-4)
                run = module.run
            calls.append(self.call(run, arguments))
            if self.checks and len(calls) == 1:
                calls[0]()
                keys = k[pages.long()].reshape(batch, -1, kv_heads, dim)[:, :context]
                values = v[pages.long()].reshape(batch, -1, kv_heads, dim)[:, :context]
                self.compare(out, q, keys, values, scale)
        kind = "tensor-core" if dense else "plain"
        return calls, size, f"FlashInfer{self.version} paged decode, {kind}, pages of {PAGE}"

    def latent(self, batch, context, heads):
        torch = self.torch
        module = self.module("mla")
        each, offsets, _, table = self.pages(batch, context, MLA_PAGE)
        queries = torch.arange(0, batch + 1, dtype=torch.int32)
        lengths = torch.full((batch,), context, dtype=torch.int32)
        plan, staged = self.on_our_stream(lambda: module.plan(
            self.floats, self.ints, self.pinned, queries, offsets, lengths, heads, MLA_VALUES, False))
        # This plan, unlike the others', only fills the pinned side: its caller copies it.
        self.ints[:int(staged)].copy_(self.pinned[:int(staged)])
        self.bench.stream.synchronize()
        size = 2 * batch * (heads * (MLA_WIDTH + MLA_VALUES) + context * MLA_WIDTH)
        scale = 1 / math.sqrt(128 + 64)  # of the model's heads before the weights are absorbed
        calls = []
        for _ in range(self.bench.sets_for(size)):
            try:
                q = self.bench.take(batch, heads, MLA_WIDTH)
                cache = self.bench.take(batch * each, MLA_PAGE, MLA_WIDTH)
            except Unsupported:
                if not calls:
                    raise
                break
            out = torch.empty(batch, heads, MLA_VALUES, dtype=torch.bfloat16, device="cuda")
            pages = table()
            calls.append(self.call(module.run, (
                self.floats, self.ints, plan, q[..., :MLA_VALUES], q[..., MLA_VALUES:],
                cache[..., :MLA_VALUES], cache[..., MLA_VALUES:], pages, out, None, 0, heads,
                MLA_PAGE, scale, False, 1.0, 1.0, None)))
            if self.checks and len(calls) == 1:
                calls[0]()
                keys = cache[pages.long()].reshape(batch, -1, 1, MLA_WIDTH)[:, :context]
                self.compare(out, q, keys, keys[..., :MLA_VALUES], scale)
        return calls, size, f"FlashInfer{self.version} MLA decode (fa3), pages of {MLA_PAGE}"

    def call(self, run, arguments):
        """The operands are handed over once, not with each launch, and live as long as the call."""
        import tvm_ffi
        arguments = tuple(tvm_ffi.from_dlpack(each) if self.torch.is_tensor(each) else each
                          for each in arguments)
        return lambda: self.on_our_stream(lambda: run(*arguments))

    def compare(self, got, q, keys, values, scale):
        """Against fp32 on upcast inputs, for small points."""
        torch = self.torch
        if q.shape[0] * q.shape[1] * keys.shape[1] > 1 << 24:
            return
        batch, heads, width = q.shape
        grouped = q.float().view(batch, keys.shape[2], -1, width)
        scores = torch.einsum("bkgd,btkd->bkgt", grouped, keys.float()) * scale
        wanted = torch.einsum("bkgt,btkd->bkgd", scores.softmax(-1), values.float())
        wanted = wanted.reshape(batch, heads, -1)
        error = ((got.float() - wanted).norm() / wanted.norm()).item()
        if not error < 2e-2:
            raise RuntimeError(f"paged attention is wrong: relative error {error:.3g}")


def add_arguments(parser):
    parser.add_argument("--modules", default=os.environ.get("RIDGELINE_FLASHINFER", ""))


if __name__ == "__main__":
    sys.exit(run_points(PagedAttention, "attention", __doc__.splitlines()[0], add_arguments))
