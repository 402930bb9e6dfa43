#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <thread>

#include <cuda_bf16.h>
#include <nccl.h>

#include "calibration/measure/collective.cuh"
#include "calibration/measure/stopping_rule.h"

namespace ridgeline::measure {
namespace {

constexpr double kReplaySeconds = 5e-3;
constexpr double kJoinSeconds = 120;
constexpr size_t kMostShared = 64;  // figures that ranks share at once

Status Nccl(ncclResult_t status, const char* what) {
  if (status == ncclSuccess) {
    return {};
  }
  return Fail({.code = ErrorCode::kInternal,
               .message = std::string(what) + ": " + ncclGetErrorString(status)});
}

enum class Kind { kAllReduce, kAllGather, kReduceScatter, kAllToAll, kBroadcast, kSend, kNone };

Kind KindOf(const std::string& op) {
  if (op == "all_reduce") return Kind::kAllReduce;
  if (op == "all_gather") return Kind::kAllGather;
  if (op == "reduce_scatter") return Kind::kReduceScatter;
  if (op == "all_to_all") return Kind::kAllToAll;
  if (op == "broadcast") return Kind::kBroadcast;
  return op == "send" ? Kind::kSend : Kind::kNone;
}

struct Group {
  ncclComm_t communicator = nullptr;
  int rank = 0;
  int ranks = 1;
};

struct Transfer {
  Kind kind = Kind::kNone;
  ncclDataType_t type = ncclBfloat16;
  size_t count = 0;  // elements of the full buffer
  size_t element_bytes = 2;
  bool both_ways = false;  // send: an exchange
};

/// Blocks of count / ranks to and from every rank, as nccl-tests does it.
Status AllToAll(const Group& group, const Transfer& transfer, const char* in, char* out,
                cudaStream_t stream) {
  const size_t each = transfer.count / static_cast<size_t>(group.ranks);
  const size_t bytes = each * transfer.element_bytes;
  RETURN_IF_ERROR(Nccl(ncclGroupStart(), "open a group"));
  Status sent;
  for (int peer = 0; peer < group.ranks && sent; ++peer) {
    const size_t at = static_cast<size_t>(peer) * bytes;
    sent = Nccl(ncclSend(in + at, each, transfer.type, peer, group.communicator, stream), "send");
    if (sent) {
      sent = Nccl(ncclRecv(out + at, each, transfer.type, peer, group.communicator, stream),
                  "receive");
    }
  }
  const Status closed = Nccl(ncclGroupEnd(), "close a group");
  RETURN_IF_ERROR(sent);
  return closed;
}

Status Send(const Group& group, const Transfer& transfer, const char* in, char* out,
            cudaStream_t stream) {
  if (group.rank > 1) {
    return {};
  }
  const int peer = 1 - group.rank;
  RETURN_IF_ERROR(Nccl(ncclGroupStart(), "open a group"));
  Status done;
  if (group.rank == 0 || transfer.both_ways) {
    done =
        Nccl(ncclSend(in, transfer.count, transfer.type, peer, group.communicator, stream), "send");
  }
  if (done && (group.rank == 1 || transfer.both_ways)) {
    done = Nccl(ncclRecv(out, transfer.count, transfer.type, peer, group.communicator, stream),
                "receive");
  }
  const Status closed = Nccl(ncclGroupEnd(), "close a group");
  RETURN_IF_ERROR(done);
  return closed;
}

Status Launch(const Group& group, const Transfer& transfer, const char* in, char* out,
              cudaStream_t stream) {
  const size_t each = transfer.count / static_cast<size_t>(group.ranks);
  switch (transfer.kind) {
    case Kind::kAllReduce:
      return Nccl(ncclAllReduce(in, out, transfer.count, transfer.type, ncclSum, group.communicator,
                                stream),
                  "all-reduce");
    case Kind::kAllGather:
      return Nccl(ncclAllGather(in, out, each, transfer.type, group.communicator, stream),
                  "all-gather");
    case Kind::kReduceScatter:
      return Nccl(
          ncclReduceScatter(in, out, each, transfer.type, ncclSum, group.communicator, stream),
          "reduce-scatter");
    case Kind::kBroadcast:
      return Nccl(
          ncclBroadcast(in, out, transfer.count, transfer.type, 0, group.communicator, stream),
          "broadcast");
    case Kind::kAllToAll:
      return AllToAll(group, transfer, in, out, stream);
    default:
      return Send(group, transfer, in, out, stream);
  }
}

/// One element a block is set to rank + 1 and looked for where the collective must bring it.
Status CheckTransfer(const Group& group, const Transfer& transfer, char* in, char* out,
                     cudaStream_t stream) {
  if (transfer.type != ncclBfloat16) {
    return {};
  }
  const __nv_bfloat16 mine = __float2bfloat16(static_cast<float>(group.rank + 1));
  RETURN_IF_ERROR(Cuda(cudaMemcpy(in, &mine, 2, cudaMemcpyHostToDevice), "set a value"));
  RETURN_IF_ERROR(Launch(group, transfer, in, out, stream));
  RETURN_IF_ERROR(Cuda(cudaStreamSynchronize(stream), "run a collective"));
  const auto found = [&](size_t block, float expected) -> Status {
    __nv_bfloat16 value = {};
    const size_t bytes = transfer.count / static_cast<size_t>(group.ranks) * 2;
    RETURN_IF_ERROR(
        Cuda(cudaMemcpy(&value, out + block * bytes, 2, cudaMemcpyDeviceToHost), "read a value"));
    return __bfloat162float(value) == expected
               ? Status()
               : Status(Fail({.code = ErrorCode::kInternal,
                              .message = "a collective brought the wrong value: " +
                                         std::to_string(__bfloat162float(value))}));
  };
  const float sum = static_cast<float>(group.ranks * (group.ranks + 1)) / 2;
  const bool sums = transfer.kind == Kind::kAllReduce ||
                    (transfer.kind == Kind::kReduceScatter && group.rank == 0);
  if (sums) {
    return found(0, sum);
  }
  if (transfer.kind == Kind::kBroadcast || (transfer.kind == Kind::kSend && group.rank == 1)) {
    return found(0, 1);
  }
  if (transfer.kind == Kind::kAllGather || (transfer.kind == Kind::kAllToAll && group.rank == 0)) {
    for (int rank = 0; rank < group.ranks; ++rank) {
      RETURN_IF_ERROR(found(static_cast<size_t>(rank), static_cast<float>(rank + 1)));
    }
  }
  return {};
}

/// busbw over algbw, as nccl-tests defines them.
double BusFactor(Kind kind, int ranks) {
  const double n = ranks;
  if (kind == Kind::kAllReduce) return 2 * (n - 1) / n;
  return kind == Kind::kBroadcast || kind == Kind::kSend ? 1 : (n - 1) / n;
}

/// NCCL's settings of this process that change what is measured.
void RecordSettings(std::map<std::string, std::string>& remarks) {
  for (const char* name :
       {"NCCL_ALGO", "NCCL_PROTO", "NCCL_MAX_NCHANNELS", "NCCL_MIN_NCHANNELS", "NCCL_MAX_CTAS",
        "NCCL_NVLS_ENABLE", "NCCL_P2P_LEVEL", "NCCL_GRAPH_REGISTER"}) {
    if (const char* value = std::getenv(name)) {
      remarks[name] = value;
    }
  }
}

/// Rank 0 writes NCCL's id beside the file and renames it, so nobody reads half of it.
Result<ncclUniqueId> Meet(const Options& options) {
  ncclUniqueId id = {};
  if (options.rank == 0) {
    RETURN_IF_ERROR(Nccl(ncclGetUniqueId(&id), "make an id"));
    const std::string half = options.id_file + ".part";
    std::ofstream out(half, std::ios::binary);
    out.write(id.internal, sizeof(id.internal));
    out.close();
    if (!out || std::rename(half.c_str(), options.id_file.c_str()) != 0) {
      return InvalidArgument("cannot write the ranks' id: " + options.id_file);
    }
    return id;
  }
  for (double waited = 0; waited < kJoinSeconds; waited += 0.05) {
    std::ifstream in(options.id_file, std::ios::binary);
    if (in.read(id.internal, sizeof(id.internal))) {
      return id;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  return Fail({.code = ErrorCode::kDeadlineExceeded,
               .message = "no id from rank 0 after 120 s: " + options.id_file,
               .hint = "start all ranks together, with a file that all of them see"});
}

}  // namespace

struct Ensemble::State {
  Group group;
  Arena* arena = nullptr;
  cudaStream_t stream = nullptr;
  double* shared = nullptr;  // on the device
  std::string id_file;

  ~State() {
    if (shared != nullptr) static_cast<void>(cudaFree(shared));
    if (group.communicator != nullptr) static_cast<void>(ncclCommDestroy(group.communicator));
  }
  Status Reduce(std::vector<double>& values, ncclRedOp_t how) {
    if (values.size() > kMostShared) {
      return InvalidArgument("too many figures to share");
    }
    const size_t bytes = values.size() * sizeof(double);
    RETURN_IF_ERROR(
        Cuda(cudaMemcpyAsync(shared, values.data(), bytes, cudaMemcpyHostToDevice, stream),
             "share figures"));
    RETURN_IF_ERROR(Nccl(
        ncclAllReduce(shared, shared, values.size(), ncclDouble, how, group.communicator, stream),
        "share figures"));
    RETURN_IF_ERROR(
        Cuda(cudaMemcpyAsync(values.data(), shared, bytes, cudaMemcpyDeviceToHost, stream),
             "share figures"));
    return Cuda(cudaStreamSynchronize(stream), "share figures");
  }
};

Ensemble::Ensemble() = default;
Ensemble::~Ensemble() = default;

bool Ensemble::Knows(const std::string& op) { return KindOf(op) != Kind::kNone; }

int Ensemble::ranks() const { return state_ ? state_->group.ranks : 1; }

Status Ensemble::Join(const Options& options, Arena* arena, cudaStream_t stream) {
  auto state = std::make_unique<State>();
  state->arena = arena;
  state->stream = stream;
  state->group.rank = options.rank;
  state->group.ranks = options.ranks;
  ASSIGN_OR_RETURN(const ncclUniqueId id, Meet(options));
  RETURN_IF_ERROR(
      Nccl(ncclCommInitRank(&state->group.communicator, options.ranks, id, options.rank), "join"));
  RETURN_IF_ERROR(Cuda(cudaMalloc(&state->shared, kMostShared * sizeof(double)), "allocate"));
  state_ = std::move(state);
  std::vector<double> barrier(1);
  RETURN_IF_ERROR(Average(barrier, options.ranks));
  // All have read it; the next run must not.
  if (options.rank == 0) {
    static_cast<void>(std::remove(options.id_file.c_str()));
  }
  return {};
}

Result<double> Ensemble::Largest(double value) {
  std::vector<double> values = {value};
  if (state_) {
    RETURN_IF_ERROR(state_->Reduce(values, ncclMax));
  }
  return values[0];
}

Result<int> Ensemble::FromFirst(int value) {
  const bool is_first = !state_ || state_->group.rank == 0;
  ASSIGN_OR_RETURN(const double said, Largest(is_first ? value : -1e9));
  return static_cast<int>(said);
}

Status Ensemble::Average(std::vector<double>& values, int ranks) {
  if (!state_) {
    return {};
  }
  for (double& value : values) {
    value = state_->group.rank < ranks ? value / ranks : 0;
  }
  return state_->Reduce(values, ncclSum);
}

Status Ensemble::Agree(const Status& here) {
  ASSIGN_OR_RETURN(const double failed, Largest(here ? 0 : 1));
  RETURN_IF_ERROR(here);
  return failed > 0 ? Status(Unimplemented("another rank could not")) : Status();
}

Result<Workload> Ensemble::MakeCollective(const Fields& op, const std::string& with,
                                          const MakerContext& context) {
  if (!state_) {
    return Unimplemented("a collective needs several ranks: --rank, --ranks and --id-file");
  }
  const Group group = state_->group;
  Transfer transfer{.kind = KindOf(op.Text("op")), .both_ways = with == "both"};
  const std::string dtype = op.Text("dtype", "bf16");
  ASSIGN_OR_RETURN(const Pool pool, PoolOf(dtype));
  if (dtype == "fp32") transfer.type = ncclFloat;
  if (dtype == "fp16") transfer.type = ncclHalf;
  if (pool != Pool::kBf16 && pool != Pool::kFp32 && pool != Pool::kFp16) {
    return Unimplemented("collectives are measured in bf16, fp16 and fp32: " + dtype);
  }
  transfer.element_bytes = pool == Pool::kFp32 ? 4 : 2;
  const int64_t bytes = op.Int("bytes");
  const int64_t ranks = transfer.kind == Kind::kSend ? 2 : op.Int("ranks");
  if (transfer.kind == Kind::kSend ? group.ranks < 2 : ranks != group.ranks) {
    return Unimplemented("this point is for " + std::to_string(ranks) + " ranks, " +
                         std::to_string(group.ranks) + " are here");
  }
  const auto unit = static_cast<int64_t>(transfer.element_bytes) * group.ranks;
  if (bytes < unit || bytes % unit != 0) {
    return InvalidArgument("bytes must be a multiple of " + std::to_string(unit) + ": " +
                           std::to_string(bytes));
  }
  transfer.count = static_cast<size_t>(bytes) / transfer.element_bytes;
  const double full = static_cast<double>(bytes);
  const double part = full / group.ranks;
  ASSIGN_OR_RETURN(const OperandSets operands,
                   context.arena->TakeSets(
                       {{pool, transfer.kind == Kind::kAllGather ? part : full},
                        {Pool::kResults, transfer.kind == Kind::kReduceScatter ? part : full}},
                       64));
  Workload workload;
  workload.launch = [=](cudaStream_t stream, int64_t set) {
    return Launch(group, transfer, operands.At(0, set), operands.At(1, set), stream);
  };
  workload.check = [=, stream = state_->stream] {
    return CheckTransfer(group, transfer, operands.At(0, 0), operands.At(1, 0), stream);
  };
  workload.sets = operands.sets;
  workload.bytes_per_set = operands.bytes_per_set;
  workload.most_nodes = 200;
  int version = 0;
  RETURN_IF_ERROR(Nccl(ncclGetVersion(&version), "read NCCL's version"));
  workload.library = "NCCL " + std::to_string(version / 10000) + "." +
                     std::to_string(version / 100 % 100) + "." + std::to_string(version % 100);
  RecordSettings(workload.remarks);
  return workload;
}

Result<Outcome> Ensemble::Measure(const Point& point, const MakerContext& context,
                                  const GpuMonitor& monitor, bool checks) {
  if (!state_) {
    return Unimplemented("a collective needs several ranks: --rank, --ranks and --id-file");
  }
  ASSIGN_OR_RETURN(const TimingCondition condition, ReadCondition(point.condition));
  if (condition.is_sustained) {
    return Unimplemented("collectives are not measured in the sustained condition");
  }
  const Result<Workload> made = MakeCollective(point.op, point.with, context);
  RETURN_IF_ERROR(Agree(made ? Status() : Status(Fail(made.error()))));
  const Workload& workload = *made;
  const int taking_part = KindOf(point.op.Text("op")) == Kind::kSend ? 2 : state_->group.ranks;
  if (checks) {
    RETURN_IF_ERROR(Agree(workload.check()));
  }
  const cudaStream_t stream = state_->stream;
  cudaEvent_t raw_begin = nullptr;
  cudaEvent_t raw_end = nullptr;
  RETURN_IF_ERROR(Cuda(cudaEventCreate(&raw_begin), "create an event"));
  const std::unique_ptr<CUevent_st, decltype(&cudaEventDestroy)> begin(raw_begin, cudaEventDestroy);
  RETURN_IF_ERROR(Cuda(cudaEventCreate(&raw_end), "create an event"));
  const std::unique_ptr<CUevent_st, decltype(&cudaEventDestroy)> end(raw_end, cudaEventDestroy);
  const int64_t sets = condition.is_warm ? 1 : workload.sets;

  // Seconds that `work` takes on this rank. It runs once untimed before, behind a barrier: that
  // brings the ranks together and hides the launch.
  const auto timed = [&](const auto& work) -> Result<double> {
    std::vector<double> barrier(1);
    RETURN_IF_ERROR(Average(barrier, taking_part));
    RETURN_IF_ERROR(work());
    RETURN_IF_ERROR(Cuda(cudaEventRecord(begin.get(), stream), "record an event"));
    RETURN_IF_ERROR(work());
    RETURN_IF_ERROR(Cuda(cudaEventRecord(end.get(), stream), "record an event"));
    RETURN_IF_ERROR(Cuda(cudaEventSynchronize(end.get()), "run a collective"));
    float milliseconds = 0;
    RETURN_IF_ERROR(
        Cuda(cudaEventElapsedTime(&milliseconds, begin.get(), end.get()), "read the timer"));
    return static_cast<double>(milliseconds) * 1e-3;
  };
  const auto launches = [&](int64_t count) -> Status {
    for (int64_t i = 0; i < count; ++i) {
      RETURN_IF_ERROR(workload.launch(stream, i % sets));
    }
    return {};
  };
  RETURN_IF_ERROR(launches(3));  // connects, loads
  ASSIGN_OR_RETURN(const double first, timed([&] { return launches(4); }));
  ASSIGN_OR_RETURN(const double estimate, Largest(std::max(first / 4, 1e-6)));
  const auto nodes = std::clamp<int64_t>(static_cast<int64_t>(std::ceil(kReplaySeconds / estimate)),
                                         2, workload.most_nodes);
  ReplayedGraph graph;
  const bool is_graph = !condition.is_eager;
  if (is_graph && state_->group.rank < taking_part) {
    RETURN_IF_ERROR(graph.Capture(workload, sets, nodes, stream));
  }
  Outcome outcome;
  StoppingRule rule(
      {.least_samples = 5, .most_samples = 15, .enough_spread = 0.01, .most_seconds = 0.08});
  do {
    ASSIGN_OR_RETURN(const double mine, timed([&]() -> Status {
                       if (!is_graph) {
                         return launches(nodes);
                       }
                       return state_->group.rank < taking_part
                                  ? Cuda(cudaGraphLaunch(graph.get(), stream), "replay a graph")
                                  : Status();
                     }));
    std::vector<double> mean = {mine};
    RETURN_IF_ERROR(Average(mean, taking_part));
    rule.Add(mean[0] / static_cast<double>(nodes), mean[0]);
    if (rule.count() == 1) {
      RecordState(monitor.Now(), outcome);
    }
  } while (!rule.IsDone());
  outcome.time_s = rule.Median();
  outcome.spread = rule.Spread();
  outcome.samples = static_cast<int64_t>(rule.count());
  outcome.stopped_by = rule.reason();
  outcome.library = workload.library;
  outcome.remarks = workload.remarks;
  const double rate = static_cast<double>(point.op.Int("bytes")) / outcome.time_s;
  outcome.figures = {{"nodes", static_cast<double>(nodes)},
                     {"algbw", rate},
                     {"busbw", rate * BusFactor(KindOf(point.op.Text("op")), taking_part)}};
  return outcome;
}

}  // namespace ridgeline::measure
