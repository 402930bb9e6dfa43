"""Runs cases in worker processes and writes one JSON line a case as it ends.

The parent starts workers (one process a GPU of a case), watches the file of results, and when a worker
dies or says nothing for long, writes the case in hand as failed and starts workers for the rest. A
case that is in the file is left out: a run that was cut off goes on where it stopped.
"""
import argparse
import gc
import json
import os
import subprocess
import sys
import time
import traceback

import cases

SILENCE_SECONDS = 90


def arguments_of(description, groups):
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--gpu", required=True, choices=sorted(cases.NODES))
    parser.add_argument("--group", default=groups[0], choices=groups)
    parser.add_argument("--out", required=True, help="file of JSON lines, appended to")
    parser.add_argument("--traces", default="", help="folder of profiler traces; none without it")
    parser.add_argument("--seconds", type=float, default=1e9, help="no case begins after this")
    parser.add_argument("--shard", default="0/1", help="i/n: the i-th of n equal parts")
    parser.add_argument("--only", default="", help="ids, by commas")
    parser.add_argument("--retry", action="store_true", help="cases that failed are tried again")
    parser.add_argument("--device", default="cuda", choices=("cuda", "cpu"))
    parser.add_argument("--tiny", action="store_true", help="small models and few steps: a trial")
    parser.add_argument("--takes-busy", action="store_true", help="measures beside other processes")
    parser.add_argument("--precompile", action="store_true",
                        help="fills the compiler's cache on disk, many processes at once, and ends")
    parser.add_argument("--compile-only", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def written(path):
    found = {}
    if os.path.exists(path):
        with open(path, encoding="utf-8") as lines:
            for line in lines:
                try:
                    case = json.loads(line)
                    found[case["id"]] = case
                except (ValueError, KeyError):
                    continue  # the line that an interrupted run cut off
    return found


def append(path, line):
    with open(path, "a", encoding="utf-8") as out:
        out.write(json.dumps(line) + "\n")
        out.flush()
        os.fsync(out.fileno())


def chosen(arguments):
    found = cases.cases_of(arguments.gpu, arguments.group)
    only = set(filter(None, arguments.only.split(",")))
    if only:
        return [case for case in found if case["id"] in only]
    index, count = (int(part) for part in arguments.shard.split("/"))
    parts = {}  # what is compared stays on one GPU
    return [case for case in found
            if parts.setdefault(cases.compared_as(case), len(parts)) % count == index]


def remaining(arguments):
    done = written(arguments.out)
    return [case for case in chosen(arguments) if case["id"] not in done]


def supervise(arguments, ranks):
    """The parent's loop. Returns the exit code."""
    started = time.monotonic()
    if arguments.retry:
        kept = [case for case in written(arguments.out).values() if "failed" not in case]
        with open(arguments.out, "w", encoding="utf-8") as out:
            out.writelines(json.dumps(case) + "\n" for case in kept)
    port = 20000 + os.getpid() % 10000
    while True:
        left = arguments.seconds - (time.monotonic() - started)
        todo = remaining(arguments)
        if not todo or left <= 0:
            break
        port += 10
        command = [sys.executable, sys.argv[0], *worker_flags(arguments, left)]
        logs, workers = [], []
        for rank in range(ranks):
            environment = dict(os.environ, RANK=str(rank), WORLD_SIZE=str(ranks),
                               MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
            log = f"{arguments.out}.{rank}.log"
            logs.append(log)
            with open(log, "w", encoding="utf-8") as errors:
                workers.append(subprocess.Popen(command, env=environment, stdout=errors,
                                                stderr=subprocess.STDOUT))
        ending = watch(workers, arguments.out)
        if ending is None:
            continue
        undone = remaining(arguments)
        if undone:
            tails = []
            for log in logs:
                with open(log, encoding="utf-8", errors="replace") as text:
                    tails.append(text.read()[-1500:])
            is_out_of_memory = any("OutOfMemoryError" in tail for tail in tails)
            append(arguments.out, {**undone[0], "failed": ending, "log": tails,
                                   "out_of_memory": is_out_of_memory})
            print(f"failed: {undone[0]['id']}: {ending}", flush=True)
    count = written(arguments.out)
    failed = [case["id"] for case in count.values() if "failed" in case]
    print(f"{arguments.out}: {len(count)} cases, {len(failed)} failed: {' '.join(failed)}; "
          f"{len(remaining(arguments))} left; {time.monotonic() - started:.0f} s", flush=True)
    return 0


def worker_flags(arguments, left):
    flags = ["--worker", "--gpu", arguments.gpu, "--group", arguments.group, "--out", arguments.out,
             "--seconds", str(left), "--shard", arguments.shard, "--device", arguments.device,
             "--traces", arguments.traces, "--only", arguments.only]
    flags += ["--tiny"] * arguments.tiny + ["--takes-busy"] * arguments.takes_busy
    return flags


def watch(workers, path):
    """Waits for all workers; None when all ended well, else the reason why not."""
    size, heard = -1, time.monotonic()
    while True:
        codes = [worker.poll() for worker in workers]
        now = os.path.getsize(path) if os.path.exists(path) else 0
        if now != size:
            size, heard = now, time.monotonic()
        if all(code == 0 for code in codes):
            return None
        bad = [code for code in codes if code not in (None, 0)]
        is_silent = time.monotonic() - heard > SILENCE_SECONDS
        if bad or is_silent:
            time.sleep(1.0)
            for worker in workers:
                if worker.poll() is None:
                    worker.kill()
            for worker in workers:
                worker.wait()
            return f"worker ended with {bad[0]}" if bad else f"silent for {SILENCE_SECONDS} s"
        time.sleep(0.1)


def work(arguments, run_case, rank=0, is_alone=True):
    """A worker's loop over the cases that are left. `run_case(case) -> dict` measures one. Alone, a
    failure costs one case; with other ranks it ends the process, which the parent sees."""
    import torch
    started = time.monotonic()
    marked = cases.traced(cases.cases_of(arguments.gpu, arguments.group))
    todo = remaining(arguments)
    if not is_alone:
        torch.distributed.barrier()  # all have read the file before anybody writes to it
    for case in todo:
        is_late = time.monotonic() - started > arguments.seconds
        if not is_alone:
            word = torch.tensor([is_late], device=torch.device(
                arguments.device, rank if arguments.device == "cuda" else None), dtype=torch.int32)
            torch.distributed.broadcast(word, 0)
            is_late = bool(word.item())
        if is_late:
            return
        wants_trace = bool(arguments.traces) and case["id"] in marked
        path = os.path.join(arguments.traces, case["id"] + ".json.gz") if wants_trace else ""
        began = time.monotonic()
        failure = None
        try:
            line = run_case(case, path)
        except Exception as error:
            if not is_alone:
                raise
            failure = {"failed": f"{type(error).__name__}: {str(error)[:400]}",
                       "where": traceback.format_exc()[-1200:],
                       "out_of_memory": isinstance(error, torch.OutOfMemoryError)}
        if failure is not None:
            line = failure
            print(failure["where"], flush=True)
        gc.collect()
        if arguments.device == "cuda":
            torch._C._cuda_clearCublasWorkspaces()
            torch.cuda.empty_cache()
        if rank == 0:
            append(arguments.out, {**case, **line, "case_wall_s": time.monotonic() - began})
        if failure is not None and "CUDA error" in failure["failed"]:
            sys.exit(0)  # this process's GPU context is lost; the parent starts another
