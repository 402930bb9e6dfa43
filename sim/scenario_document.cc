#include <utility>

#include "sim/scenario.h"

namespace ridgeline::sim {

const Schema<ScenarioDocument>& SchemaOf(Tag<ScenarioDocument>) {
  static const Schema<ScenarioDocument> schema =
      Schema<ScenarioDocument>("a scenario: a cluster and what runs on it")
          .Required("cluster", &ScenarioDocument::cluster,
                    "a name under configs/clusters, a path, or nodes, count and fabric inline")
          .Optional("training", &ScenarioDocument::training, "a training job")
          .Optional("serving", &ScenarioDocument::serving, "a serving deployment")
          .Optional("workload", &ScenarioDocument::workload,
                    "the requests that a serving deployment gets")
          .Optional("forward", &ScenarioDocument::forward, "one prefill or decode pass")
          .Optional("traffic", &ScenarioDocument::traffic,
                    "collectives and transfers that share the network")
          .Optional("targets", &ScenarioDocument::targets,
                    "limits that the answer must keep, by metric: {ttft.p99: 2 s}")
          .Optional("network", &ScenarioDocument::network, "how the network is priced")
          .Optional("seed", &ScenarioDocument::seed, "of every random stream", {.at_least = 0});
  return schema;
}

const SchemaInfo& ScenarioSchema() { return SchemaOf(Tag<ScenarioDocument>{}).info(); }

}  // namespace ridgeline::sim
