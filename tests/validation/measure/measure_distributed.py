#!/usr/bin/env python3
"""Measures whole training steps on two GPUs: DDP, FSDP2, tensor and sequence parallelism, pipelines."""
import os
import sys

import session

RANKS = 2


def worker(arguments):
    import torch
    import torch.distributed as dist
    import attribution
    import timing
    from distributed_step import DistributedTraining
    from ranks import agreement, gathered, joined
    rank = int(os.environ["RANK"])
    device = torch.device(arguments.device, rank if arguments.device == "cuda" else None)
    if device.type == "cuda":
        torch.cuda.set_device(device)
    nvml = timing.Nvml(device)
    if nvml.processes() > 1 and not arguments.takes_busy:
        print("error: other processes compute on this GPU\n  hint: use an idle one")
        return 2
    joined(device)
    agree = agreement(device)
    facts = timing.facts(device, nvml)

    def run_case(case, path):
        training = DistributedTraining(case["scenario"], device, arguments.tiny)
        measured = timing.measure(training.step, device, nvml, agree, arguments.tiny)
        measured["loss"] = max(gathered(training.last_loss.item()))
        for name in ("allocated_bytes", "reserved_bytes", "resident_bytes", "step_time_s",
                     "sm_clock_hz", "power_w"):
            measured[name + "_of_ranks"] = gathered(measured.get(name))
        for name in ("allocated_bytes", "reserved_bytes", "resident_bytes"):
            if name in measured:
                measured[name] = max(measured[name + "_of_ranks"])
        if path:
            attribution.trace(training.step, lambda: timing.synchronize(device),
                              path if rank == 0 else None, {"id": case["id"], "measured": measured})
        return {"measured": measured, **facts}

    session.work(arguments, run_case, rank, is_alone=False)
    dist.barrier()
    dist.destroy_process_group()
    return 0


def main():
    arguments = session.arguments_of(__doc__, ("distributed",))
    if arguments.worker:
        return worker(arguments)
    return session.supervise(arguments, RANKS)


if __name__ == "__main__":
    sys.exit(main())
