#include "workloads/training_run.h"

namespace ridgeline::workloads {

const Schema<Checkpointing>& SchemaOf(Tag<Checkpointing>) {
  static const Schema<Checkpointing> schema =
      Schema<Checkpointing>("how a run is saved")
          .Optional("interval", &Checkpointing::interval,
                    "time between checkpoints; default: the optimal one", {.above = Seconds{}})
          .Optional("bandwidth", &Checkpointing::bandwidth,
                    "at which all ranks together write; default: the nodes' storage",
                    {.above = BytesPerSecond{}})
          .Optional("asynchronous", &Checkpointing::asynchronous,
                    "written behind the steps that follow; only the copy to the host stops the job")
          .Optional("restart", &Checkpointing::restart,
                    "from a failure to the first step, reading the checkpoint apart",
                    {.at_least = Seconds{}});
  return schema;
}

const Schema<FailureRates>& SchemaOf(Tag<FailureRates>) {
  static const Schema<FailureRates> schema =
      Schema<FailureRates>("mean times between failures, of one component")
          .Optional("gpu", &FailureRates::gpu, "of one GPU", {.above = Seconds{}})
          .Optional("node", &FailureRates::node, "of one node beside its GPUs",
                    {.above = Seconds{}})
          .Optional("network", &FailureRates::network, "of one GPU's way into the network",
                    {.above = Seconds{}})
          .Optional("software", &FailureRates::software, "of the whole job", {.above = Seconds{}});
  return schema;
}

const Schema<TrainingRun>& SchemaOf(Tag<TrainingRun>) {
  static const Schema<TrainingRun> schema =
      Schema<TrainingRun>("the whole run behind one step")
          .Optional("tokens", &TrainingRun::tokens, "to train on",
                    {.at_least = 1, .at_most = int64_t{1} << 60})
          .Optional("warm_up", &TrainingRun::warm_up, "before the first step",
                    {.at_least = Seconds{}})
          .Optional("usd_per_gpu_hour", &TrainingRun::usd_per_gpu_hour, "price of a GPU",
                    {.at_least = 0.0, .at_most = 1e6})
          .Optional("usd_per_kwh", &TrainingRun::usd_per_kwh, "price of energy",
                    {.at_least = 0.0, .at_most = 1e6})
          .Optional("power_usage_effectiveness", &TrainingRun::power_usage_effectiveness,
                    "power of the facility over that of its machines",
                    {.at_least = 1.0, .at_most = 100.0})
          .Optional("checkpoint", &TrainingRun::checkpoint, "how the run is saved")
          .Optional("failures", &TrainingRun::failures,
                    "mean times between failures; defaults are those of a published run");
  return schema;
}

}  // namespace ridgeline::workloads
