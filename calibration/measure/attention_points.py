"""Shapes at which attention is measured: prompts, training and decoding; see points.py."""
import math

HEADS = [(32, 8, 128), (16, 4, 128), (8, 2, 128), (4, 1, 128), (64, 8, 128), (16, 2, 128),
         (8, 1, 128), (128, 8, 128), (16, 1, 128), (32, 32, 128), (8, 8, 128), (96, 96, 128),
         (12, 12, 128), (40, 8, 128), (28, 4, 128), (64, 4, 128), (32, 4, 128), (64, 8, 64),
         (8, 1, 64), (16, 16, 64), (25, 25, 64), (12, 12, 64)]


def attention(draw):
    pick = draw.random.choice

    def length(low, high):
        if draw.random.random() < 0.65:
            return pick([2 ** i for i in range(int(math.log2(low)), int(math.log2(high)) + 1)])
        return draw.log_uniform(low, high)

    def op(heads, **more):
        q, kv, dim = heads
        return {"op": "attention", "dtype": "bf16", **more, "heads": q, "kv_heads": kv,
                "head_dim": dim}

    def prefill(backward, causal, chosen):
        heads, queries = pick(HEADS), length(512, 65536)
        most = max(1, int(2e5 // queries))
        batch = pick([b for b in (1, 1, 2, 4, 8, 16, 32) if b <= most])
        flops = (10 if backward else 4) * batch * heads[0] * heads[2] * queries ** 2
        flops /= 2 if causal else 1
        operand_bytes = 2.0 * batch * queries * heads[0] * heads[2]
        if flops <= (3e13 if draw.random.random() < 0.3 else 6e12) and operand_bytes <= 2e9:
            draw.add(op(heads, phase="prefill", **{"pass": "backward" if backward else "forward"},
                        causal=causal, batch=batch, q_len=queries, kv_len=queries), None, chosen)

    def short():
        heads = pick(HEADS)
        queries = length(16, 512)
        draw.add(op(heads, phase="prefill", causal=True, batch=pick([1, 4, 16, 64]), q_len=queries,
                    kv_len=queries, **{"pass": "forward"}))

    def continued():
        """A chunk of a prompt that has a context before it."""
        heads, queries = pick(HEADS), length(64, 8192)
        context = queries + length(512, 65536)
        if 4.0 * heads[0] * heads[2] * queries * context <= 1e13:
            draw.add(op(heads, phase="prefill", causal=True, batch=1, q_len=queries,
                        kv_len=context, **{"pass": "forward"}), None, "flash")

    def decode(chosen="flash", **condition):
        heads, context = pick(HEADS), length(128, 131072)
        batch = pick([1, 2, 4, 8, 16, 32, 64, 128, 256, draw.log_uniform(1, 256)])
        if 4.0 * batch * context * heads[1] * heads[2] <= 6e9:
            draw.add(op(heads, phase="decode", batch=batch, q_len=1, kv_len=context), condition,
                     chosen)

    draw.until(800, lambda: prefill(False, True, None))
    draw.until(200, lambda: prefill(False, False, None))
    draw.until(450, lambda: prefill(True, True, None))
    draw.until(120, lambda: prefill(True, False, None))
    draw.until(20, lambda: prefill(False, True, "flash"))
    draw.until(20, lambda: prefill(True, True, "flash"))
    draw.until(100, short)
    draw.until(250, continued)
    draw.until(600, decode)
    draw.until(4, lambda: decode("flash-paged"))
    draw.until(10, lambda: decode(launch="eager"))
    for heads, batch, tokens in (((32, 8, 128), 2, 4096), ((64, 8, 128), 1, 8192)):
        for way in ("forward", "backward"):
            draw.add(op(heads, phase="prefill", causal=True, batch=batch, q_len=tokens,
                        kv_len=tokens, **{"pass": way}), {"clock": "sustained"})


def paged(draw):
    """Decoding from a paged KV cache, and multi-head latent attention."""
    pick = draw.random.choice

    def length():
        if draw.random.random() < 0.65:
            return 2 ** draw.random.randint(7, 17)
        return draw.log_uniform(128, 131072)

    def sequences():
        return pick([1, 2, 4, 8, 16, 32, 64, 128, 256, draw.log_uniform(1, 256)])

    def grouped():
        (q, kv, dim), context, batch = pick(HEADS), length(), sequences()
        if 4.0 * batch * context * kv * dim <= 6e9:
            draw.add({"op": "attention", "dtype": "bf16", "phase": "decode", "batch": batch,
                      "q_len": 1, "kv_len": context, "heads": q, "kv_heads": kv, "head_dim": dim},
                     None, "flashinfer-paged")

    def latent():
        context, batch = length(), sequences()
        if 2.0 * batch * context * 576 <= 4e9:
            draw.add({"op": "attention", "dtype": "bf16", "phase": "decode", "batch": batch,
                      "q_len": 1, "kv_len": context, "heads": pick([16, 32, 64, 128]),
                      "kv_heads": 1, "head_dim": 576, "v_head_dim": 512})

    draw.until(360, grouped)
    draw.until(180, latent)


def decode(draw):
    """Decoding over a contiguous cache by cuDNN: what PyTorch's scaled_dot_product_attention runs on
    Hopper."""
    pick = draw.random.choice

    def one():
        (q, kv, dim), batch = pick(HEADS), pick([1, 2, 4, 8, 16, 32, 64, 128, 256])
        context = 2 ** draw.random.randint(7, 15) if draw.random.random() < 0.5 else \
            draw.log_uniform(128, 32768)
        if 4.0 * batch * context * kv * dim <= 4e9:
            draw.add({"op": "attention", "dtype": "bf16", "phase": "decode", "batch": batch,
                      "q_len": 1, "kv_len": context, "heads": q, "kv_heads": kv, "head_dim": dim},
                     None, "cudnn")

    draw.until(260, one)
