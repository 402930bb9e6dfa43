/// Flows of rings (collective_traffic.h says what each hop carries).
#pragma once

#include "base/operation.h"
#include "sim/network/placement.h"
#include "sim/network/traffic_writer.h"

namespace ridgeline::network {

/// `hop_bytes` over every hop, all channels together.
void AppendRings(const GroupGpus& group, double hop_bytes, TrafficWriter& writer);

/// The whole buffer along each ring from the first rank, which nothing is sent to.
void AppendRingBroadcast(const GroupGpus& group, double bytes, TrafficWriter& writer);

/// A ring step by step: n parts, n - 1 steps (all-reduce: twice that). What a rank sends in a step
/// it had received in the step before, and it sends one part at a time.
void AppendRingSteps(const GroupGpus& group, double bytes, bool is_all_reduce,
                     TrafficWriter& writer);

/// In each node, in groups of equal index over nodes, in each node again; each phase of a rank
/// waits for what it sent and received in the phase before.
void AppendHierarchical(const GroupGpus& group, CollectiveKind kind, double bytes,
                        TrafficWriter& writer);

}  // namespace ridgeline::network
