// What large collectives take under network.fidelity: flow, in seconds and memory. Each case runs
// in a process of its own; its fluid time is checked against what its busiest port must carry, and
// the program fails beyond 10 s or 2 GiB.
#include <chrono>
#include <cmath>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hardware/catalog.h"
#include "sim/engine/flow_engine.h"
#include "sim/network/flow_collectives.h"
#include "sim/network/traffic_classes.h"

namespace ridgeline::network {
namespace {

constexpr double kMostSeconds = 10;
constexpr double kMostGibibytes = 2;

struct Case {
  const char* what;
  const char* cluster;
  CollectiveKind kind;
  CollectiveAlgorithm algorithm;
  RankGroup group;
  bool is_hashed = false;
  bool merges_classes = true;
  bool has_budget = true;
};

class Watch {
 public:
  double Lap() {
    const auto now = std::chrono::steady_clock::now();
    const double seconds = std::chrono::duration<double>(now - last_).count();
    last_ = now;
    return seconds;
  }

 private:
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

/// Bytes over capacity of the busiest link: no fluid is faster.
double BoundOf(const engine::Traffic& traffic) {
  std::vector<double> bytes(static_cast<size_t>(traffic.num_links()), 0.0);
  for (engine::FlowIndex flow = 0; flow < traffic.num_flows(); ++flow) {
    for (const engine::Traffic::Crossing& crossing : traffic.path(flow)) {
      bytes[static_cast<size_t>(crossing.link)] += traffic.flow(flow).bytes * crossing.count;
    }
  }
  double bound = 0;
  for (engine::LinkIndex link = 0; link < traffic.num_links(); ++link) {
    bound = std::max(bound, bytes[static_cast<size_t>(link)] / traffic.capacity(link));
  }
  return bound;
}

/// Whether it kept its budget.
Result<bool> Measure(const Case& each) {
  const hardware::Catalog catalog({std::string(RIDGELINE_SOURCE_DIR) + "/configs"});
  Reference<hardware::ClusterDescription> name;
  name.name = each.cluster;
  ASSIGN_OR_RETURN(hardware::Cluster cluster, catalog.ResolveCluster(name));
  if (each.is_hashed) {
    cluster.fabric.routing = hardware::FabricRouting::kEcmp;
  }
  Watch watch;
  ASSIGN_OR_RETURN(const hardware::FabricGraph graph, hardware::FabricGraph::Of(cluster));
  const double graph_seconds = watch.Lap();
  TrafficWriter writer(graph, cluster, SwitchLimits::kReal);
  ASSIGN_OR_RETURN(const std::vector<GroupGpus> groups,
                   PlaceGroups(each.group, cluster.nodes, cluster.node.gpus));
  for (const GroupGpus& group : groups) {
    RETURN_IF_ERROR(AppendCollective({.kind = each.kind, .algorithm = each.algorithm, .bytes = 1e9},
                                     group, writer));
  }
  engine::Traffic traffic = std::move(writer).Take();
  const double write_seconds = watch.Lap();
  const int64_t flows = traffic.num_flows();
  if (each.merges_classes) {
    TrafficClasses classes = CollapseTraffic(traffic);
    traffic = std::move(classes.traffic);
  }
  const double class_seconds = watch.Lap();
  const double bound = BoundOf(traffic);
  watch.Lap();
  ASSIGN_OR_RETURN(const engine::FlowTimes times, engine::FlowEngine().Run(traffic, {}));
  const double run_seconds = watch.Lap();
  rusage usage = {};
  getrusage(RUSAGE_SELF, &usage);
  const double gibibytes = static_cast<double>(usage.ru_maxrss) / 1048576;
  const double all = graph_seconds + write_seconds + class_seconds + run_seconds;
  const double fluid = static_cast<double>(times.makespan) * 1e-12;
  std::printf("%-34s %9lld %9lld %7.2f %7.2f %7.2f %7.2f %7.2f %6.2f %10.6f %7.4f\n", each.what,
              static_cast<long long>(flows), static_cast<long long>(traffic.num_flows()),
              graph_seconds, write_seconds, class_seconds, run_seconds, all, gibibytes, fluid,
              fluid / bound);
  std::fflush(stdout);
  if (fluid < bound * (1 - 1e-9)) {
    std::printf("faster than its busiest link: %.9f s\n", bound);
    return false;
  }
  return !each.has_budget || (all <= kMostSeconds && gibibytes <= kMostGibibytes);
}

int RunCase(const Case& each) {
  const Result<bool> is_good = Measure(each);
  if (!is_good) {
    std::printf("%-34s failed: %s\n", each.what, is_good.error().message.c_str());
    std::fflush(stdout);
  }
  return is_good.value_or(false) ? 0 : 1;
}

int Main() {
  using Kind = CollectiveKind;
  using Algorithm = CollectiveAlgorithm;
  const std::vector<Case> cases = {
      {"all-to-all, 1,024 GPUs, sprayed",
       "h100-1024",
       Kind::kAllToAll,
       Algorithm::kPairwise,
       {1024, 8, 1}},
      {"all-to-all, 1,024 GPUs, ECMP",
       "h100-1024",
       Kind::kAllToAll,
       Algorithm::kPairwise,
       {1024, 8, 1},
       true,
       false,
       false},
      {"hierarchical, 16,384 GPUs",
       "h100-16384",
       Kind::kAllReduce,
       Algorithm::kHierarchical,
       {16384, 8, 1}},
      {"hierarchical, 16,384, not merged",
       "h100-16384",
       Kind::kAllReduce,
       Algorithm::kHierarchical,
       {16384, 8, 1},
       false,
       false,
       false},
      {"ring, 16,384 GPUs", "h100-16384", Kind::kAllReduce, Algorithm::kRing, {16384, 8, 1}},
      {"ring, 16,384 GPUs, not merged",
       "h100-16384",
       Kind::kAllReduce,
       Algorithm::kRing,
       {16384, 8, 1},
       false,
       false,
       false},
      {"tree, 16,384 GPUs", "h100-16384", Kind::kAllReduce, Algorithm::kTree, {16384, 8, 1}},
      {"128 rings of 128 ranks, 7:1 pods",
       "llama3-16384",
       Kind::kAllGather,
       Algorithm::kRing,
       {128, 1, 16}},
      {"256 all-to-alls of 64 ranks",
       "h100-16384",
       Kind::kAllToAll,
       Algorithm::kPairwise,
       {64, 8, 1}},
  };
  std::printf("%-34s %9s %9s %7s %7s %7s %7s %7s %6s %10s %7s\n", "", "flows", "run", "graph s",
              "write s", "class s", "run s", "all s", "GiB", "fluid s", "/bound");
  std::fflush(stdout);
  int failed = 0;
  for (const Case& each : cases) {
    const pid_t child = fork();
    if (child == 0) {
      _exit(RunCase(each));
    }
    int status = 0;
    waitpid(child, &status, 0);
    failed += status == 0 ? 0 : 1;
  }
  return failed == 0 ? 0 : 1;
}

}  // namespace
}  // namespace ridgeline::network

int main() { return ridgeline::network::Main(); }
