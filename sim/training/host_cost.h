/// A framework's host time as durations: what issuing each operation of a pass costs.
#pragma once

#include <variant>

#include "base/operation.h"
#include "sim/compute/duration.h"
#include "sim/training/host_chain.h"
#include "workloads/host_time.h"
#include "workloads/lowering.h"

namespace ridgeline::training {

/// Host times were measured on single hosts and CPUs differ: a 90 % range of a quarter either way,
/// an assumption until hosts are described as GPUs are.
inline constexpr double kHostSpread = 0.25;

/// Whether a GPU ever waits for its host: no task of the host is built otherwise.
inline bool HasHostTime(workloads::HostTime host) {
  host.step_spread = workloads::HostTime{}.step_spread;  // of nothing it says nothing
  return host != workloads::HostTime{};
}

compute::Duration HostDuration(Seconds mean, double spread = kHostSpread);

/// Of issuing one operation or collective.
Seconds HostTimeOf(const workloads::HostWork& host,
                   const std::variant<Operation, workloads::AxisCollective>& work);

/// What of `a` is left when `b` is over, had both begun together.
compute::Duration OutlastsBy(const compute::Duration& a, const compute::Duration& b);

/// A chain at each bound.
struct CostedChain {
  compute::Duration total;  // on the GPU
  compute::Duration host;
  compute::Duration lead;

  HostChain At(compute::Bound bound) const { return {total[bound], host[bound], lead[bound]}; }
  void Append(const CostedChain& next);
  /// One operation; after `beside`, if that is not null, which runs beside it.
  static CostedChain Of(const compute::Duration& host, const compute::Duration& device,
                        const CostedChain* beside = nullptr);
  CostedChain Repeated(int64_t times) const;
};

}  // namespace ridgeline::training
