#!/usr/bin/env python3
"""Times fused attention as PyTorch runs it: cuDNN and flash, forward and backward, and decode.

    attention.py --points FILE --out FILE [--seconds S] [--gpu NAME] [--check]

Reads and writes the files of ridgeline_measure, in the conditions of torch_bench.py. `with` in a
point chooses "cudnn" (prefill and training where nothing is said), "flash" (decode, and queries that
continue a context) or "flash-paged". Exit code 1 without a GPU, or when the GPU no longer answers.
"""
import math
import sys

from torch_bench import Unsupported, run_points


class Attention:
    """From a point to callables, one an operand set."""

    def __init__(self, torch, bench, arguments):
        from torch.nn.attention import SDPBackend, sdpa_kernel
        self.torch = torch
        self.bench = bench
        self.checks = arguments.check
        self.backends = {"cudnn": SDPBackend.CUDNN_ATTENTION, "flash": SDPBackend.FLASH_ATTENTION}
        self.sdpa_kernel = sdpa_kernel
        self.flash = torch.ops.aten._flash_attention_forward
        self.flash_arguments = {a.name for a in self.flash.default._schema.arguments}

    def library(self, name):
        torch = self.torch
        if name == "cudnn":
            version = torch.backends.cudnn.version() or 0
            return (f"cuDNN {version // 10000}.{version // 100 % 100}.{version % 100} "
                    f"(torch {torch.__version__})")
        return f"{name} attention of torch {torch.__version__}"

    def prepare(self, op, chosen):
        """Returns (calls, bytes of a set, library's name)."""
        if op.get("dtype", "bf16") != "bf16":
            raise Unsupported("attention is measured in bf16")
        if op.get("kernel", "flash") != "flash":
            raise Unsupported("attention that is not fused is measured as GEMMs and softmax")
        dim = op["head_dim"]
        if op.get("v_head_dim", 0) not in (0, dim) or dim > 256:
            raise Unsupported("no fused kernel here for keys and values of these widths "
                              "(multi-head latent attention)")
        if op.get("window", 0):
            raise Unsupported("sliding windows are not measured")
        self.bench.used = 0
        self.repeats_kv = False
        decode = op["phase"] == "decode"
        queries = op.get("q_len", 1) if decode else op["q_len"]
        context = op.get("kv_len", queries)
        name = chosen or ("flash" if decode or queries != context else "cudnn")
        shape = dict(batch=op.get("batch", 1), queries=queries, context=context, heads=op["heads"],
                     kv_heads=op.get("kv_heads", op["heads"]), dim=dim,
                     causal=bool(op.get("causal", True)) and not decode)
        if name == "flash-paged":
            calls, size = self.paged(**shape)
        elif op.get("pass", "forward") == "backward":
            calls, size = self.backward(name, **shape)
        elif name == "flash":
            calls, size = self.flash_forward(**shape)
        elif name == "cudnn":
            calls, size = self.cudnn_forward(**shape)
        else:
            raise Unsupported(f"no such kernel: {name}")
        library = self.library(name)
        return calls, size, library + (", KV heads repeated" if self.repeats_kv else "")

    def operands(self, tensors, batch, queries, context, heads, kv_heads, dim):
        """Sets of q, k, v [batch, tokens, heads, dim]; `tensors` like q are moved in all."""
        size = 2 * dim * batch * (tensors * queries * heads + 2 * context * kv_heads)
        q_and_kv = 2 * dim * batch * (queries * heads + 2 * context * kv_heads)
        sets = min(self.bench.sets_for(size), max(1, int(2 * self.bench.pool.numel() // q_and_kv)))
        take = self.bench.take
        return [(take(batch, queries, heads, dim), take(batch, context, kv_heads, dim),
                 take(batch, context, kv_heads, dim)) for _ in range(sets)], size

    def flash_forward(self, causal, **shape):
        operands, size = self.operands(2, **shape)
        def call(q, k, v):
            return self.flash(q, k, v, None, None, q.shape[1], k.shape[1], 0.0, causal, False)[0]
        if self.checks:
            self.compare(call(*operands[0]), *operands[0], causal)
        return [lambda t=t: call(*t) for t in operands], size

    def cudnn_forward(self, causal, **shape):
        if shape["queries"] != shape["context"] and causal:
            raise Unsupported("PyTorch's cuDNN attention has no causal mask for a continued "
                              "context")
        operands, size = self.operands(2, **shape)
        operands = [tuple(t.transpose(1, 2) for t in each) for each in operands]
        fused = self.torch.ops.aten._scaled_dot_product_cudnn_attention
        def call(q, k, v):
            return fused(q, k, v, None, False, 0.0, causal, False)[0]
        if shape["heads"] != shape["kv_heads"]:
            try:
                call(*operands[0])
            except RuntimeError:  # this version wants as many KV heads as query heads
                operands = [self.repeated(*each) for each in operands]
        if self.checks:
            self.compare(call(*operands[0]).transpose(1, 2),
                         *(t.transpose(1, 2) for t in operands[0]), causal)
        return [lambda t=t: call(*t) for t in operands], size

    def backward(self, name, causal, **shape):
        """The backward pass alone; the forward ran before, on the same stream."""
        torch = self.torch
        operands, size = self.operands(2, **shape)
        size = 2 * size + 2 * shape["dim"] * shape["batch"] * shape["queries"] * shape["heads"]
        operands = operands[:self.bench.sets_for(size)]
        gqa = shape["heads"] != shape["kv_heads"]
        prepared = []

        def forward(q, k, v):
            leaves = [t.detach().requires_grad_(True) for t in (q, k, v)]
            out = torch.nn.functional.scaled_dot_product_attention(
                *leaves, is_causal=causal, enable_gqa=gqa and not self.repeats_kv)
            return out, leaves, torch.randn_like(out)

        torch.cuda.synchronize()
        with torch.cuda.stream(self.bench.stream), self.sdpa_kernel([self.backends[name]]):
            for each in operands:
                each = tuple(t.transpose(1, 2) for t in each)
                if self.repeats_kv:
                    each = self.repeated(*each)
                try:
                    prepared.append(forward(*each))
                except RuntimeError:
                    if not gqa or self.repeats_kv:
                        raise
                    each = self.repeated(*each)
                    prepared.append(forward(*each))
        def call(out, leaves, gradient):
            return torch.autograd.grad(out, leaves, gradient, retain_graph=True)
        return [lambda t=t: call(*t) for t in prepared], size

    def repeated(self, q, k, v):
        """Keys and values [batch, heads, tokens, dim] with a head for each query head."""
        self.repeats_kv = True
        group = q.shape[1] // k.shape[1]
        return q, k.repeat_interleave(group, dim=1), v.repeat_interleave(group, dim=1)

    def paged(self, batch, queries, context, heads, kv_heads, dim, causal):
        """Decode with the cache in blocks of 256 tokens, in random order."""
        if "block_table" not in self.flash_arguments:
            raise Unsupported("this PyTorch's flash attention takes no block table")
        torch = self.torch
        block = 256
        blocks = -(-context // block)
        size = 2 * dim * batch * (2 * queries * heads + 2 * context * kv_heads)
        sets = self.bench.sets_for(size)
        offsets = torch.arange(0, batch + 1, dtype=torch.int32, device="cuda") * queries
        keys = torch.arange(0, batch + 1, dtype=torch.int32, device="cuda") * context
        used = torch.full((batch,), context, dtype=torch.int32, device="cuda")
        calls = []
        for _ in range(sets):
            q = self.bench.take(batch * queries, heads, dim)
            k = self.bench.take(batch * blocks, block, kv_heads, dim)
            v = self.bench.take(batch * blocks, block, kv_heads, dim)
            table = torch.randperm(batch * blocks, device="cuda").to(torch.int32)
            table = table.view(batch, blocks)
            calls.append(lambda q=q, k=k, v=v, table=table: self.flash(
                q, k, v, offsets, keys, queries, context, 0.0, False, False, seqused_k=used,
                block_table=table)[0])
        return calls, size

    def compare(self, got, q, k, v, causal):
        """Against fp32 on upcast inputs, for small points."""
        torch = self.torch
        if q.shape[0] * q.shape[2] * q.shape[1] * k.shape[1] > 1 << 28:
            return
        group = q.shape[2] // k.shape[2]
        q, k, v = (t.float().transpose(1, 2) for t in (q, k, v))
        k, v = (t.repeat_interleave(group, dim=1) for t in (k, v))
        scores = q @ k.transpose(2, 3) / math.sqrt(q.shape[3])
        if causal:
            queries, context = scores.shape[-2:]
            mask = torch.ones(queries, context, dtype=torch.bool, device="cuda")
            scores = scores.masked_fill(~mask.tril(context - queries), -math.inf)
        wanted = (scores.softmax(-1) @ v).transpose(1, 2)
        error = ((got.float() - wanted).norm() / wanted.norm()).item()
        if not error < 2e-2:
            raise RuntimeError(f"attention is wrong: relative error {error:.3g}")


if __name__ == "__main__":
    sys.exit(run_points(Attention, "attention", __doc__.splitlines()[0]))
