/// Time that the host spends on issuing a step's work: what an operation costs the thread that
/// launches it, as data of a framework (configs/frameworks). A GPU waits for its host wherever the
/// host is slower; elsewhere the host runs ahead and this time is hidden.
///
/// An operation here is one of the lowering's steps: a kernel with whatever the framework does
/// around it (dispatch, autograd, views). All zero: whatever is issued is issued ahead, as in a
/// replayed CUDA graph.
#pragma once

#include "base/config_reader.h"
#include "base/units.h"

namespace ridgeline::workloads {

/// Time an operation, by what it is.
struct HostWork {
  Seconds matmul;
  Seconds attention;
  Seconds elementwise;
  Seconds collective;
  friend bool operator==(const HostWork&, const HostWork&) = default;
};

struct HostTime {
  HostWork forward;  // recomputation too
  HostWork backward;
  HostWork inference;         // of a pass that records no gradients
  Seconds layer_forward;      // a layer's calls beside its operations, in training
  Seconds layer_backward;     // likewise
  Seconds step;               // a step's or pass's, before its first operation
  double step_spread = 0.25;  // half of its range over itself
  Seconds update;             // the optimizer's, before its first kernel
  Seconds update_per_layer;
  /// Between a launch and the kernel's start on an idle GPU.
  Seconds launch_latency;
  friend bool operator==(const HostTime&, const HostTime&) = default;
};

const Schema<HostWork>& SchemaOf(Tag<HostWork>);
const Schema<HostTime>& SchemaOf(Tag<HostTime>);

}  // namespace ridgeline::workloads
