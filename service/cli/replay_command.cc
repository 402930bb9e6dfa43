/// `ridgeline replay`: traces that others recorded, executed again, and on other hardware.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "base/units_text.h"
#include "service/cli/commands.h"
#include "service/cli/exit_code.h"
#include "service/report/metric_text.h"
#include "service/report/table.h"
#include "sim/compute/operation_time.h"
#include "sim/trace/chakra_replay.h"
#include "sim/trace/kineto_replay.h"

namespace ridgeline::cli {
namespace {

namespace fs = std::filesystem;

/// One GPU of that name, with what was measured of it.
Result<hardware::Cluster> OneGpu(const hardware::Catalog& catalog, const std::string& name) {
  Reference<hardware::Gpu> reference;
  reference.name = name;
  hardware::Cluster cluster;
  ASSIGN_OR_RETURN(cluster.gpu, catalog.ResolveGpu(reference));
  ASSIGN_OR_RETURN(cluster.collectives, catalog.ResolveCollectives(cluster.network.library));
  cluster.node.gpus = 1;
  cluster.node.gpu = reference;
  cluster.name = "one " + cluster.gpu.name;
  if (catalog.cost_source() != nullptr) {
    ASSIGN_OR_RETURN(cluster.measured, catalog.cost_source()->For(cluster));
  }
  return cluster;
}

/// What the trace ran on and what it is to run on.
struct Machines {
  std::optional<hardware::Cluster> from;  // unset: as recorded
  std::optional<hardware::Cluster> to;
};

Result<Machines> MachinesOf(const Session& session) {
  const CommandLine& line = session.line;
  Machines machines;
  if (!line.gpu.empty() && !line.cluster.empty()) {
    return InvalidArgument("--gpu and --cluster are both given", "keep one of them");
  }
  if (!line.gpu.empty()) {
    ASSIGN_OR_RETURN(machines.to, OneGpu(session.catalog, line.gpu));
  } else if (!line.cluster.empty()) {
    Reference<hardware::ClusterDescription> reference;
    reference.name = line.cluster;
    ASSIGN_OR_RETURN(machines.to, session.catalog.ResolveCluster(reference));
  }
  if (!line.from_gpu.empty()) {
    ASSIGN_OR_RETURN(machines.from, OneGpu(session.catalog, line.from_gpu));
    if (!machines.to) {
      return InvalidArgument("--from needs the GPU to replay on", "add --gpu NAME");
    }
  }
  return machines;
}

Result<std::string> ReadBytes(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in || fs::is_directory(path)) {
    return Fail(
        {.code = ErrorCode::kNotFound,
         .message = "cannot read " + path.string(),
         .hint = "give a PyTorch profiler's .json, or Chakra traces NAME.0.et NAME.1.et ..."});
  }
  return std::string(std::istreambuf_iterator<char>(in), {});
}

/// A prefix that is no file stands for PREFIX.0.et, PREFIX.1.et ...
std::vector<fs::path> FilesOf(const std::vector<std::string>& arguments) {
  std::vector<fs::path> files(arguments.begin(), arguments.end());
  if (arguments.size() == 1 && !fs::exists(arguments[0])) {
    std::vector<fs::path> ranks;
    while (fs::exists(fmt::format("{}.{}.et", arguments[0], ranks.size()))) {
      ranks.emplace_back(fmt::format("{}.{}.et", arguments[0], ranks.size()));
    }
    if (!ranks.empty()) {
      return ranks;
    }
  }
  return files;
}

std::string TimeText(engine::Picoseconds time, bool is_exact) {
  const Seconds seconds = engine::ToSeconds(time);
  return is_exact ? report::ExactNumber(seconds.base()) : Format(seconds, 4);
}

using report::Align;
using report::OutputFormat;

bool IsExact(const Session& session) {
  return session.line.output != OutputFormat::kTable && session.line.output != OutputFormat::kWide;
}

Result<int> ReplayKineto(Session& session, const std::string& name, const std::string& bytes,
                         const Machines& machines) {
  if (machines.to && !machines.from) {
    return InvalidArgument("a PyTorch trace does not say which GPU it ran on",
                           "add --from NAME (names: ridgeline list gpus)");
  }
  ASSIGN_OR_RETURN(const std::vector<trace::ProfiledKernel> kernels,
                   trace::ReadKineto(bytes, name));
  // Without machines every ratio is one: any GPU does.
  std::optional<hardware::Cluster> same = machines.from;
  if (!same) {
    const std::vector<std::string> names = session.catalog.Names("gpus");
    if (names.empty()) {
      return InvalidArgument("no GPUs in the catalog");
    }
    ASSIGN_OR_RETURN(same, OneGpu(session.catalog, names.front()));
  }
  const auto from = compute::OperationTime::Of(*same, session.stop);
  const auto to = compute::OperationTime::Of(machines.to.value_or(*same), session.stop);
  const trace::KernelReplay replay = trace::ReplayKernels(kernels, from, to);
  report::Table table{.columns = {{"kernels"},
                                  {"number", Align::kRight},
                                  {"recorded", Align::kRight},
                                  {"replayed", Align::kRight}},
                      .rows = {}};
  const bool is_exact = IsExact(session);
  for (size_t i = 0; i < trace::kNumKernelKinds; ++i) {
    const trace::KernelReplay::OfKind& kind = replay.kinds[i];
    if (kind.kernels > 0) {
      table.rows.push_back({std::string(trace::KernelKindTitle(static_cast<trace::KernelKind>(i))),
                            fmt::format("{}", kind.kernels), TimeText(kind.recorded, is_exact),
                            TimeText(kind.replayed, is_exact)});
    }
  }
  table.rows.push_back({"first begin to last end", fmt::format("{}", kernels.size()),
                        TimeText(replay.recorded, is_exact), TimeText(replay.replayed, is_exact)});
  session.out = report::RenderTable(table, session.line.output);
  session.Note(fmt::format("{:.1f} % of the kernels' time has a shape that the cost model prices",
                           100 * replay.recognised));
  return kExitDone;
}

/// Seconds of FLOPs and bytes at a GPU's sustained rates; 0 without either.
double RooflineSeconds(const hardware::Gpu& gpu, double flops, double bytes) {
  const auto sustained = gpu.sustained.find("bf16");
  const auto peak = hardware::PeakOf(gpu, DType::kBf16);
  const double rate = sustained != gpu.sustained.end() ? sustained->second.rate.base()
                      : peak                           ? peak->base()
                                                       : 0.0;
  const double bandwidth =
      (gpu.memory.sustained ? gpu.memory.sustained->rate : gpu.memory.bandwidth).base();
  return std::max(rate > 0.0 ? flops / rate : 0.0, bandwidth > 0.0 ? bytes / bandwidth : 0.0);
}

std::optional<CollectiveKind> KindOf(const trace::ChakraNode& node) {
  switch (static_cast<trace::ChakraCollective>(node.Integer("comm_type", -1))) {
    case trace::ChakraCollective::kAllReduce:
      return CollectiveKind::kAllReduce;
    case trace::ChakraCollective::kAllGather:
      return CollectiveKind::kAllGather;
    case trace::ChakraCollective::kReduceScatter:
    case trace::ChakraCollective::kReduceScatterBlock:
      return CollectiveKind::kReduceScatter;
    case trace::ChakraCollective::kAllToAll:
      return CollectiveKind::kAllToAll;
    case trace::ChakraCollective::kBroadcast:
      return CollectiveKind::kBroadcast;
    default:
      return std::nullopt;
  }
}

/// Times of nodes on the machines asked for, and how much of them is not only the record's.
class NodeTimes {
 public:
  NodeTimes(const Machines& machines, size_t ranks, const Stop& stop)
      : machines_(&machines), ranks_(static_cast<int64_t>(ranks)) {
    if (machines.to) {
      time_ = compute::OperationTime::Of(*machines.to, stop);
    }
  }

  engine::Picoseconds Of(const trace::ChakraNode& node) {
    const engine::Picoseconds recorded = trace::RecordedDuration(node);
    if (!machines_->to) {
      return recorded;
    }
    if (node.type == trace::ChakraNodeType::kCompute) {
      const auto flops = static_cast<double>(node.Integer("num_ops", 0));
      const auto bytes = static_cast<double>(node.Integer("tensor_size", 0));
      const double after = RooflineSeconds(machines_->to->gpu, flops, bytes);
      if (recorded == 0 && after > 0.0) {
        ++priced_;
        return engine::ToPicosecondsSaturating(Seconds::FromBase(after));
      }
      const double before =
          machines_->from ? RooflineSeconds(machines_->from->gpu, flops, bytes) : 0.0;
      if (recorded > 0 && before > 0.0 && after > 0.0) {
        ++priced_;
        return std::llround(static_cast<double>(recorded) * (after / before));
      }
    } else if (node.type == trace::ChakraNodeType::kCollective && recorded == 0 && ranks_ > 1) {
      const std::optional<CollectiveKind> kind = KindOf(node);
      const int64_t bytes = node.Integer("comm_size", 0);
      if (kind && bytes > 0) {
        const RankGroup group = {
            .ranks = ranks_,
            .ranks_per_node = std::min<int64_t>(ranks_, std::max(1, machines_->to->node.gpus))};
        if (const Result<ridgeline::Cost> cost = time_->CostOf(
                Collective{*kind, Bytes::FromBase(static_cast<double>(bytes)), group})) {
          ++priced_;
          return engine::ToPicosecondsSaturating(cost->mean);
        }
      }
    }
    ++kept_;
    return recorded;
  }

  int64_t priced() const { return priced_; }
  int64_t kept() const { return kept_; }

 private:
  const Machines* machines_;
  int64_t ranks_;
  std::optional<compute::OperationTime> time_;
  int64_t priced_ = 0;
  int64_t kept_ = 0;
};

Result<int> ReplayChakraFiles(Session& session, const std::vector<fs::path>& files,
                              const std::vector<std::string>& bytes, const Machines& machines) {
  std::vector<trace::ChakraTrace> ranks;
  size_t nodes = 0;
  for (size_t i = 0; i < files.size(); ++i) {
    ASSIGN_OR_RETURN(trace::ChakraTrace read, trace::ReadChakra(bytes[i], files[i].string()));
    nodes += read.nodes.size();
    ranks.push_back(std::move(read));
  }
  NodeTimes times(machines, ranks.size(), session.stop);
  ASSIGN_OR_RETURN(
      const trace::ChakraReplay replay,
      trace::ReplayChakra(ranks, [&](const trace::ChakraNode& node) { return times.Of(node); }));
  const bool is_exact = IsExact(session);
  const report::Table table{
      .columns = {{"what"}, {"value", Align::kRight}},
      .rows = {{"ranks", fmt::format("{}", ranks.size())},
               {"nodes", fmt::format("{}", nodes)},
               {"time", TimeText(replay.timeline.makespan, is_exact)},
               {"computing, all ranks", TimeText(replay.compute, is_exact)},
               {"communicating, all ranks", TimeText(replay.communication, is_exact)}}};
  session.out = report::RenderTable(table, session.line.output);
  if (machines.to) {
    session.Note(fmt::format("{} nodes priced on {}, {} kept as recorded", times.priced(),
                             machines.to->name, times.kept()));
  }
  return kExitDone;
}

}  // namespace

Result<int> Replay(Session& session) {
  ASSIGN_OR_RETURN(const Machines machines, MachinesOf(session));
  const std::vector<fs::path> files = FilesOf(session.line.arguments);
  std::vector<std::string> bytes;
  for (const fs::path& file : files) {
    ASSIGN_OR_RETURN(std::string content, ReadBytes(file));
    if (content.starts_with("\x1f\x8b")) {
      return Unimplemented("not built yet: compressed traces: " + file.string(),
                           "decompress it first: gunzip");
    }
    bytes.push_back(std::move(content));
  }
  const size_t begin = bytes[0].find_first_not_of(" \t\r\n");
  const bool is_json = begin != std::string::npos && bytes[0][begin] == '{';
  if (is_json && files.size() == 1) {
    return ReplayKineto(session, files[0].string(), bytes[0], machines);
  }
  return ReplayChakraFiles(session, files, bytes, machines);
}

}  // namespace ridgeline::cli
