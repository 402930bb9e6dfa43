"""What the scripts that time PyTorch's operations share: operands, replayed graphs, result files.

The steady condition is that of timer.cuh: replayed CUDA graphs over rotating operand sets of random
data; burst points rest between samples. A script gives `run_points` a class that makes callables of
a point. Points that are in the results already are left out; what has no kernel is "skipped" with
the reason.
"""
import argparse
import collections
import json
import math
import os
import statistics
import sys
import time

REPLAY_SECONDS = 2.5e-3
SUSTAINED_REPLAY_SECONDS = 10e-3
SUSTAINED_SECONDS = 1.0
REST = 3  # idle before burst samples, as a multiple of the work before: as timer.cuh
LONGEST_REST = 0.25
MOST_NODES = 400
MOST_SETS = 128
NAMES = {"NVIDIA H100 80GB HBM3": "h100-sxm", "NVIDIA H200": "h200-sxm",
         "NVIDIA A100-SXM4-80GB": "a100-sxm-80g", "NVIDIA A100-SXM4-40GB": "a100-sxm-40g"}


class Unsupported(Exception):
    """There is no kernel for this point here: it is skipped with these words."""


def canonical(point):
    text = lambda value: json.dumps(value, sort_keys=True, separators=(",", ":"))
    return text(point.get("op", {})) + text(point.get("condition", {})) + point.get("with", "")


def read_lines(path):
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            try:
                point = json.loads(line)
            except ValueError:
                continue  # the line that an interrupted run cut off
            if isinstance(point, dict) and "op" in point:
                yield point


class Monitor:
    """Clocks, power and throttling through NVML, where its Python binding is installed."""

    def __init__(self, pci_address):
        self.nvml = None
        try:
            import pynvml
            pynvml.nvmlInit()
            self.handle = pynvml.nvmlDeviceGetHandleByPciBusId(pci_address.encode())
            self.nvml = pynvml
        except Exception as error:  # whatever it is, it costs us clocks, not times
            print(f"warning: no NVML, clocks are not recorded: {error}", file=sys.stderr)

    def driver(self):
        if self.nvml is None:
            return "unknown"
        version = self.nvml.nvmlSystemGetDriverVersion()
        return version.decode() if isinstance(version, bytes) else version

    def now(self):
        if self.nvml is None:
            return {"throttled": False}
        try:
            n = self.nvml
            reasons = n.nvmlDeviceGetCurrentClocksThrottleReasons(self.handle)
            state = {
                "sm_clock_hz": n.nvmlDeviceGetClockInfo(self.handle, n.NVML_CLOCK_SM) * 1e6,
                "power_w": n.nvmlDeviceGetPowerUsage(self.handle) * 1e-3,
                "temperature_c": n.nvmlDeviceGetTemperature(self.handle, 0),
                "throttled": bool(reasons & 0xEC),  # heat, power cap, board: as gpu_state.cuh
            }
            if reasons:
                state["throttle_reasons"] = reasons
            return state
        except Exception:
            return {"throttled": False}

    def is_busy(self):
        try:
            return len(self.nvml.nvmlDeviceGetComputeRunningProcesses(self.handle)) > 1
        except Exception:
            return False


def relative_spread(samples):
    median = statistics.median(samples)
    deviations = [abs(sample - median) for sample in samples]
    return 1.4826 * statistics.median(deviations) / median if median > 0 else 0.0


class Bench:
    """Operand pool, stream and graph memory of one GPU."""

    def __init__(self, torch, monitor):
        self.torch = torch
        self.monitor = monitor
        properties = torch.cuda.get_device_properties(0)
        self.l2 = getattr(properties, "L2_cache_size", 50 << 20)
        self.stream = torch.cuda.Stream()
        elements = int(0.30 * properties.total_memory / 2)
        self.pool = torch.empty(elements, dtype=torch.bfloat16, device="cuda")
        step = 1 << 28
        for start in range(0, elements, step):
            self.pool[start:start + step].normal_()
        self.used = 0
        self.idle_until = 0.0
        self.flush_buffer = torch.ones(self.l2 // 2, dtype=torch.float32, device="cuda")
        # A graph that stays alive keeps the memory pool that all others share.
        self.graph_pool = torch.cuda.graph_pool_handle()
        self.anchor = torch.cuda.CUDAGraph()
        small = torch.zeros(8, device="cuda")
        torch.cuda.synchronize()
        with torch.cuda.graph(self.anchor, pool=self.graph_pool, stream=self.stream):
            self.anchored = small + 1

    def take(self, *shape):
        """A random bf16 tensor of the pool."""
        count = math.prod(shape)
        start = self.used
        self.used += (count + 127) // 128 * 128
        if self.used > self.pool.numel():
            raise Unsupported(f"out of memory: operands need {2e-9 * self.used:.1f} GB, "
                              f"the pool has {2e-9 * self.pool.numel():.1f}")
        return self.pool[start:start + count].view(*shape)

    def sets_for(self, bytes_per_set):
        wanted = min(max(2, math.ceil(2 * self.l2 / bytes_per_set) + 1), MOST_SETS)
        fit = int(2 * self.pool.numel() // max(bytes_per_set, 1))
        return max(1, min(wanted, fit))

    def rest(self):
        """Sleeps until the work since the last rest is paid for; the GPU is idle."""
        time.sleep(max(0.0, self.idle_until - time.monotonic()))

    def worked(self, seconds):
        self.idle_until = time.monotonic() + min(REST * seconds, LONGEST_REST)

    def seconds(self, begin, end):
        return begin.elapsed_time(end) * 1e-3

    def measure(self, calls, bytes_per_set, condition):
        """`calls`: one callable an operand set, returning what must outlive its turn."""
        torch = self.torch
        for name, known in (("clock", ("burst", "sustained")), ("launch", ("graph", "eager")),
                            ("cache", ("cold", "warm"))):
            if condition.get(name, known[0]) not in known:
                raise Unsupported(f"condition not known: {name} {condition[name]}")
        if condition.get("cache") == "warm":
            calls = calls[:1]
        torch.cuda.synchronize()
        events = [(torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True))
                  for _ in range(4)]
        with torch.cuda.stream(self.stream):
            for i in range(2):  # compiles, plans, loads
                calls[i % len(calls)]()
            events[0][0].record()
            for i in range(2):
                calls[i % len(calls)]()
            events[0][1].record()
        self.stream.synchronize()
        estimate = max(self.seconds(*events[0]) / 2, 2e-6)
        if condition.get("launch") == "eager":
            return self.measure_eager(calls, estimate, events)
        sustained = condition.get("clock") == "sustained"
        replay = SUSTAINED_REPLAY_SECONDS if sustained else REPLAY_SECONDS
        nodes = max(1, min(MOST_NODES, math.ceil(replay / estimate)))
        graph = torch.cuda.CUDAGraph()
        # Results outlive their turn, so that each operand set has results of its own.
        kept = collections.deque(maxlen=len(calls))
        with torch.cuda.stream(self.stream):
            # torch.cuda.graph would collect garbage first.
            graph.capture_begin(pool=self.graph_pool)
            try:
                for i in range(nodes):
                    kept.append(calls[i % len(calls)]())
            finally:
                graph.capture_end()
        flushes = (not sustained and condition.get("cache") != "warm"
                   and bytes_per_set * min(nodes, len(calls)) < 2 * self.l2)
        samples, state, spent = [], None, 0.0
        limit = 0.3 if sustained else 0.040
        long = nodes * estimate > 15e-3
        batch = 2 if long else 4
        with torch.cuda.stream(self.stream):
            if sustained:
                until = time.monotonic() + SUSTAINED_SECONDS
                while time.monotonic() < until:
                    for _ in range(max(1, int(0.05 / (nodes * estimate)))):
                        graph.replay()
                    events[0][0].synchronize()  # of the round before: one is always queued
                    events[0][0].record()
            reason = None
            while reason is None:
                if not sustained:
                    self.rest()
                if not long or not samples:
                    graph.replay()
                for begin, end in events[:batch]:
                    if flushes:
                        self.flush_buffer.sum()
                    begin.record()
                    graph.replay()
                    end.record()
                if state is None or sustained:
                    events[batch - 1][0].synchronize()
                    state = self.monitor.now()
                self.stream.synchronize()
                times = [self.seconds(begin, end) for begin, end in events[:batch]]
                self.worked(sum(times) * (batch + 1) / batch)
                spent += sum(times)
                samples += [seconds / nodes for seconds in times]
                if len(samples) >= 4 and relative_spread(samples) <= 0.004:
                    reason = "spread"
                elif spent >= limit:
                    reason = "time"
                elif len(samples) >= 24:
                    reason = "samples"
        kept.clear()
        return {"time_s": statistics.median(samples), "spread": relative_spread(samples),
                "samples": len(samples), "stopped_by": reason, "nodes": nodes,
                "sets": min(nodes, len(calls)), **state}

    def measure_eager(self, calls, estimate, events):
        launches = max(1, min(1000, math.ceil(REPLAY_SECONDS / estimate)))
        samples, host, state = [], [], None
        with self.torch.cuda.stream(self.stream):
            for _ in range(8):
                begin, end = events[0]
                start = time.perf_counter()
                begin.record()
                for i in range(launches):
                    calls[i % len(calls)]()
                end.record()
                host.append((time.perf_counter() - start) / launches)
                state = state or self.monitor.now()
                end.synchronize()
                samples.append(self.seconds(begin, end) / launches)
        return {"time_s": statistics.median(samples), "spread": relative_spread(samples),
                "samples": len(samples), "stopped_by": "samples",
                "host_time_s": statistics.median(host), **state}


def run_points(make, op, description, add_arguments=None):
    """Measures the points of a file that are `op`. `make(torch, bench, arguments)` gives an object
    with prepare(op, with) -> (calls, bytes of an operand set, library). Returns the exit code."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--points", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--seconds", type=float, default=math.inf)
    parser.add_argument("--gpu", default="")
    parser.add_argument("--check", action="store_true")
    if add_arguments:
        add_arguments(parser)
    arguments = parser.parse_args()
    started = time.monotonic()
    try:
        import torch
    except ImportError:
        print(f"error: {op} is timed through PyTorch, which is not installed here\n"
              "  hint: install torch, or leave this family out", file=sys.stderr)
        return 1
    if not torch.cuda.is_available():
        print("error: no GPU found\n  hint: run this on a machine with an NVIDIA driver",
              file=sys.stderr)
        return 1
    done = set()
    if os.path.exists(arguments.out):
        done = {canonical(point) for point in read_lines(arguments.out)}
    properties = torch.cuda.get_device_properties(0)
    address = (f"{getattr(properties, 'pci_domain_id', 0):08X}:"
               f"{getattr(properties, 'pci_bus_id', 0):02X}:"
               f"{getattr(properties, 'pci_device_id', 0):02X}.0")
    monitor = Monitor(address)
    facts = {"gpu": arguments.gpu or NAMES.get(properties.name, properties.name.lower()),
             "device": properties.name, "driver": monitor.driver(), "source": "own"}
    busy = monitor.is_busy()
    bench = Bench(torch, monitor)
    kernels = make(torch, bench, arguments)
    measured = skipped = 0
    ended = ""
    with open(arguments.out, "a", encoding="utf-8") as out:
        if out.tell() > 0:
            with open(arguments.out, "rb") as before:
                before.seek(-1, os.SEEK_END)
                if before.read(1) != b"\n":
                    out.write("\n")
        for point in read_lines(arguments.points):
            if canonical(point) in done:
                continue
            if time.monotonic() - started > arguments.seconds:
                ended = "; the time was up"
                break
            broken = False
            result = {"condition": {}, **point}
            try:
                if point["op"]["op"] != op:
                    raise Unsupported(f"this script measures {op} only")
                calls, size, library = kernels.prepare(point["op"], point.get("with", ""))
                result.update(bench.measure(calls, size, point.get("condition", {})),
                              library=library)
                measured += 1
            except Unsupported as reason:
                result["skipped"] = str(reason)
            except torch.cuda.OutOfMemoryError:
                result["skipped"] = "out of memory"
                torch.cuda.empty_cache()
            except (RuntimeError, TypeError, ValueError) as error:
                result["skipped"] = str(error).strip().splitlines()[0][:300]
                # An error of CUDA itself stays: only a new process can go on.
                broken = "CUDA error" in str(error)
            calls = None
            if "skipped" in result:
                result.pop("time_s", None)
                skipped += 1
            if busy:
                result["busy"] = True
            out.write(json.dumps({**result, **facts}, sort_keys=True) + "\n")
            out.flush()
            if broken:
                print(f"error: the GPU no longer answers: {result['skipped']}\n"
                      "  hint: start again; the point is on record", file=sys.stderr)
                return 1
    print(f"measured {measured}, skipped {skipped} in {time.monotonic() - started:.0f} s{ended}",
          file=sys.stderr)
    return 0

