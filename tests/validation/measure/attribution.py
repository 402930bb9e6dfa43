"""Where a step's time goes: a profiler's trace of two steps, reduced to what is asked of it.

`kernels`: by name, [count a step, microseconds a step]; `operators`: by name, [count a step,
microseconds of host self time a step]; `launches`: the same of the CUDA runtime's calls; `sequence`:
the kernels of the second step in order of start, [index of name, start, duration, stream], in
microseconds. The profiler makes the host slower: durations of kernels hold, gaps and host times do not.
"""
import collections
import gzip
import json
import os
import tempfile

import torch

STEPS = 2
ON_GPU = ("kernel", "gpu_memcpy", "gpu_memset")


def self_times(events):
    """Host time of each operator without that of the operators it called; per thread by nesting."""
    found = collections.defaultdict(lambda: [0, 0.0])
    threads = collections.defaultdict(list)
    for event in events:
        threads[event["tid"]].append(event)
    for thread in threads.values():
        thread.sort(key=lambda event: (event["ts"], -event["dur"]))
        open_events = []
        for event in thread:
            while open_events and open_events[-1]["ts"] + open_events[-1]["dur"] <= event["ts"]:
                open_events.pop()
            if open_events:
                found[open_events[-1]["name"]][1] -= event["dur"]
            found[event["name"]][0] += 1
            found[event["name"]][1] += event["dur"]
            open_events.append(event)
    return found


def per_step(found):
    return {name: [count / STEPS, round(total / STEPS, 3)]
            for name, (count, total) in sorted(found.items(), key=lambda item: -item[1][1])}


def totals(events):
    found = collections.defaultdict(lambda: [0, 0.0])
    for event in events:
        found[event["name"]][0] += 1
        found[event["name"]][1] += event["dur"]
    return found


def reduce_trace(events):
    spans = [event for event in events if event.get("ph") == "X" and "dur" in event]
    on_gpu = sorted((event for event in spans if event.get("cat") in ON_GPU),
                    key=lambda event: event["ts"])
    marks = sorted(event["ts"] for event in spans
                   if event["name"] == "whole step" and event.get("cat") == "user_annotation")
    begin = marks[-1] if marks else 0.0
    names, sequence = {}, []
    for event in on_gpu:
        if event["ts"] < begin:
            continue
        index = names.setdefault(event["name"], len(names))
        sequence.append([index, round(event["ts"] - begin, 3), round(event["dur"], 3),
                         event.get("args", {}).get("stream", -1)])
    return {"kernels": per_step(totals(on_gpu)),
            "operators": per_step(self_times(e for e in spans if e.get("cat") == "cpu_op")),
            "launches": per_step(totals(e for e in spans if e.get("cat") == "cuda_runtime")),
            "names": list(names), "sequence": sequence}


def trace(step, synchronize, path, case):
    """Runs `step` twice under the profiler and writes `path` (gzip). A path of None: another rank
    writes, this one only takes part."""
    if path is None:
        for _ in range(STEPS + 1):
            step()
            synchronize()
        return
    activities = [torch.profiler.ProfilerActivity.CPU]
    if torch.cuda.is_available():
        activities.append(torch.profiler.ProfilerActivity.CUDA)
    step()
    synchronize()
    with torch.profiler.profile(activities=activities) as profile:
        for _ in range(STEPS):
            with torch.profiler.record_function("whole step"):
                step()
            synchronize()
    with tempfile.TemporaryDirectory() as folder:
        file = os.path.join(folder, "trace.json")
        profile.export_chrome_trace(file)
        with open(file, encoding="utf-8") as text:
            events = json.load(text)["traceEvents"]
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with gzip.open(path, "wt", encoding="utf-8") as out:
        json.dump({**case, **reduce_trace(events)}, out, separators=(",", ":"))
