"""The cases: each is an id and a whole Ridgeline scenario (DESIGN section 8), and nothing else.

What is measured is read from the scenario, so that the suite is generated and never typed. Cases come
in pairs that differ in one thing: eager and compiled, recompute on and off, one schedule and another.
"""
import hashlib
import re

NODES = {"h100": "hgx-h100", "h200": "hgx-h200"}
SHORT = {"mixtral-8x7b-v0.1": "mixtral-8x7b"}
EAGER, COMPILE, HF, TITAN = "pytorch-eager", "pytorch-compile", "transformers", "torchtitan"
WORD = {EAGER: "eager", COMPILE: "compile", HF: "hf", TITAN: "titan",
        "pytorch-graph": "graph", "pytorch-compile-graph": "compile-graph"}
LLAMA, LARGE, QWEN = "llama-3.1-8b", "llama-3.1-70b", "qwen3-8b"
SMALL, SMALLEST, MOE, FINE_MOE = "qwen3-1.7b", "qwen3-0.6b", "mixtral-8x7b-v0.1", "qwen3-30b-a3b"

# model, layers, tokens, micro batch, frameworks, recompute, micro-batches a step
ONE_GPU = [
    (LLAMA, 4, 4096, 1, (EAGER, COMPILE), "none", 1),
    (LLAMA, 4, 4096, 1, (EAGER, COMPILE), "full", 1),
    (LLAMA, 4, 4096, 1, (HF,), "none", 1),
    (SMALLEST, None, 512, 1, (EAGER,), "none", 1),
    ("gpt-3-1.3b", 8, 2048, 4, (EAGER, COMPILE), "none", 1),
    ("gpt-3-1.3b", 8, 2048, 4, (EAGER,), "full", 1),
    (MOE, 1, 4096, 1, (EAGER, HF), "none", 1),
    (LLAMA, 2, 8192, 1, (EAGER, COMPILE), "none", 1),
    (LLAMA, 8, 2048, 2, (EAGER, COMPILE), "none", 1),
    (LLAMA, 8, 2048, 2, (EAGER,), "full", 1),
    (LARGE, 1, 4096, 1, (EAGER, COMPILE), "none", 1),
    (QWEN, 4, 4096, 1, (EAGER, COMPILE), "none", 1),
    (SMALL, None, 1024, 1, (EAGER, HF), "none", 1),
    (FINE_MOE, 2, 4096, 1, (EAGER, COMPILE), "none", 1),
    (LLAMA, 4, 2048, 1, (EAGER,), "none", 4),
    (LLAMA, 2, 2048, 1, (EAGER, COMPILE), "none", 1),
    (LLAMA, 4, 1024, 4, (EAGER,), "none", 1),
    (LLAMA, 4, 8192, 1, (EAGER,), "none", 1),
    (LLAMA, 4, 8192, 1, (EAGER,), "full", 1),
    ("gpt-3-6.7b", 4, 2048, 2, (EAGER, COMPILE), "none", 1),
    (SMALL, 8, 4096, 2, (EAGER, COMPILE), "none", 1),
    (SMALLEST, 8, 1024, 1, (EAGER, COMPILE), "none", 1),
    (LLAMA, 4, 2048, 2, (HF,), "full", 1),
    (LARGE, 2, 2048, 1, (EAGER,), "none", 1),
    ("gpt-3-1.3b", 8, 2048, 4, (HF,), "none", 1),
    (MOE, 1, 2048, 1, (EAGER,), "none", 1),
    (FINE_MOE, 4, 2048, 2, (EAGER,), "none", 1),
    (SMALLEST, None, 2048, 2, (EAGER, HF), "none", 1),
    (LLAMA, 2, 1024, 2, (EAGER,), "none", 1),
    (LLAMA, 8, 4096, 1, (EAGER,), "none", 1),
    (QWEN, 4, 2048, 1, (EAGER,), "full", 1),
    ("gpt-3-1.3b", None, 2048, 1, (EAGER,), "none", 1),
    (LLAMA, 2, 2048, 1, (COMPILE,), "none", 2),
    (LLAMA, 4, 4096, 2, (EAGER,), "none", 1),
    (LLAMA, 2, 4096, 4, (EAGER,), "none", 1),
    (FINE_MOE, 2, 4096, 1, (HF,), "none", 1),
]

# model, layers, phase, batch, context, framework
GRAPH, COMPILE_GRAPH = "pytorch-graph", "pytorch-compile-graph"
FORWARD = [
    (LLAMA, None, "decode", 1, 1024, GRAPH),
    (LLAMA, None, "decode", 16, 1024, GRAPH),
    (LLAMA, None, "prefill", 1, 2048, GRAPH),
    (LLAMA, None, "decode", 64, 2048, GRAPH),
    (SMALL, None, "decode", 16, 1024, GRAPH),
    (SMALL, None, "decode", 16, 1024, EAGER),
    (LARGE, 8, "decode", 4, 4096, GRAPH),
    (LARGE, 8, "prefill", 1, 4096, GRAPH),
    (LLAMA, 8, "decode", 16, 2048, COMPILE_GRAPH),
    (LLAMA, 8, "decode", 16, 2048, GRAPH),
    (QWEN, None, "decode", 16, 4096, GRAPH),
    (QWEN, None, "prefill", 4, 512, GRAPH),
    (LLAMA, None, "decode", 128, 256, GRAPH),
    (LLAMA, None, "prefill", 1, 8192, GRAPH),
    (LLAMA, 8, "prefill", 4, 1024, COMPILE_GRAPH),
    (LLAMA, 8, "prefill", 4, 1024, EAGER),
    (LARGE, 8, "decode", 128, 1024, GRAPH),
    (SMALL, None, "prefill", 8, 1024, GRAPH),
    (LLAMA, None, "decode", 4, 8192, GRAPH),
]
FORWARD_TWO = [
    (LLAMA, None, "decode", 1, 1024, GRAPH),
    (LLAMA, None, "decode", 16, 2048, GRAPH),
    (LLAMA, None, "prefill", 1, 4096, GRAPH),
    (LARGE, 8, "decode", 64, 1024, GRAPH),
    (LARGE, 8, "prefill", 1, 2048, GRAPH),
    (QWEN, None, "decode", 4, 4096, GRAPH),
    (LLAMA, None, "decode", 128, 1024, GRAPH),
    (QWEN, None, "prefill", 4, 1024, GRAPH),
]

# what, model, layers, tokens, micro batch, micro-batches, settings over those of `training`
# Shards are kept in fp32 and gathered in bf16; distributed_step.py clips gradients wherever it
# shards.
FSDP_IN_EAGER = {"framework": {"base": EAGER, "clips_gradients": True}, "sharding": "fsdp",
                 "dtypes": {"parameters": "fp32", "gradients": "fp32", "reduce": "fp32",
                            "optimizer": "fp32"}}
TP = {"parallelism": {"tp": 2, "sequence_parallel": False}, "framework": EAGER}
SP = {"parallelism": {"tp": 2, "sequence_parallel": True}, "framework": EAGER}


def pipeline(schedule, vpp=1):
    return {"parallelism": {"pp": 2, "vpp": vpp}, "schedule": schedule, "framework": EAGER}


TWO_GPUS = [
    ("ddp", LLAMA, 4, 4096, 1, 1, {"framework": EAGER, "sharding": "ddp"}),
    ("fsdp", LLAMA, 8, 4096, 1, 1, {"framework": TITAN, "sharding": "fsdp"}),
    ("tp2", LLAMA, 8, 4096, 1, 1, TP),
    ("tp2-sp", LLAMA, 8, 4096, 1, 1, SP),
    ("pp2-gpipe", LLAMA, 8, 4096, 1, 8, pipeline("gpipe")),
    ("pp2-1f1b", LLAMA, 8, 4096, 1, 8, pipeline("1f1b")),
    ("pp2-interleaved", LLAMA, 8, 4096, 1, 8, pipeline("interleaved", 2)),
    ("pp2-zbv", LLAMA, 8, 4096, 1, 8, pipeline("zb-v", 2)),
    ("fsdp", LLAMA, 8, 4096, 1, 1, FSDP_IN_EAGER),
    ("ddp", LLAMA, 8, 2048, 2, 1, {"framework": EAGER, "sharding": "ddp"}),
    ("tp2", LARGE, 2, 4096, 1, 1, TP),
    ("tp2-sp", LARGE, 2, 4096, 1, 1, SP),
    ("pp2-1f1b", LLAMA, 8, 1024, 1, 8, pipeline("1f1b")),
    ("pp2-zbv", LLAMA, 8, 1024, 1, 8, pipeline("zb-v", 2)),
    ("fsdp", LLAMA, 8, 4096, 1, 1, {"framework": TITAN, "sharding": "fsdp", "recompute": "full"}),
    ("ddp", LLAMA, 4, 4096, 1, 1, {"framework": COMPILE, "sharding": "ddp"}),
    ("tp2", SMALL, 8, 2048, 1, 1, TP),
    ("tp2-sp", SMALL, 8, 2048, 1, 1, SP),
    ("pp2-gpipe", LLAMA, 8, 1024, 1, 8, pipeline("gpipe")),
    ("pp2-interleaved", LLAMA, 8, 1024, 1, 8, pipeline("interleaved", 2)),
    ("fsdp", LARGE, 2, 4096, 1, 1, FSDP_IN_EAGER),
    ("ddp", "gpt-3-1.3b", 8, 2048, 2, 1, {"framework": EAGER, "sharding": "ddp"}),
    ("fsdp", QWEN, 4, 2048, 2, 1, FSDP_IN_EAGER),
]


def training(gpu, model, layers, tokens, micro_batch, micro_batches, gpus, settings):
    block = {"model": model}
    if layers:
        block["layers"] = layers
    replicas = gpus
    for axis in ("tp", "pp"):
        replicas //= settings.get("parallelism", {}).get(axis, 1)
    block |= {"sequence_length": tokens, "global_batch": micro_batch * micro_batches * replicas,
              "micro_batch": micro_batch, "gpus": gpus, "precision": "bf16",
              "parallelism": {"tp": 1, "pp": 1}, "sharding": "none", "recompute": "none"}
    return {"cluster": {"nodes": NODES[gpu], "count": 1}, "training": block | settings}


def framework_of(block):
    """Its name, or that of the framework whose settings the case changes."""
    framework = block["framework"]
    return framework if isinstance(framework, str) else framework["base"]


def training_id(gpu, scenario, what=""):
    block = scenario["training"]
    steps = block["global_batch"] // block["micro_batch"]
    parts = [gpu, what, SHORT.get(block["model"], block["model"]),
             f"l{block['layers']}" if "layers" in block else "",
             f"s{block['sequence_length']}", f"b{block['micro_batch']}",
             f"x{steps}" if steps > 1 and not what else "", WORD[framework_of(block)],
             "full" if block["recompute"] == "full" else ""]
    return "-".join(part for part in parts if part)


def forward_case(gpu, model, layers, phase, batch, context, framework, tp):
    block = {"model": {"base": model, "num_hidden_layers": layers} if layers else model,
             "phase": phase, "batch": batch, "context": context, "precision": "bf16",
             "parallelism": {"tp": tp}, "framework": framework}
    parts = [gpu, "tp2" if tp == 2 else "", model, f"l{layers}" if layers else "", phase,
             f"b{batch}", f"c{context}", WORD[framework]]
    return {"id": "-".join(part for part in parts if part),
            "scenario": {"cluster": {"nodes": NODES[gpu], "count": 1}, "forward": block}}


def one_gpu_training(gpu):
    for model, layers, tokens, batch, frameworks, recompute, accumulate in ONE_GPU:
        for framework in frameworks:
            scenario = training(gpu, model, layers, tokens, batch, accumulate, 1,
                                {"recompute": recompute, "framework": framework})
            yield {"id": training_id(gpu, scenario), "scenario": scenario}


def two_gpu_training(gpu):
    for what, model, layers, tokens, batch, micro_batches, settings in TWO_GPUS:
        scenario = training(gpu, model, layers, tokens, batch, micro_batches, 2, settings)
        yield {"id": training_id(gpu, scenario, what), "scenario": scenario}


def forward_passes(gpu, gpus):
    for row in FORWARD if gpus == 1 else FORWARD_TWO:
        yield forward_case(gpu, *row, gpus)


GROUPS = {"training": one_gpu_training, "distributed": two_gpu_training,
          "forward": lambda gpu: forward_passes(gpu, 1),
          "forward-tp2": lambda gpu: forward_passes(gpu, 2)}


def cases_of(gpu, group):
    cases = list(GROUPS[group](gpu))
    assert len({case["id"] for case in cases}) == len(cases), "two cases of one id"
    return cases


def is_held_out(case_id):
    """Half of the cases are never looked at while anything is chosen or fitted."""
    return int(hashlib.sha256(case_id.encode()).hexdigest()[-1], 16) % 2 == 1


def compared_as(case):
    """What cases that are compared with each other have in common."""
    block = case["scenario"].get("training") or case["scenario"]["forward"]
    keys = ("model", "layers", "sequence_length", "micro_batch", "phase", "batch", "context")
    return tuple(str(block.get(key)) for key in keys)


def category(case):
    """What a trace would teach: one case of each is traced."""
    block = case["scenario"].get("training") or case["scenario"]["forward"]
    model = block["model"] if isinstance(block["model"], str) else block["model"]["base"]
    family = "moe" if model in (MOE, FINE_MOE) else re.match("[a-z]+", model)[0]
    layout = tuple(sorted(block["parallelism"].items()))
    return (family, framework_of(block), block.get("recompute"), block.get("sharding"),
            block.get("schedule"), block.get("phase"), layout)


def traced(cases):
    """The ids that are traced: the first of each category that is not held out."""
    found = {}
    for case in cases:
        if not is_held_out(case["id"]):
            found.setdefault(category(case), case["id"])
    return set(found.values())


def main():
    for gpu in NODES:
        for group in GROUPS:
            cases = cases_of(gpu, group) if gpu == "h200" or not (
                group == "distributed" or group == "forward-tp2") else []
            marked = traced(cases)
            even = sum(not is_held_out(case["id"]) for case in cases)
            print(gpu, group, len(cases), "even", even, "traced", len(marked))
            for case in cases:
                print("   ", "odd " if is_held_out(case["id"]) else "even",
                      "traced" if case["id"] in marked else "      ", case["id"])


if __name__ == "__main__":
    main()
