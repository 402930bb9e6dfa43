#!/usr/bin/env python3
"""Measures whole training steps on one GPU: plain PyTorch, eager and compiled, and Hugging Face."""
import subprocess
import sys
import time

import session

# While compilers run side by side no case is measured; what limits them is the GPU's memory.
PRECOMPILE_PROCESSES = 12


def estimated_bytes(case, shape):
    """Weights, gradients and activations of one forward and backward pass, roughly."""
    block = case["scenario"]["training"]
    tokens = block["sequence_length"] * block["micro_batch"]
    width = 3 * shape.ffn * max(1, shape.top_k)
    a_layer = shape.hidden * shape.hidden * 3 + (shape.hidden * shape.ffn * 3
                                                 * max(1, shape.experts))
    weights = 2 * shape.vocabulary * shape.hidden + shape.layers * a_layer
    return (4 * weights + tokens * (14 * shape.vocabulary
                                    + shape.layers * 2 * (10 * shape.hidden + width)) + 1.5e9)


def precompile(arguments):
    import torch
    from training_step import shape_of
    todo = [case for case in session.remaining(arguments)
            if case["scenario"]["training"]["framework"] == "pytorch-compile"
            and case["scenario"]["training"]["global_batch"]
            == case["scenario"]["training"]["micro_batch"]]
    shapes = {case["id"]: shape_of(case["scenario"]["training"], False) for case in todo}
    todo.sort(key=lambda case: -shapes[case["id"]].layers)
    free = 1e18 if arguments.device == "cpu" else 0.93 * torch.cuda.mem_get_info()[0]
    running, started = [], time.monotonic()
    while todo or running:
        for worker, size, case_id in list(running):
            if worker.poll() is not None:
                running.remove((worker, size, case_id))
                free += size
                print(f"compiled {case_id}: {worker.returncode}, "
                      f"{time.monotonic() - started:.0f} s", flush=True)
        for case in list(todo):
            size = estimated_bytes(case, shapes[case["id"]])
            if len(running) < PRECOMPILE_PROCESSES and (size <= free or not running):
                todo.remove(case)
                free -= size
                flags = ["--gpu", arguments.gpu, "--out", arguments.out, "--only", case["id"],
                         "--device", arguments.device, "--compile-only"]
                flags += ["--tiny"] * arguments.tiny
                log = open(f"{arguments.out}.{case['id']}.log", "w", encoding="utf-8")
                running.append((subprocess.Popen([sys.executable, sys.argv[0], *flags],
                                                 stdout=log, stderr=log), size, case["id"]))
        time.sleep(0.1)
    return 0


def compile_only(arguments, device):
    import torch
    from training_step import OneGpuTraining
    [case] = session.chosen(arguments)
    training = OneGpuTraining(case["scenario"], torch.device(device), arguments.tiny)
    training.gradients()
    return 0


def worker(arguments):
    import torch
    import attribution
    import timing
    from training_step import OneGpuTraining
    device = torch.device(arguments.device)
    nvml = timing.Nvml(device)
    if nvml.processes() > 1 and not arguments.takes_busy:
        print("error: other processes compute on this GPU\n  hint: use an idle one")
        return 2
    facts = timing.facts(device, nvml)

    def run_case(case, path):
        training = OneGpuTraining(case["scenario"], device, arguments.tiny)
        measured = timing.measure(training.step, device, nvml, is_quick=arguments.tiny)
        measured["loss"] = training.last_loss.item()
        if path:
            attribution.trace(training.step, lambda: timing.synchronize(device), path,
                              {"id": case["id"], "measured": measured})
        return {"measured": measured, **facts}

    session.work(arguments, run_case)
    return 0


def main():
    arguments = session.arguments_of(__doc__, ("training",))
    if arguments.precompile:
        return precompile(arguments)
    if arguments.compile_only:
        return compile_only(arguments, arguments.device)
    if arguments.worker:
        return worker(arguments)
    return session.supervise(arguments, 1)


if __name__ == "__main__":
    sys.exit(main())
