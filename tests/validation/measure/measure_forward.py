#!/usr/bin/env python3
"""Measures prefill and decoding passes: caches of exactly the context, logits of the last position,
the greedy token; eager, or captured in a CUDA graph and replayed; on one GPU or by tensor parallelism."""
import math
import os
import statistics
import sys
import time

import session

WARM_UP_SECONDS = 1.0
LEAST_PASSES = 20
LEAST_SECONDS = 1.0
MOST_PASSES = 2000


class Pass:
    """One pass of a scenario's forward block: `step()` enqueues it."""

    def __init__(self, scenario, device, is_tiny, parallel):
        import torch
        from decoder import Decoder, Predictor
        from training_step import built_on, random_tokens, shape_of
        block = scenario["forward"]
        shape = shape_of(block, is_tiny)
        context = 32 if is_tiny else block["context"]
        with built_on(device, torch.bfloat16):
            model = Decoder(shape, context, parallel=parallel)
        model.eval().requires_grad_(False)
        self.predictor = Predictor(model, block["batch"], context, torch.bfloat16)
        tokens = context if block["phase"] == "prefill" else 1
        self.inputs = random_tokens(shape, block["batch"], tokens, device)
        self.framework = block["framework"]
        self.call = self.predictor
        if self.framework == "pytorch-compile-graph":
            torch._dynamo.reset()
            self.call = torch.compile(self.predictor, dynamic=False)
        self.graph = None

    def eager(self):
        import torch
        with torch.no_grad():
            self.output = self.call(self.inputs)

    def capture(self):
        """Replays from now on. Before this the eager pass has run, so that nothing compiles, plans or
        opens communicators while the stream is captured."""
        import torch
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            self.eager()
        torch.cuda.current_stream().wait_stream(stream)
        torch.cuda.synchronize()
        self.output = None
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph, capture_error_mode="thread_local"), torch.no_grad():
            self.output = self.call(self.inputs)

    def step(self):
        if self.graph is not None:
            self.graph.replay()
        else:
            self.eager()


def time_passes(one, device, nvml, agree, is_quick):
    import torch
    import timing
    shrink = 100 if is_quick else 1
    for _ in range(3):
        one.eager()
    timing.synchronize(device)
    peak_when = "pass"
    if one.framework.endswith("graph") and device.type == "cuda":
        one.capture()
        peak_when = "capture"
    start = time.perf_counter()
    one.step()
    timing.synchronize(device)
    estimate = max(time.perf_counter() - start, 1e-6)
    for _ in range(agree(min(MOST_PASSES, math.ceil(WARM_UP_SECONDS / shrink / estimate)))):
        one.step()
        timing.synchronize(device)
    count = agree(min(MOST_PASSES, max(LEAST_PASSES,
                                       math.ceil(LEAST_SECONDS / shrink / estimate))))
    if device.type == "cuda" and peak_when == "pass":
        torch.cuda.reset_peak_memory_stats()
    times, hosts = [], []
    with timing.Sampler(nvml) as sampler:
        for _ in range(count):
            start = time.perf_counter()
            one.step()
            enqueued = time.perf_counter()
            timing.synchronize(device)
            times.append(time.perf_counter() - start)
            hosts.append(enqueued - start)
        start = time.perf_counter()
        for _ in range(count):
            one.step()
        timing.synchronize(device)
        end = time.perf_counter()
    ordered = sorted(times)
    median = statistics.median(ordered)
    result = {"pass_time_s": median,
              "spread": (timing.quantile(ordered, 0.9) - timing.quantile(ordered, 0.1)) / median,
              "passes": count, "pass_time_unsynchronised_s": (end - start) / count,
              "host_time_s": statistics.median(hosts), "peak_of": peak_when, **sampler.medians()}
    if device.type == "cuda":
        result |= {"allocated_bytes": torch.cuda.max_memory_allocated(),
                   "reserved_bytes": torch.cuda.max_memory_reserved(),
                   "resident_bytes": torch.cuda.memory_allocated()}
    return result


def worker(arguments):
    import torch
    import torch.distributed as dist
    import attribution
    import timing
    ranks, rank = int(os.environ["WORLD_SIZE"]), int(os.environ["RANK"])
    device = torch.device(arguments.device, rank if arguments.device == "cuda" else None)
    parallel, agree = None, lambda count: count
    if device.type == "cuda":
        torch.cuda.set_device(device)
    nvml = timing.Nvml(device)
    if nvml.processes() > 1 and not arguments.takes_busy:
        print("error: other processes compute on this GPU\n  hint: use an idle one")
        return 2
    if ranks > 1:
        from ranks import agreement, joined
        from tensor_parallel import TensorParallel
        joined(device)
        parallel, agree = TensorParallel(False), agreement(device)
    facts = timing.facts(device, nvml)

    def run_case(case, path):
        one = Pass(case["scenario"], device, arguments.tiny, parallel)
        measured = time_passes(one, device, nvml, agree, arguments.tiny)
        if path:
            attribution.trace(one.step, lambda: timing.synchronize(device),
                              path if rank == 0 else None, {"id": case["id"], "measured": measured})
        return {"measured": measured, **facts}

    session.work(arguments, run_case, rank, is_alone=ranks == 1)
    if ranks > 1:
        dist.barrier()
        dist.destroy_process_group()
    return 0


def main():
    arguments = session.arguments_of(__doc__, ("forward", "forward-tp2"))
    if arguments.worker:
        return worker(arguments)
    return session.supervise(arguments, 2 if arguments.group == "forward-tp2" else 1)


if __name__ == "__main__":
    sys.exit(main())
