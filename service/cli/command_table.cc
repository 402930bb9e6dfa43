#include "service/cli/command_table.h"

#include <array>

namespace ridgeline::cli {
namespace {

constexpr int kAny = -1;

constexpr std::array<CommandInfo, 19> kCommands = {{
    {.name = "simulate",
     .usage = "SCENARIO...",
     .summary = "one scenario (files merge left to right) -> metrics",
     .details =
         "A scenario is a YAML file, a name under configs/scenarios, or - for standard input.\n"
         "Exit code 1: simulated, and it does not fit in memory, answers no request or misses a "
         "target.",
     .example = "ridgeline simulate llama-3.1-8b-8xh100\n"
                "ridgeline simulate llama-3.1-70b-64xh100 --set training.parallelism.tp=4 -o json\n"
                "ridgeline simulate llama-3.1-8b-8xh100 --trace step.json",
     .min_arguments = 1,
     .max_arguments = kAny},
    {.name = "check",
     .usage = "FILE...",
     .summary = "read, validate and resolve; no simulation",
     .details = "Tells by its keys what a file is: a scenario, a GPU, node, fabric, cluster, "
                "framework or\n"
                "model, or a validation suite. Every mistake of a file is reported at once.",
     .example = "ridgeline check llama-3.1-70b-64xh100\n"
                "ridgeline check my-gpu.yaml my-node.yaml",
     .min_arguments = 1,
     .max_arguments = kAny},
    {.name = "explain",
     .usage = "[PATH]",
     .summary = "a configuration key: type, unit, default, range, meaning",
     .details =
         "Without a path: the top level. Keys of catalog files begin with gpu., node., fabric.,\n"
         "cluster-file. or framework.",
     .example = "ridgeline explain training.parallelism.tp\n"
                "ridgeline explain gpu.memory.bandwidth",
     .max_arguments = 1},
    {.name = "list",
     .usage = "KIND",
     .summary = "gpus, nodes, clusters, models, engines, scenarios, plans, traces ...",
     .details = "",
     .example = "ridgeline list gpus\nridgeline list models -o csv",
     .min_arguments = 1,
     .max_arguments = 1},
    {.name = "describe",
     .usage = "KIND NAME",
     .summary = "one of those, with the source of every figure",
     .details = "-o dot and -o svg draw a fabric, a cluster or a node: tiers, cables and what they "
                "carry,\n"
                "parts that are alike once, with their number. A fabric alone is drawn with a few "
                "nodes.",
     .example = "ridgeline describe gpu h100-sxm\nridgeline describe model llama-3.1-70b\n"
                "ridgeline describe fabric rail-optimized-400g --nodes 512 -o svg > fabric.svg",
     .min_arguments = 2,
     .max_arguments = 2},
    {.name = "validate",
     .usage = "[SUITE|FILE]...",
     .summary = "predictions against published measurements, or yours",
     .details = "Without a name: every shipped suite. A file is a suite in YAML or a CSV with the "
                "columns of\n"
                "configs/validation. Exit code 1: outside a stated tolerance.",
     .example = "ridgeline validate training\nridgeline validate our-steps.yaml --half fit -o json",
     .max_arguments = kAny},
    {.name = "version",
     .usage = "",
     .summary = "version, commit and compiler",
     .details = "",
     .example = "ridgeline version -o json"},
    {.name = "completion",
     .usage = "SHELL",
     .summary = "completion for bash, zsh or fish",
     .details = "",
     .example = "source <(ridgeline completion bash)",
     .min_arguments = 1,
     .max_arguments = 1},
    {.name = "help",
     .usage = "[COMMAND]",
     .summary = "this, or a command's flags and an example",
     .details = "",
     .example = "ridgeline help simulate",
     .max_arguments = 1},
    {.name = "plan",
     .usage = "SCENARIO...",
     .summary = "search for the best configuration",
     .details =
         "What the scenario leaves out (parallelism, micro_batch, recompute, sharding, replicas,\n"
         "scheduler) is searched; a list, as tp: [4, 8], restricts the choice; a value fixes it.\n"
         "Exit code 1: nothing fits, or nothing meets the targets.",
     .example = "ridgeline plan llama-3.1-70b-64xh100-plan\n"
                "ridgeline plan my-serving.yaml --target 'ttft.p99<=2 s' --minimize gpus",
     .min_arguments = 1,
     .max_arguments = kAny},
    {.name = "whatif",
     .usage = "SCENARIO... --vary PATH=LIST",
     .summary = "run a scenario and its variants with the same seeds, explain the differences",
     .details = "A list is 8,16,32, a range 1-64*2 or 200-800+200 Gb/s. Several --vary make every\n"
                "combination, or, with --one-at-a-time, one change each.",
     .example = "ridgeline whatif llama-3.1-70b-64xh100 --vary training.micro_batch=1,2,4",
     .min_arguments = 1,
     .max_arguments = kAny},
    {.name = "cost",
     .usage = "< OPERATIONS.jsonl",
     .summary = "operations in, one a line; time with range and evidence out",
     .details =
         R"(A line: {"op":"gemm","dtype":"bf16","m":512,"n":4096,"k":5120}; op and its keys, [optional]:
  gemm                  m n k [batch output_dtype accumulates]
  grouped_gemm          groups m n k [output_dtype weight_gradient accumulates]
  attention             phase heads head_dim, q_len (prefill) or kv_len (decode)
                        [kv_heads kv_len batch pass causal v_head_dim window kernel]
  moe                   tokens hidden ffn experts top_k [gated ep skew]
  rmsnorm, layernorm    tokens hidden [residual]
  rotary                tokens heads head_dim [kv_heads]
  swiglu, gelu          tokens ffn
  residual_add (residual), softmax, embedding    tokens hidden
  cross_entropy         tokens vocabulary
  adam (optimizer)      parameters [gradient_dtype]
  cast                  elements [output_dtype]
  copy                  bytes, read plus written
  gradient_norm, dropout, permute, routing, scan    read_bytes [written_bytes tokens]
  all_reduce, all_gather, reduce_scatter, all_to_all, broadcast, send
                        bytes ranks [ranks_per_node algorithm protocol]
All take dtype (default bf16) and the condition: clock (burst, sustained), launch (graph, eager),
cache (cold, warm), and matrices layout (TN, NN, NT); steady is burst, graph, cold, TN.

A collective's answer says how the library does it; algorithm (ring, tree, nvls, nvls-tree,
collnet-direct, collnet-chain, pat, hierarchical, pairwise, one-shot, two-shot) and protocol
(ll, ll128, simple) force one. --set network.library=nccl-2.21, network.sharp=true or
network.pxn=false change the network. -o nccl-tests prints that program's columns.)",
     .example = "ridgeline cost --gpu h100-sxm -o jsonl < operations.jsonl\n"
                "echo '{\"op\":\"all_reduce\",\"ranks\":16}' |\n"
                "  ridgeline cost --cluster h100-64 --sizes '8-8G*2' -o nccl-tests"},
    {.name = "replay",
     .usage = "FILE...",
     .summary = "a trace of others executed again, here or on another GPU",
     .details =
         "FILE is a PyTorch profiler's JSON (export_chrome_trace, with record_shapes=True), or the "
         "Chakra\n"
         "traces of all ranks, in order, or their PREFIX in PREFIX.0.et, PREFIX.1.et ...\n"
         "With --from the GPU of the trace and --gpu another one, kernels whose shape is known "
         "take what\n"
         "the cost model says, others go by peak or bandwidth, and gaps stay as they are. Chakra "
         "nodes\n"
         "without a time are priced on --gpu or --cluster by their operations and bytes.",
     .example = "ridgeline simulate llama-3.1-8b-8xh100 --trace step.et && ridgeline replay step",
     .min_arguments = 1,
     .max_arguments = kAny},
    {.name = "serve",
     .usage = "",
     .summary = "the gRPC server",
     .details =
         "Listens on the loopback address unless told otherwise. SIGTERM drains: nothing new\n"
         "is accepted, what runs is finished or, after --drain-timeout, cancelled.",
     .example = "ridgeline serve --listen 127.0.0.1:50051"},
    {.name = "render", .summary = "write launch files of a candidate", .is_built = false},
    {.name = "compare", .summary = "two results as a table of changes", .is_built = false},
    {.name = "calibrate",
     .usage = "measure|import|fit|check [FILE...]",
     .summary = "measure on a GPU host, fit anywhere",
     .details =
         R"(measure [FOLDER]  time this host's kernels with ridgeline_measure (calibration/measure);
                  points go to FOLDER (default: measured), a file a family; started again
                  with the same folder it goes on where it stopped. Without a GPU: code 2
import FILE...    points as JSON lines, from logs of nccl-tests, Nsight Systems exports in
                  SQLite, the public tables SYSTEM__ENGINE-VERSION__FAMILY.csv.gz of
                  ai-dynamo/aiconfigurator, or JSON lines; each but SQLite gzipped or not
fit [FILE...]     points of --gpu to a profile (--write). Half of all shapes, by a hash of
                  the shape, are held out: they are never fitted
check [FILE...]   a profile's error over the held-out points, by family and size

fit and check read what import reads. Without files they take the shipped points of --gpu,
and check the shipped profile.

An older log of nccl-tests does not name its collective: the file's name does
(all_reduce_perf.log), or --assume op=all_reduce.
A trace does not say everything. What kernels' names leave open is asked for, not guessed:
  --assume dtype=bf16 | causal=yes | layout=TN | ranks=8 | ranks_per_node=8
Its times are of kernels alone in a running program (launch=kernel, clock=program,
cache=program); to take them for steady ones: --assume launch=graph, and so on for
clock=burst and cache=cold.)",
     .example =
         "ridgeline calibrate check --gpu h100-sxm\n"
         "ridgeline calibrate measure points/ --budget '10 min' --families gemm,attention\n"
         "ridgeline calibrate import all_reduce.log --gpu h100-sxm --write points/nccl.jsonl\n"
         "ridgeline calibrate import report.sqlite --gpu h100-sxm --assume causal=yes\n"
         "ridgeline calibrate fit points/*.jsonl --gpu h100-sxm --write ours.calibration\n"
         "ridgeline calibrate check points/*.jsonl --gpu h100-sxm --profile ours.calibration",
     .min_arguments = 1,
     .max_arguments = kAny},
    {.name = "trace", .summary = "convert and summarize traces", .is_built = false},
    {.name = "runs", .summary = "runs on a server", .is_built = false},
}};

constexpr std::array<FlagInfo, 43> kFlags = {{
    {.name = "--set",
     .value = "PATH=VALUE",
     .meaning = "override one key; repeatable; PATH as in `explain`",
     .commands = "simulate check plan whatif cost",
     .is_repeatable = true},
    {.name = "--output",
     .letter = 'o',
     .value = "FORMAT",
     .meaning =
         "table (default), wide, json, jsonl, csv, md; describe: dot, svg; cost: nccl-tests"},
    {.name = "--nodes",
     .value = "N",
     .meaning = "with how many nodes a fabric is built and drawn; as many as show it by default",
     .commands = "describe"},
    {.name = "--group",
     .value = "NAME",
     .meaning = "only the cases of a group: 'core dense', 'compile step_time' ...",
     .commands = "validate"},
    {.name = "--half",
     .value = "HALF",
     .meaning = "all (default), fit (held-out measurements are not even read) or held-out",
     .commands = "validate"},
    {.name = "--trace",
     .value = "FILE",
     .meaning = "write a Chrome trace (opens in Perfetto); NAME.et: Chakra traces, one a stage",
     .commands = "simulate"},
    {.name = "--requests",
     .value = "FILE",
     .meaning = "serving: write one CSV line a request",
     .commands = "simulate"},
    {.name = "--no-fast-forward",
     .meaning = "serving: step through every iteration; the answer is the same",
     .commands = "simulate"},
    {.name = "--vary",
     .value = "PATH=LIST",
     .meaning = "a list or range of values; repeatable",
     .commands = "whatif",
     .is_repeatable = true},
    {.name = "--one-at-a-time",
     .meaning = "change one key at a time instead of every combination",
     .commands = "whatif"},
    {.name = "--target",
     .value = "METRIC<=VALUE",
     .meaning = "what a plan must meet; repeatable",
     .commands = "plan",
     .is_repeatable = true},
    {.name = "--minimize",
     .value = "METRIC",
     .meaning = "what a plan is for: step_time, gpus, ttft.p99 ... (throughputs are maximised)",
     .commands = "plan"},
    {.name = "--gpu",
     .value = "NAME",
     .meaning = "the GPU that operations run on; collectives run on a node of it",
     .commands = "cost calibrate replay"},
    {.name = "--from",
     .value = "NAME",
     .meaning = "the GPU that a trace was recorded on",
     .commands = "replay"},
    {.name = "--write",
     .value = "FILE",
     .meaning = "where `calibrate fit` puts the profile, and `import` the points",
     .commands = "calibrate"},
    {.name = "--profile",
     .value = "FILE",
     .meaning = "the profile that `calibrate check` tries (default: the shipped one of --gpu)",
     .commands = "calibrate"},
    {.name = "--takes-busy",
     .meaning = "`calibrate fit` uses points that say that others used the GPU",
     .commands = "calibrate"},
    {.name = "--assume",
     .value = "KEY=VALUE",
     .meaning = "what an imported trace or log does not say; repeatable",
     .commands = "calibrate",
     .is_repeatable = true},
    {.name = "--families",
     .value = "LIST",
     .meaning = "of `calibrate measure`: gemm,attention,hbm,... (default: all that the host can)",
     .commands = "calibrate"},
    {.name = "--budget",
     .value = "T",
     .meaning = "how long `calibrate measure` may measure (default: 570 s)",
     .commands = "calibrate"},
    {.name = "--cluster",
     .value = "NAME",
     .meaning = "a cluster instead of a GPU, for collectives over many nodes",
     .commands = "cost replay"},
    {.name = "--sizes",
     .value = "FROM-TO*FACTOR",
     .meaning = "each line at these bytes, as nccl-tests' -b -e -f: 8-8G*2 (K, M, G are 1024s)",
     .commands = "cost"},
    {.name = "--server",
     .value = "ADDR",
     .meaning = "run there instead of here; same output to the byte",
     .commands = "simulate plan"},
    {.name = "--listen",
     .value = "ADDR",
     .meaning = "address and port (default 127.0.0.1:50051; port 0 takes a free one)",
     .commands = "serve"},
    {.name = "--max-runs",
     .value = "N",
     .meaning = "runs at once (default: the processors)",
     .commands = "serve"},
    {.name = "--max-queue",
     .value = "N",
     .meaning = "runs that wait (default 1024); more are refused",
     .commands = "serve"},
    {.name = "--drain-timeout",
     .value = "T",
     .meaning = "after SIGTERM, how long running work may take (default 30 s)",
     .commands = "serve"},
    {.name = "--allow-path",
     .value = "DIR",
     .meaning = "documents may name files under this directory of the server; repeatable",
     .commands = "serve",
     .is_repeatable = true},
    {.name = "--seed",
     .value = "N",
     .meaning = "seed of every random stream (default: the scenario's)"},
    {.name = "--jobs",
     .letter = 'j',
     .value = "N",
     .meaning = "threads; changes no answer (default: one; plan, validate: all processors)"},
    {.name = "--timeout", .value = "T", .meaning = "give up after this long: 30 s, 5 min"},
    {.name = "--configs",
     .value = "DIR",
     .meaning = "look for named things here first; repeatable",
     .is_repeatable = true},
    {.name = "--dry-run",
     .meaning = "print the resolved scenario, each value with where it came from, and stop",
     .commands = "simulate"},
    {.name = "--progress", .value = "MODE", .meaning = "auto, plain, json or none; on stderr"},
    {.name = "--color", .value = "WHEN", .meaning = "auto, always or never; NO_COLOR is honoured"},
    {.name = "--quiet", .letter = 'q', .meaning = "nothing on stderr but errors"},
    {.name = "--verbose",
     .letter = 'v',
     .meaning = "on stderr: how long it took and where named things were looked for",
     .is_repeatable = true},
    {.name = "--help", .letter = 'h', .meaning = "this"},
    {.name = "--version", .meaning = "as the command version"},
    {.name = "--save", .value = "DIR", .meaning = "every output at once", .is_built = false},
    {.name = "--html", .value = "FILE", .meaning = "a report in one HTML file", .is_built = false},
    {.name = "--calibration",
     .value = "NAME",
     .meaning = "measured costs: a profile's name or file, auto (default) or none (roofline)",
     .commands = "simulate plan whatif validate cost serve"},
    {.name = "--strict-calibration",
     .meaning = "exit code 3 where an answer rests on costs that were not measured",
     .commands = "simulate plan whatif validate cost serve"},
}};

}  // namespace

std::span<const CommandInfo> Commands() { return kCommands; }
std::span<const FlagInfo> Flags() { return kFlags; }

const CommandInfo* FindCommand(std::string_view name) {
  for (const CommandInfo& command : kCommands) {
    if (command.name == name) {
      return &command;
    }
  }
  return nullptr;
}

const FlagInfo* FindFlag(std::string_view name) {
  for (const FlagInfo& flag : kFlags) {
    if (flag.name == name) {
      return &flag;
    }
  }
  return nullptr;
}

bool Takes(const CommandInfo& command, const FlagInfo& flag) {
  std::string_view rest = flag.commands;
  while (!rest.empty()) {
    const size_t end = rest.find(' ');
    if (rest.substr(0, end) == command.name) {
      return true;
    }
    rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
  }
  return flag.commands.empty();
}

}  // namespace ridgeline::cli
