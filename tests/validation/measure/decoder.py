"""One plain decoder in PyTorch, as an engineer writes it by hand; its shape is a file of configs/models.

Tensors are (sequences, tokens, hidden); with sequence parallelism (tokens of this rank, hidden), the
tokens of all sequences laid end to end and cut in equal runs. Weights are random: times depend on
shapes, not on values. Rotary tables leave out a model's scaling of frequencies for the same reason.
"""
import dataclasses
import json
import pathlib

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.checkpoint import checkpoint

MODELS = pathlib.Path(__file__).resolve().parents[3] / "configs" / "models"


def read_config(name):
    return json.loads((MODELS / f"{name}.json").read_text(encoding="utf-8"))


@dataclasses.dataclass(frozen=True)
class Shape:
    hidden: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    ffn: int
    vocabulary: int
    positions: int
    is_gated: bool
    has_layer_norm: bool
    has_bias: bool
    has_learned_positions: bool
    has_qk_norm: bool
    is_tied: bool
    rope_theta: float
    experts: int
    top_k: int

    @staticmethod
    def of(name, layers=None):
        """The shape of a Hugging Face config.json, or of a `decoder` file of this repository."""
        config = read_config(name)
        heads = config["num_attention_heads"]
        experts = config.get("num_local_experts") or config.get("num_experts") or 0
        narrow = config.get("moe_intermediate_size") if experts else None
        return Shape(
            hidden=config["hidden_size"],
            layers=layers or config["num_hidden_layers"],
            heads=heads,
            kv_heads=config.get("num_key_value_heads") or heads,
            head_dim=config.get("head_dim") or config["hidden_size"] // heads,
            ffn=narrow or config["intermediate_size"],
            vocabulary=config["vocab_size"],
            positions=config["max_position_embeddings"],
            is_gated=config.get("gated_mlp", True),
            has_layer_norm=config.get("norm", "rmsnorm") == "layernorm",
            has_bias=config.get("bias", False),
            has_learned_positions=config.get("learned_positions", False),
            has_qk_norm=config["model_type"].startswith("qwen3"),
            is_tied=config.get("tie_word_embeddings", False),
            rope_theta=config.get("rope_theta", 10000.0),
            experts=experts,
            top_k=config.get("num_experts_per_tok", 0))

    def tiny(self):
        """The same kind of model at a size that a CPU runs at once: for trying the scripts."""
        return dataclasses.replace(self, hidden=64, layers=min(self.layers, 4), heads=4,
                                   kv_heads=4 if self.kv_heads == self.heads else 2, head_dim=16,
                                   ffn=128, vocabulary=512, positions=256,
                                   experts=min(self.experts, 4), top_k=min(self.top_k, 2))


def table(rows, width):
    """An embedding small enough at the start that a head tied to it gives sensible logits."""
    embedding = nn.Embedding(rows, width)
    nn.init.normal_(embedding.weight, std=0.02)
    return embedding


class Serial:
    """One GPU holds whole layers: nothing is exchanged."""
    size = 1

    def enter(self, x):
        return x

    def leave(self, x):
        return x

    def embedding(self, shape):
        return table(shape.vocabulary, shape.hidden)

    def loss(self, logits, labels):
        return F.cross_entropy(logits.float().view(-1, logits.shape[-1]), labels.view(-1))

    def whole_logits(self, logits):
        return logits


def norm_of(shape, width=None):
    if shape.has_layer_norm:
        return nn.LayerNorm(width or shape.hidden)
    return nn.RMSNorm(width or shape.hidden, eps=1e-5)


def rotary_tables(shape, tokens, device, dtype):
    """cos and sin, each (tokens, head_dim)."""
    powers = torch.arange(0, shape.head_dim, 2, device=device, dtype=torch.float32)
    angles = torch.outer(torch.arange(tokens, device=device, dtype=torch.float32),
                         shape.rope_theta ** (-powers / shape.head_dim))
    angles = torch.cat((angles, angles), dim=-1)
    return angles.cos().to(dtype), angles.sin().to(dtype)


def rotate_half(x):
    first, second = x.chunk(2, dim=-1)
    return torch.cat((-second, first), dim=-1)


class Attention(nn.Module):
    def __init__(self, shape, parallel):
        super().__init__()
        self.heads = shape.heads // parallel.size
        self.kv_heads = shape.kv_heads // parallel.size
        self.head_dim = shape.head_dim
        self.q = nn.Linear(shape.hidden, self.heads * self.head_dim, bias=shape.has_bias)
        self.k = nn.Linear(shape.hidden, self.kv_heads * self.head_dim, bias=shape.has_bias)
        self.v = nn.Linear(shape.hidden, self.kv_heads * self.head_dim, bias=shape.has_bias)
        self.o = nn.Linear(self.heads * self.head_dim, shape.hidden, bias=shape.has_bias)
        self.q_norm = norm_of(shape, self.head_dim) if shape.has_qk_norm else None
        self.k_norm = norm_of(shape, self.head_dim) if shape.has_qk_norm else None

    def forward(self, x, cos, sin, sequences, cache=None):
        q = self.q(x).view(sequences, -1, self.heads, self.head_dim)
        k = self.k(x).view(sequences, -1, self.kv_heads, self.head_dim)
        v = self.v(x).view(sequences, -1, self.kv_heads, self.head_dim).transpose(1, 2)
        if self.q_norm is not None:
            q, k = self.q_norm(q), self.k_norm(k)
        q, k = q.transpose(1, 2), k.transpose(1, 2)
        if cos is not None:
            q = q * cos + rotate_half(q) * sin
            k = k * cos + rotate_half(k) * sin
        if cache is not None:
            k, v = cache.store(k, v)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=q.shape[2] > 1,
                                           enable_gqa=self.heads != self.kv_heads)
        return self.o(y.transpose(1, 2).reshape(*x.shape[:-1], self.heads * self.head_dim))


class FeedForward(nn.Module):
    def __init__(self, shape, parallel):
        super().__init__()
        width = shape.ffn // parallel.size
        self.gate = nn.Linear(shape.hidden, width, bias=shape.has_bias) if shape.is_gated else None
        self.up = nn.Linear(shape.hidden, width, bias=shape.has_bias)
        self.down = nn.Linear(width, shape.hidden, bias=shape.has_bias)

    def forward(self, x):
        if self.gate is None:
            return self.down(F.gelu(self.up(x)))
        return self.down(F.silu(self.gate(x)) * self.up(x))


class Mixture(nn.Module):
    """Experts by grouped GEMMs over tokens sorted by expert. Nothing waits for the GPU: sizes of the
    groups stay on it."""

    def __init__(self, shape):
        super().__init__()
        self.experts, self.top_k = shape.experts, shape.top_k
        self.router = nn.Linear(shape.hidden, shape.experts, bias=False)

        def weight(rows, columns):
            return nn.Parameter(torch.empty(shape.experts, rows, columns).normal_(std=0.02))

        self.gate = weight(shape.ffn, shape.hidden)
        self.up = weight(shape.ffn, shape.hidden)
        self.down = weight(shape.hidden, shape.ffn)

    def forward(self, x):
        tokens = x.reshape(-1, x.shape[-1])
        scores = F.softmax(self.router(tokens).float(), dim=-1)
        weights, chosen = scores.topk(self.top_k, dim=-1)
        weights = weights / weights.sum(dim=-1, keepdim=True)
        chosen = chosen.view(-1)
        order = chosen.argsort(stable=True)
        counts = torch.zeros(self.experts, dtype=torch.int64, device=x.device)
        counts = counts.scatter_add(0, chosen, torch.ones_like(chosen))
        ends = counts.cumsum(0).to(torch.int32)
        token = order // self.top_k
        rows = tokens.index_select(0, token)
        inner = (F.silu(F.grouped_mm(rows, self.gate.transpose(-2, -1), offs=ends))
                 * F.grouped_mm(rows, self.up.transpose(-2, -1), offs=ends))
        rows = F.grouped_mm(inner, self.down.transpose(-2, -1), offs=ends)
        rows = rows * weights.view(-1).index_select(0, order).to(rows.dtype).unsqueeze(-1)
        return torch.zeros_like(tokens).index_add(0, token, rows).view_as(x)


class Block(nn.Module):
    def __init__(self, shape, parallel):
        super().__init__()
        self.parallel = parallel
        self.attention_norm = norm_of(shape)
        self.attention = Attention(shape, parallel)
        self.feed_forward_norm = norm_of(shape)
        self.feed_forward = Mixture(shape) if shape.experts else FeedForward(shape, parallel)

    def forward(self, x, cos, sin, sequences, cache=None):
        enter, leave = self.parallel.enter, self.parallel.leave
        y = self.attention(enter(self.attention_norm(x)), cos, sin, sequences, cache)
        x = x + leave(y)
        return x + leave(self.feed_forward(enter(self.feed_forward_norm(x))))


class Decoder(nn.Module):
    """Blocks, with the embedding before and the head behind them where this is the whole model or the
    first or last stage of a pipeline. With labels it returns the loss, without them logits."""

    def __init__(self, shape, tokens, parallel=None, blocks=None, is_first=True, is_last=True,
                 recompute=False):
        super().__init__()
        self.parallel = parallel or Serial()
        self.recompute = recompute
        self.shape = shape
        self.embedding = self.parallel.embedding(shape) if is_first else None
        learned = is_first and shape.has_learned_positions
        self.positions = table(shape.positions, shape.hidden) if learned else None
        self.blocks = nn.ModuleList(
            Block(shape, self.parallel) for _ in range(shape.layers if blocks is None else blocks))
        self.norm = norm_of(shape) if is_last else None
        self.head = None
        if is_last:
            rows = shape.vocabulary // self.parallel.size
            self.head = nn.Linear(shape.hidden, rows, bias=False)
            if shape.is_tied and is_first:
                self.head.weight = self.embedding.weight
        weight = next(self.parameters())
        cos = sin = None
        if not shape.has_learned_positions:
            cos, sin = rotary_tables(shape, tokens, weight.device, torch.bfloat16)
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)

    def forward(self, x, labels=None):
        sequences = x.shape[0]
        if self.embedding is not None:
            tokens = x.shape[1]
            x = self.embedding(x)
            if self.positions is not None:
                x = x + self.positions(torch.arange(tokens, device=x.device))
        for block in self.blocks:
            if self.recompute:
                x = checkpoint(block, x, self.cos, self.sin, sequences, use_reentrant=False)
            else:
                x = block(x, self.cos, self.sin, sequences)
        if self.head is None:
            return x
        logits = self.head(self.parallel.enter(self.norm(x)))
        if labels is None:
            return logits
        return self.parallel.loss(logits, labels)


class Cache:
    """Keys and values of one layer: exactly the context, the last of it being what a decoding pass
    adds."""

    def __init__(self, sequences, kv_heads, context, head_dim, device, dtype):
        size = (sequences, kv_heads, context, head_dim)
        self.keys = torch.randn(size, device=device, dtype=dtype)
        self.values = torch.randn(size, device=device, dtype=dtype)

    def store(self, k, v):
        tokens = k.shape[2]
        self.keys[:, :, -tokens:].copy_(k)
        self.values[:, :, -tokens:].copy_(v)
        return self.keys, self.values


class Predictor(nn.Module):
    """One prefill or decoding pass of a decoder: caches written and read, greedy next token."""

    def __init__(self, decoder, sequences, context, dtype):
        super().__init__()
        self.decoder = decoder
        shape, size = decoder.shape, decoder.parallel.size
        device = next(decoder.parameters()).device
        self.caches = [Cache(sequences, shape.kv_heads // size, context, shape.head_dim, device,
                             dtype) for _ in decoder.blocks]

    def forward(self, x):
        decoder, sequences, tokens = self.decoder, x.shape[0], x.shape[1]
        x = decoder.embedding(x)
        cos, sin = decoder.cos[-tokens:], decoder.sin[-tokens:]
        for block, cache in zip(decoder.blocks, self.caches):
            x = block(x, cos, sin, sequences, cache)
        logits = decoder.head(decoder.parallel.enter(decoder.norm(x[:, -1])))
        return decoder.parallel.whole_logits(logits).argmax(dim=-1)
