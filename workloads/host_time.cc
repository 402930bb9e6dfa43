#include "workloads/host_time.h"

namespace ridgeline::workloads {
namespace {

constexpr Limits<Seconds> kNotNegative{.at_least = Seconds{}};

}  // namespace

const Schema<HostWork>& SchemaOf(Tag<HostWork>) {
  static const Schema<HostWork> schema =
      Schema<HostWork>("host time an operation")
          .Optional("matmul", &HostWork::matmul, "of a matrix product", kNotNegative)
          .Optional("attention", &HostWork::attention, "of fused attention", kNotNegative)
          .Optional("elementwise", &HostWork::elementwise, "of a kernel bound by memory",
                    kNotNegative)
          .Optional("collective", &HostWork::collective, "of a collective", kNotNegative);
  return schema;
}

const Schema<HostTime>& SchemaOf(Tag<HostTime>) {
  static const Schema<HostTime> schema =
      Schema<HostTime>("time that the host takes to issue work")
          .Optional("forward", &HostTime::forward, "an operation of the forward")
          .Optional("backward", &HostTime::backward, "an operation of the backward")
          .Optional("inference", &HostTime::inference,
                    "an operation of a pass that records no gradients")
          .Optional("layer_forward", &HostTime::layer_forward,
                    "a layer's calls beside its operations", kNotNegative)
          .Optional("layer_backward", &HostTime::layer_backward, "likewise in the backward",
                    kNotNegative)
          .Optional("step", &HostTime::step, "before the first operation of a step or pass",
                    kNotNegative)
          .Optional("step_spread", &HostTime::step_spread, "half of the range of step, over step",
                    {.at_least = 0.0, .at_most = 1.0})
          .Optional("update", &HostTime::update, "before the optimizer's first kernel",
                    kNotNegative)
          .Optional("update_per_layer", &HostTime::update_per_layer, "of the optimizer, a layer",
                    kNotNegative)
          .Optional("launch_latency", &HostTime::launch_latency,
                    "between a launch and the start of its kernel on an idle GPU", kNotNegative);
  return schema;
}

}  // namespace ridgeline::workloads
