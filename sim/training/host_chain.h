/// A chain of operations that one host thread issues in order and one GPU runs in order, as three
/// numbers that compose exactly.
///
/// Operation i costs the host h_i and the GPU d_i; it starts on the GPU at the later of the end of
/// operation i - 1 and of its launch. With H_i = h_1 + ... + h_i the host's time to its launch, a
/// chain that the host comes to at t_h and the GPU at t_d ends on the host at t_h + host and on the
/// GPU at max(t_d, t_h + lead) + device, where
///
///   host = sum of h_i,  device = sum of d_i,  lead = max over i of (H_i - (d_1 + ... + d_(i-1))).
///
/// So the chain is one task of `device` that may not begin before the host has worked for `lead`:
/// what the GPU waits inside the chain is moved before it, and every end is exact. (Max-plus
/// algebra: Baccelli, Cohen, Olsder, Quadrat, Synchronization and Linearity, 1992, section 1.2.)
///
/// Invariant: 0 <= lead <= host <= lead + device, so a GPU never ends a chain before its host does.
/// The latency between a launch and its kernel is the same for all: it delays the host's clock once
/// a step.
#pragma once

#include <algorithm>
#include <cstdint>

#include "sim/engine/sim_time.h"

namespace ridgeline::training {

struct HostChain {
  engine::Picoseconds device = 0;
  engine::Picoseconds host = 0;
  engine::Picoseconds lead = 0;

  static HostChain Of(engine::Picoseconds host, engine::Picoseconds device) {
    return {.device = device, .host = host, .lead = host};
  }

  /// A collective that the GPU runs beside the operation issued after it; what follows waits for
  /// both. It ends at max(t_d + max(c, o), t_h + max(h_c + c, h_c + h_o + o)).
  static HostChain Beside(const HostChain& collective, const HostChain& operation) {
    const engine::Picoseconds device = std::max(collective.device, operation.device);
    const engine::Picoseconds host = engine::AddSaturating(collective.host, operation.host);
    return {.device = device,
            .host = host,
            .lead = std::max(engine::AddSaturating(collective.host, collective.device - device),
                             engine::AddSaturating(host, operation.device - device))};
  }

  /// This chain and then the other. Associative; the empty chain is neutral.
  HostChain Then(const HostChain& next) const {
    return {.device = engine::AddSaturating(device, next.device),
            .host = engine::AddSaturating(host, next.host),
            .lead = std::max(lead, engine::AddSaturating(host - device, next.lead))};
  }

  /// The chain `times` times over. O(log times).
  HostChain Repeated(int64_t times) const {
    HostChain all;
    HostChain power = *this;
    for (; times > 0; times /= 2) {
      if (times % 2 == 1) {
        all = all.Then(power);
      }
      power = power.Then(power);
    }
    return all;
  }

  friend bool operator==(const HostChain&, const HostChain&) = default;
};

}  // namespace ridgeline::training
