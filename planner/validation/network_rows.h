/// What `validate network` found, row by row: plain structs that the writers print.
#pragma once

#include <optional>
#include <string>

#include "base/units.h"

namespace ridgeline::validation {

/// One case priced three times: what its bytes take on the wire. Latency and ramp are left out:
/// they are the closed form's in all three, and would hide a difference.
struct AgreementRow {
  std::string id = {};
  std::string what = {};     // "ring all_reduce, 64 ranks, 8 a node"
  Seconds closed_form = {};  // of a group alone
  std::optional<Seconds> flow = {};
  std::optional<Seconds> simgrid = {};
  std::string no_flow = {};     // why not
  std::string no_simgrid = {};  // why not
  double slowdown = 1.0;        // expected of flows over the closed form; 1: they agree
  bool or_more = false;         // so much at least
  std::string because = {};

  /// Of flows, over closed form x slowdown; zero where a bound holds.
  double FlowDifference() const {
    const double difference = *flow / (closed_form * slowdown) - 1.0;
    return or_more && difference > 0.0 ? 0.0 : difference;
  }
  double SimgridDifference() const { return *flow / *simgrid - 1.0; }
};

/// One collective that was measured beside others: its slowdown as measured, and as flows say.
struct SharingRow {
  std::string beside = {};  // "all_gather+send": all that ran at once
  std::string one = {};     // "send": of which this is the time
  Bytes bytes = {};
  Seconds measured_alone = {};
  Seconds measured = {};
  Seconds predicted_alone = {};
  Seconds predicted = {};

  double measured_slowdown() const { return measured / measured_alone; }
  double predicted_slowdown() const { return predicted / predicted_alone; }
  double Difference() const { return predicted_slowdown() / measured_slowdown() - 1.0; }
};

}  // namespace ridgeline::validation
