#!/usr/bin/env python3
"""Times fused attention as PyTorch runs it: cuDNN and flash, forward and backward, and decode.

    attention.py --points FILE --out FILE [--seconds S] [--gpu NAME] [--check]

Reads and writes the files of ridgeline_measure, in its steady condition (timer.cuh): replayed CUDA
graphs over rotating operand sets of random data. `with` in a point chooses "cudnn" (prefill and
training where nothing is said), "flash" (decode, and queries that continue a context) or
"flash-paged". Points that are in the results already are left out; what has no kernel here is
"skipped" with the reason. Exit code 1 without a GPU, or when the GPU no longer answers.
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


class Attention:
    """From a point to callables, one an operand set."""

    def __init__(self, torch, bench, checks):
        from torch.nn.attention import SDPBackend, sdpa_kernel
        self.torch = torch
        self.bench = bench
        self.checks = checks
        self.backends = {"cudnn": SDPBackend.CUDNN_ATTENTION, "flash": SDPBackend.FLASH_ATTENTION}
        self.sdpa_kernel = sdpa_kernel
        self.flash = torch.ops.aten._flash_attention_forward
        self.flash_arguments = {a.name for a in self.flash.default._schema.arguments}

    def library(self, name):
        torch = self.torch
        if name == "cudnn":
            version = torch.backends.cudnn.version() or 0
            return (f"cuDNN {version // 10000}.{version // 100 % 100}.{version % 100} "
                    f"(torch {torch.__version__})")
        return f"{name} attention of torch {torch.__version__}"

    def prepare(self, op, chosen):
        """Returns (calls, bytes of a set, library's name)."""
        if op.get("dtype", "bf16") != "bf16":
            raise Unsupported("attention is measured in bf16")
        if op.get("kernel", "flash") != "flash":
            raise Unsupported("attention that is not fused is measured as GEMMs and softmax")
        dim = op["head_dim"]
        if op.get("v_head_dim", 0) not in (0, dim) or dim > 256:
            raise Unsupported("no fused kernel here for keys and values of these widths "
                              "(multi-head latent attention)")
        if op.get("window", 0):
            raise Unsupported("sliding windows are not measured")
        self.bench.used = 0
        self.repeats_kv = False
        decode = op["phase"] == "decode"
        queries = op.get("q_len", 1) if decode else op["q_len"]
        context = op.get("kv_len", queries)
        name = chosen or ("flash" if decode or queries != context else "cudnn")
        shape = dict(batch=op.get("batch", 1), queries=queries, context=context, heads=op["heads"],
                     kv_heads=op.get("kv_heads", op["heads"]), dim=dim,
                     causal=bool(op.get("causal", True)) and not decode)
        if name == "flash-paged":
            calls, size = self.paged(**shape)
        elif op.get("pass", "forward") == "backward":
            calls, size = self.backward(name, **shape)
        elif name == "flash":
            calls, size = self.flash_forward(**shape)
        elif name == "cudnn":
            calls, size = self.cudnn_forward(**shape)
        else:
            raise Unsupported(f"no such kernel: {name}")
        library = self.library(name)
        return calls, size, library + (", KV heads repeated" if self.repeats_kv else "")

    def operands(self, tensors, batch, queries, context, heads, kv_heads, dim):
        """Sets of q, k, v [batch, tokens, heads, dim]; `tensors` like q are moved in all."""
        size = 2 * dim * batch * (tensors * queries * heads + 2 * context * kv_heads)
        q_and_kv = 2 * dim * batch * (queries * heads + 2 * context * kv_heads)
        sets = min(self.bench.sets_for(size), max(1, int(2 * self.bench.pool.numel() // q_and_kv)))
        take = self.bench.take
        return [(take(batch, queries, heads, dim), take(batch, context, kv_heads, dim),
                 take(batch, context, kv_heads, dim)) for _ in range(sets)], size

    def flash_forward(self, causal, **shape):
        operands, size = self.operands(2, **shape)
        def call(q, k, v):
            return self.flash(q, k, v, None, None, q.shape[1], k.shape[1], 0.0, causal, False)[0]
        if self.checks:
            self.compare(call(*operands[0]), *operands[0], causal)
        return [lambda t=t: call(*t) for t in operands], size

    def cudnn_forward(self, causal, **shape):
        if shape["queries"] != shape["context"] and causal:
            raise Unsupported("PyTorch's cuDNN attention has no causal mask for a continued "
                              "context")
        operands, size = self.operands(2, **shape)
        operands = [tuple(t.transpose(1, 2) for t in each) for each in operands]
        fused = self.torch.ops.aten._scaled_dot_product_cudnn_attention
        def call(q, k, v):
            return fused(q, k, v, None, False, 0.0, causal, False)[0]
        if shape["heads"] != shape["kv_heads"]:
            try:
                call(*operands[0])
            except RuntimeError:  # this version wants as many KV heads as query heads
                operands = [self.repeated(*each) for each in operands]
        if self.checks:
            self.compare(call(*operands[0]).transpose(1, 2),
                         *(t.transpose(1, 2) for t in operands[0]), causal)
        return [lambda t=t: call(*t) for t in operands], size

    def backward(self, name, causal, **shape):
        """The backward pass alone; the forward ran before, on the same stream."""
        torch = self.torch
        operands, size = self.operands(2, **shape)
        size = 2 * size + 2 * shape["dim"] * shape["batch"] * shape["queries"] * shape["heads"]
        operands = operands[:self.bench.sets_for(size)]
        gqa = shape["heads"] != shape["kv_heads"]
        prepared = []

        def forward(q, k, v):
            leaves = [t.detach().requires_grad_(True) for t in (q, k, v)]
            out = torch.nn.functional.scaled_dot_product_attention(
                *leaves, is_causal=causal, enable_gqa=gqa and not self.repeats_kv)
            return out, leaves, torch.randn_like(out)

        torch.cuda.synchronize()
        with torch.cuda.stream(self.bench.stream), self.sdpa_kernel([self.backends[name]]):
            for each in operands:
                each = tuple(t.transpose(1, 2) for t in each)
                if self.repeats_kv:
                    each = self.repeated(*each)
                try:
                    prepared.append(forward(*each))
                except RuntimeError:
                    if not gqa or self.repeats_kv:
                        raise
                    each = self.repeated(*each)
                    prepared.append(forward(*each))
        def call(out, leaves, gradient):
            return torch.autograd.grad(out, leaves, gradient, retain_graph=True)
        return [lambda t=t: call(*t) for t in prepared], size

    def repeated(self, q, k, v):
        """Keys and values [batch, heads, tokens, dim] with a head for each query head."""
        self.repeats_kv = True
        group = q.shape[1] // k.shape[1]
        return q, k.repeat_interleave(group, dim=1), v.repeat_interleave(group, dim=1)

    def paged(self, batch, queries, context, heads, kv_heads, dim, causal):
        """Decode with the cache in blocks of 256 tokens, in random order."""
        if "block_table" not in self.flash_arguments:
            raise Unsupported("this PyTorch's flash attention takes no block table")
        torch = self.torch
        block = 256
        blocks = -(-context // block)
        size = 2 * dim * batch * (2 * queries * heads + 2 * context * kv_heads)
        sets = self.bench.sets_for(size)
        offsets = torch.arange(0, batch + 1, dtype=torch.int32, device="cuda") * queries
        keys = torch.arange(0, batch + 1, dtype=torch.int32, device="cuda") * context
        used = torch.full((batch,), context, dtype=torch.int32, device="cuda")
        calls = []
        for _ in range(sets):
            q = self.bench.take(batch * queries, heads, dim)
            k = self.bench.take(batch * blocks, block, kv_heads, dim)
            v = self.bench.take(batch * blocks, block, kv_heads, dim)
            table = torch.randperm(batch * blocks, device="cuda").to(torch.int32)
            table = table.view(batch, blocks)
            calls.append(lambda q=q, k=k, v=v, table=table: self.flash(
                q, k, v, offsets, keys, queries, context, 0.0, False, False, seqused_k=used,
                block_table=table)[0])
        return calls, size

    def compare(self, got, q, k, v, causal):
        """Against fp32 on upcast inputs, for small points."""
        torch = self.torch
        if q.shape[0] * q.shape[2] * q.shape[1] * k.shape[1] > 1 << 28:
            return
        group = q.shape[2] // k.shape[2]
        q, k, v = (t.float().transpose(1, 2) for t in (q, k, v))
        k, v = (t.repeat_interleave(group, dim=1) for t in (k, v))
        scores = q @ k.transpose(2, 3) / math.sqrt(q.shape[3])
        if causal:
            queries, context = scores.shape[-2:]
            mask = torch.ones(queries, context, dtype=torch.bool, device="cuda")
            scores = scores.masked_fill(~mask.tril(context - queries), -math.inf)
        wanted = (scores.softmax(-1) @ v).transpose(1, 2)
        error = ((got.float() - wanted).norm() / wanted.norm()).item()
        if not error < 2e-2:
            raise RuntimeError(f"attention is wrong: relative error {error:.3g}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--points", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--seconds", type=float, default=math.inf)
    parser.add_argument("--gpu", default="")
    parser.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    started = time.monotonic()
    try:
        import torch
    except ImportError:
        print("error: attention is timed through PyTorch, which is not installed here\n"
              "  hint: install torch, or leave attention out", file=sys.stderr)
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
    attention = Attention(torch, bench, arguments.check)
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
                if point["op"]["op"] != "attention":
                    raise Unsupported("this script measures attention only")
                calls, size, library = attention.prepare(point["op"], point.get("with", ""))
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


if __name__ == "__main__":
    sys.exit(main())
