/// Do closed forms, flows and SimGrid agree where they must, and do shared links slow flows by what
/// a person works out?
///
/// A collective's flows, of all equal groups at once, take a raw fluid time T on the fabric as it
/// is; its plan (sim/network/collective_plan.h) has a wire part W, of a group alone. W comes from
/// the library's step counts and bus bandwidth, T from volumes, routes and max-min shares: neither
/// reads the other. They differ by one known thing, the share of its links' sustained rate that the
/// library's channels fill (channel_graph.h: 12 x 30 of an H100's 370.8 GB/s), so that
///
///     closed form = W        flow = T / share        expected: flow = slowdown x closed form
///
/// `share` of a hierarchy is that of its levels, weighted by their wires; of exchanges 1. W is the
/// library's own model in the protocol Simple, before measurements correct it: what they make of it
/// is not flows' business, and `network.fidelity: flow` scales whatever it becomes by a ratio of
/// two fluid times, which would agree by construction and check nothing.
///
/// Items of traffic take their plans' wire alone by construction: what is checked of them is how
/// they slow one another. SimGrid runs the same flows, unmerged.
#pragma once

#include "base/result.h"
#include "base/stop.h"
#include "hardware/catalog.h"
#include "planner/validation/network_suite.h"
#include "planner/validation/validation_report.h"
#include "sim/engine/traffic.h"

namespace ridgeline::validation {

/// Every case once against the closed form (metric "flow_over_closed_form", tolerance `agree`) and
/// once against SimGrid ("flow_over_simgrid", tolerance `referee`; left out with the reason where
/// SimGrid is not installed or would take too long), and every measured mix ("slowdown", no
/// tolerance: nothing is fitted to it). `referee` runs SimGrid's side. Errors: clusters that do not
/// resolve, and the stop's; a case that fails is listed with its reason.
Result<SuiteOutcome> EvaluateNetwork(const NetworkSuite& suite, const hardware::Catalog& catalog,
                                     const engine::TrafficRunner& referee, const Stop& stop);

/// The same with SimGrid as it is installed.
Result<SuiteOutcome> EvaluateNetwork(const NetworkSuite& suite, const hardware::Catalog& catalog,
                                     const Stop& stop);

}  // namespace ridgeline::validation
