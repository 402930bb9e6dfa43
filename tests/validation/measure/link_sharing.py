"""Two GPUs of one node: NCCL's collectives alone in each algorithm and protocol, and transfers that share the link.

    NCCL_NVLS_ENABLE=0 torchrun --nproc-per-node 2 link_sharing.py alone OUT.jsonl     # once a setting of NCCL_ALGO, NCCL_PROTO
    NCCL_NVLS_ENABLE=0 torchrun --nproc-per-node 2 link_sharing.py beside OUT.jsonl

alone: a collective inside a CUDA graph of several, replayed; median of replays, device time a collective.
beside: two streams of equal work at once, each with a communicator of its own; the time of each against its time alone.
"""
import json
import os
import statistics
import sys

import torch
import torch.distributed as dist

MIB = 1 << 20


def buffers(kind, size, world):
    """Tensors of random bf16 for one collective; size as nccl-tests counts it."""
    n = size // 2
    full = torch.randn(max(n, world), device="cuda").to(torch.bfloat16)
    part = torch.randn(max(n // world, 1), device="cuda").to(torch.bfloat16)
    other = torch.empty_like(full)
    return full, part, other


def call(kind, held, group, rank):
    full, part, other = held
    if kind == "all_reduce":
        dist.all_reduce(full, group=group)
    elif kind == "all_gather":
        dist.all_gather_into_tensor(full[: part.numel() * 2], part, group=group)
    elif kind == "reduce_scatter":
        dist.reduce_scatter_tensor(part, full[: part.numel() * 2], group=group)
    elif kind == "all_to_all":
        dist.all_to_all_single(other, full, group=group)
    elif kind == "broadcast":
        dist.broadcast(full, 0, group=group)
    elif kind == "send":  # 0 -> 1
        dist.send(full, 1, group=group) if rank == 0 else dist.recv(other, 0, group=group)
    elif kind == "send_back":  # 1 -> 0
        dist.send(full, 0, group=group) if rank == 1 else dist.recv(other, 1, group=group)
    else:
        raise ValueError(kind)


def graph_time(kind, size, group, rank, world):
    """Median device time of one collective in a replayed graph, us."""
    held = buffers(kind, size, world)
    if kind == "all_reduce":
        held[0].zero_()  # sums of sums would overflow; zeros cost the same to move
    inside = 20 if size <= 4 * MIB else 4
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        for _ in range(3):
            call(kind, held, group, rank)
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, stream=stream):
        for _ in range(inside):
            call(kind, held, group, rank)
    times = []
    for i in range(13):
        dist.barrier()
        torch.cuda.synchronize()
        start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        with torch.cuda.stream(stream):
            start.record()
            graph.replay()
            end.record()
        torch.cuda.synchronize()
        if i >= 3:
            times.append(start.elapsed_time(end) * 1e3 / inside)
    del graph
    return statistics.median(times), (max(times) - min(times)) / statistics.median(times)


def beside_time(kinds, sizes, groups, rank, world, repeats=24):
    """Time of one of each kind when all run at once on streams of their own, us."""
    held = [buffers(kind, size, world) for kind, size in zip(kinds, sizes)]
    for kind, tensors in zip(kinds, held):
        if kind == "all_reduce":
            tensors[0].zero_()
    streams = [torch.cuda.Stream() for _ in kinds]
    copies = {}
    results = [[] for _ in kinds]
    for attempt in range(6):
        dist.barrier()
        torch.cuda.synchronize()
        events = []
        for stream in streams:
            with torch.cuda.stream(stream):
                torch.cuda._sleep(4_000_000)  # all is enqueued before any of it runs
        marks = [[torch.cuda.Event(enable_timing=True)] for _ in kinds]
        for stream, mark in zip(streams, marks):
            with torch.cuda.stream(stream):
                mark[0].record()
        for _ in range(repeats):
            for i, kind in enumerate(kinds):
                with torch.cuda.stream(streams[i]):
                    call(kind, held[i], groups[i], rank)
                    event = torch.cuda.Event(enable_timing=True)
                    event.record()
                    marks[i].append(event)
        torch.cuda.synchronize()
        if attempt < 2:
            continue
        # The middle of the run: all streams are at work.
        for i, mark in enumerate(marks):
            gaps = [a.elapsed_time(b) * 1e3 for a, b in zip(mark[2:repeats * 2 // 3], mark[3:])]
            results[i].append(statistics.mean(gaps))
    return [statistics.median(r) for r in results]


def main():
    mode, path = sys.argv[1], sys.argv[2]
    rank = int(os.environ["RANK"])
    torch.cuda.set_device(rank)
    dist.init_process_group("nccl", device_id=torch.device("cuda", rank))
    world = dist.get_world_size()
    head = {"gpu": torch.cuda.get_device_name(), "ranks": world, "nccl": ".".join(map(str, torch.cuda.nccl.version())),
            "torch": torch.__version__}
    out = open(path, "a") if rank == 0 else None

    def write(row):
        if rank == 0:
            out.write(json.dumps({**head, **row}) + "\n")
            out.flush()

    if mode == "alone":
        setting = {"algorithm": os.environ.get("NCCL_ALGO", "chosen"), "protocol": os.environ.get("NCCL_PROTO", "chosen")}
        kinds = ["all_reduce"] if setting["algorithm"] == "Tree" else ["all_reduce", "all_gather", "reduce_scatter", "broadcast"]
        if setting["algorithm"] == "chosen":
            kinds += ["all_to_all", "send"]
        for kind in kinds:
            for exponent in range(9, 30):
                time, spread = graph_time(kind, 1 << exponent, None, rank, world)
                write({"mode": mode, **setting, "op": kind, "bytes": 1 << exponent, "us": round(time, 3), "spread": round(spread, 4)})
    else:
        groups = [dist.new_group([0, 1]) for _ in range(3)]
        for group in groups:  # communicators are made at first use
            dist.all_reduce(torch.zeros(8, device="cuda"), group=group)
            call("send", buffers("send", 1024, world), group, rank)
            call("send_back", buffers("send", 1024, world), group, rank)
        torch.cuda.synchronize()
        mixes = [["all_reduce"], ["all_gather"], ["all_to_all"], ["send"], ["send_back"],
                 ["all_reduce"] * 2, ["all_gather"] * 2, ["all_to_all"] * 2, ["send"] * 2, ["send", "send_back"],
                 ["all_reduce", "send"], ["all_gather", "send"], ["all_to_all", "send"], ["send"] * 3, ["all_reduce"] * 3]
        for size in (64 * MIB, 256 * MIB):
            for mix in mixes:
                times = beside_time(mix, [size] * len(mix), groups, rank, world)
                write({"mode": mode, "ops": mix, "bytes": size, "us": [round(t, 2) for t in times], "rank": rank})
    dist.barrier()
    dist.destroy_process_group()


main()
