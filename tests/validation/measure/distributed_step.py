"""From a scenario's training block to one rank's part of an optimizer step: DDP, FSDP2, tensor
parallelism by hand, pipelines of torch.distributed.pipelining."""
import functools

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

import cases
from decoder import Decoder
from tensor_parallel import TensorParallel
from training_step import adamw, built_on, random_tokens, shape_of, tokens_of

TORCHTITAN = "torchtitan"
MOST_GRADIENT_NORM = 1.0


class Replicas:
    """DDP of a bf16 model, as it comes: buckets of 25 MiB. Compiled as torch.compile(DDP(model))."""

    def __init__(self, block, shape, tokens, device):
        with built_on(device, torch.bfloat16):
            model = Decoder(shape, tokens, recompute=block["recompute"] == "full")
        self.model = DistributedDataParallel(
            model, device_ids=[device] if device.type == "cuda" else None)
        self.call = self.model
        if cases.framework_of(block) == "pytorch-compile":
            torch._dynamo.reset()
            self.call = torch.compile(self.model, dynamic=False)
        self.optimizer = adamw(self.model.parameters())

    def compute(self, x, y):
        loss = self.call(x, y)
        loss.backward()
        return loss

    def finish(self):
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)


class FullyShardedReplicas:
    """FSDP2 as torchtitan applies it: fp32 parameters, computed in bf16, reduced in fp32; embedding,
    each block, and norm with head are gathered by themselves; gradients clipped. torchtitan compiles
    each block and wraps recomputation inside."""

    def __init__(self, block, shape, tokens, device):
        from torch.distributed.algorithms._checkpoint.checkpoint_wrapper import checkpoint_wrapper
        from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard
        is_titan = cases.framework_of(block) == TORCHTITAN
        with built_on(device, torch.float32):
            self.model = model = Decoder(shape, tokens)
        policy = MixedPrecisionPolicy(param_dtype=torch.bfloat16, reduce_dtype=torch.float32)
        mesh = dist.init_device_mesh(device.type, (dist.get_world_size(),))
        shard = functools.partial(fully_shard, mesh=mesh, mp_policy=policy)
        if is_titan:
            torch._dynamo.reset()
        for index, layer in enumerate(model.blocks):
            if block["recompute"] == "full":
                layer = checkpoint_wrapper(layer, preserve_rng_state=False)
            if is_titan:
                layer = torch.compile(layer, fullgraph=True)
            model.blocks[index] = layer
        shard(model.embedding)
        for layer in model.blocks:
            shard(layer)
        shard([model.norm, model.head], reshard_after_forward=False)
        shard(model)
        self.optimizer = adamw(model.parameters())

    def compute(self, x, y):
        loss = self.model(x, y)
        loss.backward()
        return loss

    def finish(self):
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), MOST_GRADIENT_NORM, foreach=True)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)


class CutMatrices:
    """Tensor parallelism over all ranks, with or without sequence parallelism, bf16 throughout."""

    def __init__(self, block, shape, tokens, device):
        self.parallel = TensorParallel(block["parallelism"]["sequence_parallel"])
        with built_on(device, torch.bfloat16):
            self.model = Decoder(shape, tokens, parallel=self.parallel,
                                 recompute=block["recompute"] == "full")
        self.optimizer = adamw(self.model.parameters())

    def compute(self, x, y):
        loss = self.model(x, y)
        loss.backward()
        return loss

    def finish(self):
        self.parallel.reduce_norm_gradients(self.model)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)


class Pipeline:
    """Stages of equal numbers of blocks; the first holds the embedding, the last norm, head and loss.
    Interleaved: rank 0 has stages 0 and 2; in a V: 0 and 3."""

    def __init__(self, block, shape, tokens, device, micro_batches):
        from torch.distributed import pipelining as p
        rank, ranks = dist.get_rank(), dist.get_world_size()
        kind = {"gpipe": p.ScheduleGPipe, "1f1b": p.Schedule1F1B,
                "interleaved": p.ScheduleInterleaved1F1B, "zb-v": p.ScheduleZBVZeroBubble}
        count = ranks * block["parallelism"]["vpp"]
        if block["schedule"] == "zb-v":
            mine = [rank, count - 1 - rank]
        else:
            mine = list(range(rank, count, ranks))
        self.models = []
        for stage in mine:
            with built_on(device, torch.bfloat16):
                self.models.append(Decoder(shape, tokens, blocks=shape.layers // count,
                                           is_first=stage == 0, is_last=stage == count - 1,
                                           recompute=block["recompute"] == "full"))
        stages = [p.PipelineStage(model, stage, count, device)
                  for model, stage in zip(self.models, mine)]
        if device.type == "cpu":
            for stage in stages:  # in a V a rank greets itself, which gloo cannot
                stage._get_init_p2p_neighbors_ops = list
        make = kind[block["schedule"]]
        self.schedule = make(stages if count > ranks else stages[0], n_microbatches=micro_batches,
                             loss_fn=self.loss)
        self.has_first, self.has_last = 0 in mine, count - 1 in mine
        self.optimizer = adamw(parameter for model in self.models
                               for parameter in model.parameters())

    @staticmethod
    def loss(logits, labels):
        return torch.nn.functional.cross_entropy(logits.float().view(-1, logits.shape[-1]),
                                                 labels.view(-1))

    def compute(self, x, y):
        inputs = (x,) if self.has_first else ()
        losses = []
        if self.has_last:
            self.schedule.step(*inputs, target=y, losses=losses)
            return torch.stack([loss.detach() for loss in losses]).mean()
        self.schedule.step(*inputs)
        return torch.zeros(())

    def finish(self):
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)


class DistributedTraining:
    """One rank's part: `step()` enqueues a whole optimizer step."""

    def __init__(self, scenario, device, is_tiny):
        block = scenario["training"]
        shape, tokens = shape_of(block, is_tiny), tokens_of(block, is_tiny)
        parallelism = block["parallelism"]
        sequences = block["micro_batch"]
        if parallelism.get("pp", 1) > 1:
            count = block["global_batch"] // block["micro_batch"]
            sequences *= count
            self.part = Pipeline(block, shape, tokens, device, count)
        elif parallelism.get("tp", 1) > 1:
            self.part = CutMatrices(block, shape, tokens, device)
        elif block["sharding"] == "fsdp":
            self.part = FullyShardedReplicas(block, shape, tokens, device)
        else:
            self.part = Replicas(block, shape, tokens, device)
        # Ranks that cut one sequence's matrices, or pass micro-batches on, see the same tokens.
        is_shared = parallelism.get("pp", 1) > 1 or parallelism.get("tp", 1) > 1
        torch.manual_seed(1 if is_shared else dist.get_rank())
        self.x = random_tokens(shape, sequences, tokens, device)
        self.y = random_tokens(shape, sequences, tokens, device)
        self.last_loss = None

    def step(self):
        self.last_loss = self.part.compute(self.x, self.y).detach()
        self.part.finish()
