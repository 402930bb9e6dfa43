/// The whole run behind one step: how long, what it costs, what breaks meanwhile. `run:` of a
/// training job; figures that a run needs and the document does not give come from the cluster.
#pragma once

#include <cstdint>
#include <optional>

#include "base/config_reader.h"
#include "base/units.h"

namespace ridgeline::workloads {

/// `checkpoint:` of a run. What is saved: weights and optimizer states, once over all replicas.
struct Checkpointing {
  std::optional<Seconds> interval;          // default: the optimal one for the failure rate
  std::optional<BytesPerSecond> bandwidth;  // all ranks together; default: the nodes' storage
  /// Copied to the host's memory first and written behind the steps that follow: only the copy
  /// stops the job.
  bool asynchronous = true;
  std::optional<Seconds> restart;  // from failure to the first step, reading apart; default cited
  friend bool operator==(const Checkpointing&, const Checkpointing&) = default;
};
const Schema<Checkpointing>& SchemaOf(Tag<Checkpointing>);

/// `failures:` of a run: mean times between failures of one component; defaults are cited
/// (Llama 3, arXiv:2407.21783, table 5).
struct FailureRates {
  std::optional<Seconds> gpu;
  std::optional<Seconds> node;      // host, power, its memory
  std::optional<Seconds> network;   // a NIC, cable or its switch port, per GPU
  std::optional<Seconds> software;  // of the whole job
  friend bool operator==(const FailureRates&, const FailureRates&) = default;
};
const Schema<FailureRates>& SchemaOf(Tag<FailureRates>);

struct TrainingRun {
  std::optional<int64_t> tokens;   // to train on
  std::optional<Seconds> warm_up;  // before the first step: start-up, compilation
  std::optional<double> usd_per_gpu_hour;
  std::optional<double> usd_per_kwh;
  double power_usage_effectiveness = 1.0;  // facility over machines
  Checkpointing checkpoint;
  FailureRates failures;
  friend bool operator==(const TrainingRun&, const TrainingRun&) = default;
};
const Schema<TrainingRun>& SchemaOf(Tag<TrainingRun>);

}  // namespace ridgeline::workloads
