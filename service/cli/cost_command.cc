#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <unistd.h>

#include "base/config_reader.h"
#include "base/diagnostic.h"
#include "service/cli/commands.h"
#include "service/cli/cost_input.h"
#include "service/cli/cost_output.h"
#include "service/cli/exit_code.h"
#include "service/cli/nccl_tests_table.h"
#include "service/cli/size_sweep.h"
#include "service/cli/standard_error.h"
#include "sim/compute/line_cost.h"
#include "sim/compute/operation_line.h"
#include "sim/compute/operation_time.h"

namespace ridgeline::cli {
namespace {

constexpr int kMostShown = 20;  // mistakes told in full on standard error

Result<hardware::Cluster> WithCosts(const hardware::Catalog& catalog, hardware::Cluster cluster) {
  cluster.takes_measured_only = catalog.takes_measured_only();
  if (catalog.cost_source() != nullptr) {
    ASSIGN_OR_RETURN(cluster.measured, catalog.cost_source()->For(cluster));
  }
  return cluster;
}

/// One GPU of that kind; collectives run on the first shipped node that holds it, by name.
Result<hardware::Cluster> ClusterOfGpu(const hardware::Catalog& catalog, const std::string& name) {
  Reference<hardware::Gpu> reference;
  reference.name = name;
  hardware::Cluster cluster;
  ASSIGN_OR_RETURN(cluster.gpu, catalog.ResolveGpu(reference));
  ASSIGN_OR_RETURN(cluster.collectives, catalog.ResolveCollectives(cluster.network.library));
  for (const std::string& node_name : catalog.Names("nodes")) {
    Reference<hardware::Node> node_reference;
    node_reference.name = node_name;
    const Result<hardware::Node> node = catalog.ResolveNode(node_reference);
    if (!node || !node->gpu.is_set()) {
      continue;  // a node that does not read is none to run on; `ridgeline check` tells why
    }
    const Result<hardware::Gpu> gpu = catalog.ResolveGpu(node->gpu);
    if (gpu && gpu->name == cluster.gpu.name) {
      cluster.node = *node;
      cluster.name = node_name;
      return WithCosts(catalog, std::move(cluster));
    }
  }
  cluster.node.gpus = 1;
  cluster.node.gpu = reference;
  cluster.name = "one " + cluster.gpu.name;
  return WithCosts(catalog, std::move(cluster));
}

Result<hardware::Cluster> ClusterOf(const Session& session) {
  const CommandLine& line = session.line;
  if (line.gpu.empty() == line.cluster.empty()) {
    return InvalidArgument(line.gpu.empty() ? "cost needs --gpu NAME or --cluster NAME"
                                            : "--gpu and --cluster are both given",
                           line.gpu.empty() ? "names: ridgeline list gpus, ridgeline list clusters"
                                            : "keep one of them");
  }
  if (!line.gpu.empty()) {
    return ClusterOfGpu(session.catalog, line.gpu);
  }
  Reference<hardware::ClusterDescription> reference;
  reference.name = line.cluster;
  return session.catalog.ResolveCluster(reference);
}

/// What --set says of the network: the keys of a scenario's `network:` block.
Result<hardware::Cluster> WithNetwork(hardware::Cluster cluster, const Session& session) {
  constexpr std::string_view kBlock = "network.";
  Node block = MakeMap();
  for (const std::string& given : session.line.overrides) {
    const size_t equals = given.find('=');
    if (!given.starts_with(kBlock) || equals == std::string::npos) {
      return InvalidArgument(fmt::format("cost sets keys of the network only: {}", given),
                             "write --set network.sharp=true");
    }
    const std::string key = given.substr(kBlock.size(), equals - kBlock.size());
    ASSIGN_OR_RETURN(const Node value,
                     ParseDocument("--set", "value: " + given.substr(equals + 1)));
    if (const Node* const written = value.Find("value")) {
      SetKey(block, key, *written);
    }
  }
  ASSIGN_OR_RETURN(cluster.network, Decode<hardware::NetworkModel>(block, "network"));
  if (cluster.network.fidelity != hardware::NetworkFidelity::kAnalytic) {
    return InvalidArgument("cost prices by closed forms: fidelity is analytic",
                           "simulate a scenario with network: {fidelity: flow}");
  }
  ASSIGN_OR_RETURN(cluster.collectives,
                   session.catalog.ResolveCollectives(cluster.network.library));
  return cluster;
}

/// Turns lines into answers and keeps count of what went wrong.
class Pricing {
 public:
  Pricing(Session& session, hardware::Cluster cluster, std::vector<int64_t> sizes)
      : session_(session),
        sizes_(std::move(sizes)),
        cluster_(std::move(cluster)),
        time_(compute::OperationTime::Of(cluster_)),
        output_(session.line.output, session.out),
        source_(std::make_shared<SourceText>(SourceText{.name = "stdin", .text = {}})) {}

  void Take(std::string_view text, bool is_cut) {
    ++line_;
    if (text.find_first_not_of(" \t\r") == std::string_view::npos) {
      return;
    }
    if (sizes_.empty() || is_cut) {
      return Price(text, is_cut);
    }
    for (const int64_t size : sizes_) {
      Price(WithBytes(text, size), false);
    }
  }

  void Price(std::string_view text, bool is_cut) {
    const compute::LinePlace place{.source = source_, .line = line_};
    if (is_cut) {
      return Refuse({.code = ErrorCode::kResourceExhausted,
                     .message = fmt::format("a line of more than {} bytes", text.size()),
                     .where = place.At(0)});
    }
    const Result<compute::OperationLine> line = compute::ReadOperationLine(text, place);
    if (!line) {
      return Refuse(line.error());
    }
    Result<compute::LineCost> cost = compute::CostOfLine(*line, cluster_, time_);
    if (!cost) {
      cost.error().where = place.At(0);
      return Refuse(cost.error());
    }
    const bool is_collective = compute::IsCollective(*line);
    has_collectives_ = has_collectives_ || is_collective;
    const compute::PricedCollective* const collective =
        cost->collective ? &*cost->collective : nullptr;
    if (session_.line.is_nccl_tests) {
      if (collective == nullptr) {
        return Refuse({.code = ErrorCode::kInvalidArgument,
                       .message = fmt::format("nccl-tests has no {}", line->op),
                       .where = place.At(0),
                       .hint = "leave out -o nccl-tests, or ask for collectives only"});
      }
      session_.out += (has_rows_ ? "" : NcclTestsHeader()) +
                      NcclTestsRow(collective->collective, cost->cost.mean);
      has_rows_ = true;
      return;
    }
    output_.Answer(
        line->op, cost->cost,
        cost->condition ? std::string_view(TextOf(*cost->condition)) : std::string_view(),
        collective);
  }

  int Finish() {
    if (!session_.line.is_nccl_tests) {
      output_.Finish();
    }
    if (num_errors_ > kMostShown) {
      Tell(fmt::format("{} more lines with mistakes not shown\n", num_errors_ - kMostShown));
    }
    if (has_collectives_) {
      session_.closing_note = fmt::format("collectives on {}", cluster_.name);
    }
    return exit_code_;
  }

 private:
  /// Of the condition before this one, mostly: built once for a run of lines.
  const std::string& TextOf(const hardware::Condition& condition) {
    if (condition_text_.empty() || !(condition == condition_)) {
      condition_ = condition;
      condition_text_ = Describe(condition);
    }
    return condition_text_;
  }

  void Refuse(const Error& error) {
    if (!session_.line.is_nccl_tests) {
      output_.Refuse(error, line_);
    }
    if (++num_errors_ <= kMostShown) {
      Tell(RenderError(error, session_.has_color));
    }
    // What the user can mend outranks what is not built.
    const int code = ExitCodeOf(error);
    exit_code_ = exit_code_ == kExitDone || code == kExitUsage ? code : exit_code_;
  }

  Session& session_;
  std::vector<int64_t> sizes_;  // bytes that every line is priced at; empty: its own
  hardware::Cluster cluster_;
  compute::OperationTime time_;
  CostOutput output_;
  std::shared_ptr<const SourceText> source_;
  hardware::Condition condition_;
  std::string condition_text_;
  int line_ = 0;
  int num_errors_ = 0;
  bool has_collectives_ = false;
  bool has_rows_ = false;  // of nccl-tests' table
  int exit_code_ = kExitDone;
};

}  // namespace

Result<int> Cost(Session& session) {
  ASSIGN_OR_RETURN(hardware::Cluster cluster, ClusterOf(session));
  if (!session.line.overrides.empty()) {
    ASSIGN_OR_RETURN(cluster, WithNetwork(std::move(cluster), session));
  }
  std::vector<int64_t> sizes;
  if (!session.line.sizes.empty()) {
    ASSIGN_OR_RETURN(sizes, ReadSizeSweep(session.line.sizes));
  }
  Pricing pricing(session, std::move(cluster), std::move(sizes));
  CostInput input(STDIN_FILENO, session.stop);
  while (true) {
    ASSIGN_OR_RETURN(const bool has_more, input.Fill());
    if (!has_more) {
      break;
    }
    while (const std::optional<std::string_view> line = input.NextLine()) {
      pricing.Take(*line, input.is_cut());
    }
    // Everything that came is answered before more is waited for.
    ASSIGN_OR_RETURN(const bool is_read, session.FlushOut());
    if (!is_read) {
      break;
    }
  }
  return pricing.Finish();
}

}  // namespace ridgeline::cli
