#include "sim/training/communication_use.h"

#include <algorithm>
#include <array>
#include <span>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "workloads/parallelism.h"

namespace ridgeline::training {
namespace {

using workloads::Axis;

/// Sums over all ranks of a pipeline.
struct Traffic {
  std::array<double, 3> busy = {};  // seconds, by bound
  double bytes = 0.0;

  void Add(const Duration& duration, Bytes message, double times = 1.0) {
    for (size_t i = 0; i < busy.size(); ++i) {
      busy.at(i) += times * engine::ToSeconds(duration.at.at(i)).base();
    }
    bytes += times * message.base();
  }
};

struct Row {
  std::string_view name;
  Cause cause = Cause::kTensorParallel;
  Axis axis = Axis::kTensor;
  Traffic traffic = {};
};

class Table {
 public:
  Traffic& Of(Cause cause) {
    return std::find_if(rows_.begin(), rows_.end(),
                        [&](const Row& row) { return row.cause == cause; })
        ->traffic;
  }
  std::span<const Row> rows() const { return rows_; }

 private:
  std::array<Row, 5> rows_ = {{{"tensor", Cause::kTensorParallel, Axis::kTensor},
                               {"context", Cause::kContextParallel, Axis::kContext},
                               {"expert", Cause::kExpertParallel, Axis::kExpert},
                               {"pipeline", Cause::kPipelineParallel, Axis::kPipeline},
                               {"data", Cause::kDataParallel, Axis::kData}}};
};

bool HasRow(Cause cause) {
  return cause == Cause::kTensorParallel || cause == Cause::kContextParallel ||
         cause == Cause::kExpertParallel || cause == Cause::kPipelineParallel ||
         cause == Cause::kDataParallel;
}

void AddPasses(const sim::TrainingScenario& training, const StageCosts& stages, Table& table) {
  const auto times = static_cast<double>(MicroBatchesOfChunk(training));
  for (const ChunkCosts& chunk : stages.chunks) {
    for (const size_t layer : chunk.layers) {
      for (const CostedPass* pass :
           {&stages.layers[layer].forward, &stages.layers[layer].backward}) {
        for (const CostedStep& step : pass->steps) {
          if (step.is_collective && HasRow(step.cause)) {
            table.Of(step.cause).Add(step.duration, step.message, times);
          }
        }
      }
    }
  }
}

void AddSends(const sim::TrainingScenario& training, const StageCosts& stages, Table& table) {
  if (stages.boundary_sends.empty()) {
    return;
  }
  const workloads::Layout& layout = training.layout;
  const double split = layout.sequence_parallel ? static_cast<double>(layout.tp) : 1.0;
  const Bytes message =
      static_cast<double>(training.micro_batch) * static_cast<double>(training.sequence_length) *
      static_cast<double>(training.model.hidden) / (split * static_cast<double>(layout.cp)) *
      BytesPerElement(workloads::ActivationDtype(training.precision));
  // Activations one way and their gradients the other, over the boundary above each chunk but the
  // last.
  const double times = 2.0 * static_cast<double>(MicroBatchesOfChunk(training));
  for (size_t chunk = 0; chunk + 1 < stages.chunks.size(); ++chunk) {
    table.Of(Cause::kPipelineParallel)
        .Add(stages.boundary_sends[chunk % stages.boundary_sends.size()], message, times);
  }
}

void AddReplicas(const sim::TrainingScenario& training, const EpilogueCosts& epilogue,
                 Table& table) {
  Traffic& data = table.Of(Cause::kDataParallel);
  const auto micro_batches = static_cast<double>(training.micro_batches);
  const double reductions = epilogue.reduces_every_micro_batch ? micro_batches : 1.0;
  for (const EpilogueCosts::Reduction& reduction : epilogue.reductions) {
    data.Add(reduction.duration, reduction.bytes, reductions);
  }
  for (const EpilogueCosts::Gather& gather : epilogue.gathers) {
    data.Add(gather.duration, gather.bytes);
  }
  for (const ShardedLayer& layer : epilogue.sharded) {
    data.Add(layer.gather, layer.gathered, micro_batches);
    if (layer.regathers) {
      data.Add(layer.regather, layer.gathered, micro_batches);
    }
    data.Add(layer.reduce, layer.reduced, micro_batches);
  }
  for (const Duration& tied : epilogue.tied_reduction) {
    data.Add(tied, Bytes{});
  }
}

std::string WhereOf(const RankGroup& group) {
  const int64_t nodes = (group.ranks + group.ranks_per_node - 1) / group.ranks_per_node;
  return nodes == 1 ? "inside a node" : fmt::format("over {} nodes", nodes);
}

void AddMetric(sim::Report& report, std::string name, std::array<double, 3> by_bound,
               std::string unit) {
  const auto [low, high] = std::minmax_element(by_bound.begin(), by_bound.end());
  report.metrics.push_back({.name = std::move(name),
                            .value = by_bound.front(),
                            .unit = std::move(unit),
                            .low = *low,
                            .high = *high,
                            .evidence = Evidence::kAnalytic});
}

}  // namespace

void AddCommunication(sim::Report& report, const sim::TrainingScenario& training,
                      const StageCosts& stages, const EpilogueCosts& epilogue,
                      const StepResults& step) {
  Table table;
  AddPasses(training, stages, table);
  AddSends(training, stages, table);
  AddReplicas(training, epilogue, table);
  const auto pp = static_cast<double>(training.layout.pp);
  for (const Row& row : table.rows()) {
    const RankGroup group = workloads::GroupOf(training.layout, row.axis);
    if (group.ranks <= 1) {
      continue;
    }
    std::array<double, 3> busy = row.traffic.busy;
    std::array<double, 3> exposed = {};
    for (const Bound bound : kBounds) {
      const auto i = static_cast<size_t>(bound);
      busy.at(i) /= pp;
      for (const CauseTimes& times : step[bound].by_rank) {
        exposed.at(i) += engine::ToSeconds(times[row.cause]).base();
      }
      exposed.at(i) /= static_cast<double>(std::max<size_t>(1, step[bound].by_rank.size()));
    }
    const double bytes = row.traffic.bytes / pp;
    const std::string name = fmt::format("communication.{}", row.name);
    AddMetric(report, name + ".busy", busy, "s");
    AddMetric(report, name + ".exposed", exposed, "s");
    AddMetric(report, name + ".bytes", {bytes, bytes, bytes}, "B");
    report.communication.push_back({.name = std::string(row.name),
                                    .busy = busy.front(),
                                    .exposed = exposed.front(),
                                    .bytes = bytes,
                                    .ranks = group.ranks,
                                    .where = WhereOf(group)});
  }
}

}  // namespace ridgeline::training
