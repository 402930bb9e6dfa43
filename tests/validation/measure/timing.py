"""How a step is timed, and what of the machine is written down beside it."""
import math
import os
import statistics
import sys
import threading
import time

import torch

WARM_UP_STEPS = 3
WARM_UP_SECONDS = 1.5  # long enough for clocks to fall to what the power cap sustains
LEAST_STEPS = 10
LEAST_SECONDS = 2.5
MOST_STEPS = 2000
SAMPLE_SECONDS = 0.05
NAMES = {"NVIDIA H100 80GB HBM3": "h100-sxm", "NVIDIA H200": "h200-sxm"}


class Nvml:
    """Clock, power and temperature of the GPU that this process computes on."""

    def __init__(self, device):
        self.nvml = None
        if device.type != "cuda":
            return
        properties = torch.cuda.get_device_properties(device)
        address = (f"{properties.pci_domain_id:08X}:{properties.pci_bus_id:02X}:"
                   f"{properties.pci_device_id:02X}.0")
        try:
            import pynvml
            pynvml.nvmlInit()
            self.handle = pynvml.nvmlDeviceGetHandleByPciBusId(address.encode())
            self.nvml = pynvml
        except Exception as error:  # whatever it is, it costs clocks, not times
            print(f"warning: no NVML, clocks are not recorded: {error}", file=sys.stderr)

    def driver(self):
        version = self.nvml.nvmlSystemGetDriverVersion() if self.nvml else "none"
        return version.decode() if isinstance(version, bytes) else version

    def processes(self):
        """How many compute on this GPU; this one too."""
        try:
            return len(self.nvml.nvmlDeviceGetComputeRunningProcesses(self.handle))
        except Exception:
            return 0

    def now(self):
        n = self.nvml
        return (n.nvmlDeviceGetClockInfo(self.handle, n.NVML_CLOCK_SM) * 1e6,
                n.nvmlDeviceGetPowerUsage(self.handle) * 1e-3,
                n.nvmlDeviceGetTemperature(self.handle, 0),
                n.nvmlDeviceGetCurrentClocksThrottleReasons(self.handle))


class Sampler:
    """Reads NVML in a thread of its own while the timed part runs."""

    def __init__(self, nvml):
        self.nvml = nvml
        self.samples = []

    def __enter__(self):
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        if self.nvml.nvml is not None:
            self.thread.start()
        return self

    def run(self):
        while not self.stopped.wait(SAMPLE_SECONDS):
            try:
                self.samples.append(self.nvml.now())
            except Exception:
                return

    def __exit__(self, *_):
        self.stopped.set()
        if self.nvml.nvml is not None:
            self.thread.join()

    def medians(self):
        if not self.samples:
            return {}
        clocks, powers, temperatures, reasons = zip(*self.samples)
        held = sum(1 for reason in reasons if reason & 0xEC)  # heat, power cap, board
        return {"sm_clock_hz": statistics.median(clocks), "power_w": statistics.median(powers),
                "temperature_c": statistics.median(temperatures),
                "throttled_share": round(held / len(reasons), 3)}


def facts(device, nvml):
    """Versions and names, written with every case."""
    found = {"torch": torch.__version__, "python": sys.version.split()[0], "driver": nvml.driver()}
    if device.type != "cuda":
        return {"gpu": "cpu", "device": "cpu", **found}
    name = torch.cuda.get_device_name(device)
    nccl = ".".join(str(part) for part in torch.cuda.nccl.version())
    return {"gpu": NAMES.get(name, name.lower()), "device": name, "cuda": torch.version.cuda,
            "cudnn": torch.backends.cudnn.version(), "nccl": nccl, "host_cores": os.cpu_count(),
            **found}


def synchronize(device):
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def quantile(ordered, share):
    return ordered[min(len(ordered) - 1, round(share * (len(ordered) - 1)))]


def measure(step, device, nvml, agree=lambda count: count, is_quick=False):
    """Seconds of `step()`, which enqueues one whole step. `agree` makes all ranks take one count.

    Each synchronised step begins on an idle GPU: `host_time_s` is when its last call returned, free
    of waiting as long as the step has fewer kernels than the launch queue holds (about a thousand).
    """
    began = time.perf_counter()
    for _ in range(WARM_UP_STEPS - 1):
        step()
    synchronize(device)
    first_seconds = time.perf_counter() - began
    began = time.perf_counter()
    step()
    synchronize(device)
    estimate = max(time.perf_counter() - began, 1e-6)
    shrink = 100 if is_quick else 1
    warm = agree(max(WARM_UP_STEPS, math.ceil(WARM_UP_SECONDS / shrink / estimate)))
    for _ in range(min(warm, MOST_STEPS)):
        step()
        synchronize(device)
    count = agree(min(MOST_STEPS, max(3 if is_quick else LEAST_STEPS,
                                      math.ceil(LEAST_SECONDS / shrink / estimate))))
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    times, hosts = [], []
    with Sampler(nvml) as sampler:
        for _ in range(count):
            start = time.perf_counter()
            step()
            enqueued = time.perf_counter()
            synchronize(device)
            times.append(time.perf_counter() - start)
            hosts.append(enqueued - start)
        start = time.perf_counter()
        for _ in range(count):
            step()
        enqueued = time.perf_counter()
        synchronize(device)
        end = time.perf_counter()
    ordered = sorted(times)
    median = statistics.median(ordered)
    unwatched = []
    if agree(int(statistics.median(hosts) > 0.5 * median)):  # would the sampling thread be in the way?
        for _ in range(min(count, LEAST_STEPS)):
            began = time.perf_counter()
            step()
            synchronize(device)
            unwatched.append(time.perf_counter() - began)
    result = {"step_time_s": median,
              "spread": (quantile(ordered, 0.9) - quantile(ordered, 0.1)) / median,
              "steps": count,
              "step_time_unsynchronised_s": (end - start) / count,
              "host_time_s": statistics.median(hosts),
              "host_time_unsynchronised_s": (enqueued - start) / count,
              "first_steps_s": first_seconds, **sampler.medians()}
    if unwatched:
        result["step_time_unwatched_s"] = statistics.median(unwatched)
    if device.type == "cuda":
        result["allocated_bytes"] = torch.cuda.max_memory_allocated(device)
        result["reserved_bytes"] = torch.cuda.max_memory_reserved(device)
        result["resident_bytes"] = torch.cuda.memory_allocated(device)
    return result
