"""Tensor parallelism by hand, as in Megatron (arXiv:1909.08053, arXiv:2205.05198): columns then rows
of each pair of matrices, an all-reduce behind each pair, or with sequence parallelism an all-gather
before and a reduce-scatter behind; embedding, head and loss cut along the vocabulary."""
import torch
import torch.distributed as dist
from torch import nn

from decoder import table


def gather(x):
    whole = torch.empty(dist.get_world_size() * x.shape[0], *x.shape[1:], dtype=x.dtype,
                        device=x.device)
    dist.all_gather_into_tensor(whole, x.contiguous())
    return whole


def scatter_sum(x):
    part = torch.empty(x.shape[0] // dist.get_world_size(), *x.shape[1:], dtype=x.dtype,
                       device=x.device)
    dist.reduce_scatter_tensor(part, x.contiguous())
    return part


def summed(x):
    x = x.contiguous()
    dist.all_reduce(x)
    return x


class Copy(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.view_as(x)

    @staticmethod
    def backward(ctx, gradient):
        return summed(gradient)


class Sum(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return summed(x)

    @staticmethod
    def backward(ctx, gradient):
        return gradient


class Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return gather(x)

    @staticmethod
    def backward(ctx, gradient):
        return scatter_sum(gradient)


class ScatterSum(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return scatter_sum(x)

    @staticmethod
    def backward(ctx, gradient):
        return gather(gradient)


class CrossEntropy(torch.autograd.Function):
    """Of logits cut along the vocabulary; three all-reduces of one number a token."""

    @staticmethod
    def forward(ctx, logits, labels, first):
        peak = logits.max(dim=-1).values
        dist.all_reduce(peak, op=dist.ReduceOp.MAX)
        logits = logits - peak.unsqueeze(-1)
        is_elsewhere = (labels < first) | (labels >= first + logits.shape[-1])
        local = (labels - first).masked_fill(is_elsewhere, 0)
        target = logits.gather(-1, local.unsqueeze(-1)).squeeze(-1).masked_fill(is_elsewhere, 0.0)
        dist.all_reduce(target)
        share = logits.exp_()
        total = share.sum(dim=-1)
        dist.all_reduce(total)
        share.div_(total.unsqueeze(-1))
        ctx.save_for_backward(share, local, is_elsewhere)
        return (total.log() - target).mean()

    @staticmethod
    def backward(ctx, gradient):
        share, local, is_elsewhere = ctx.saved_tensors
        rows = torch.arange(share.shape[0], device=share.device)
        share[rows, local] -= (~is_elsewhere).to(share.dtype)
        share.mul_(gradient / share.shape[0])
        return share, None, None


class VocabularyEmbedding(nn.Module):
    def __init__(self, shape, parallel):
        super().__init__()
        self.parallel = parallel
        self.rows = shape.vocabulary // parallel.size
        self.first = parallel.rank * self.rows
        self.table = table(self.rows, shape.hidden)

    @property
    def weight(self):
        return self.table.weight

    def forward(self, tokens):
        if self.parallel.sequence:
            tokens = tokens.reshape(-1)
        is_elsewhere = (tokens < self.first) | (tokens >= self.first + self.rows)
        local = (tokens - self.first).masked_fill(is_elsewhere, 0)
        rows = self.table(local).masked_fill(is_elsewhere.unsqueeze(-1), 0.0)
        return self.parallel.leave(rows)


class TensorParallel:
    def __init__(self, sequence):
        self.size = dist.get_world_size()
        self.rank = dist.get_rank()
        self.sequence = sequence
        self.enter = Gather.apply if sequence else Copy.apply
        self.leave = ScatterSum.apply if sequence else Sum.apply

    def embedding(self, shape):
        return VocabularyEmbedding(shape, self)

    def loss(self, logits, labels):
        logits = logits.float().view(-1, logits.shape[-1])
        return CrossEntropy.apply(logits, labels.view(-1), self.rank * logits.shape[-1])

    def whole_logits(self, logits):
        parts = gather(logits)  # ranks, then sequences
        return torch.cat(parts.chunk(self.size), dim=-1)

    def reduce_norm_gradients(self, model):
        """With sequence parallelism each rank saw its own tokens: the gradients of what is not cut
        are summed, all in one all-reduce."""
        if not self.sequence:
            return
        gradients = [p.grad for name, p in model.named_parameters() if "norm" in name]
        flat = torch.cat([g.view(-1) for g in gradients])
        dist.all_reduce(flat)
        for gradient, part in zip(gradients, flat.split([g.numel() for g in gradients])):
            gradient.copy_(part.view_as(gradient))
