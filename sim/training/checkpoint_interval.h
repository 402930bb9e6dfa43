/// How often a run should be saved, and how long it then takes with failures.
///
/// Failures come at random with a mean time M between them (exponential, whatever the job does).
/// A run works for an interval t, stops for s while it is saved, and so on. What was saved counts
/// once it is written, which takes w more behind the next steps (w = 0: the job waits for it, and s
/// is all of the writing; w <= t + s: one is written at a time). After a failure the run is back at
/// the last state that counts after r, through which it may fail again. The expected time of one
/// interval and its checkpoint is then, exactly,
///
///     E(t) = M e^((r + w)/M) (e^((t + s)/M) - 1)
///
/// For w = 0 this is the complete model of Daly 2006 (doi:10.1016/j.future.2004.11.016). With w:
/// from a state just copied, the run first has to live through w (e^(-w/M)) to have it count; if it
/// does not it is at the state before, r and a whole interval away; solving the two renewal
/// equations gives e^(w/M) more. E(t)/t is least where 1 - t/M = e^(-(t + s)/M), which neither r
/// nor w changes.
#pragma once

#include "base/units.h"

namespace ridgeline::training {

struct FailureModel {
  Seconds mean_between;  // M, of the whole job; > 0
  Seconds recovery;      // r
  Seconds stall;         // s
  Seconds write_behind;  // w
};

/// E(t); t > 0. Infinite where failures leave no hope.
Seconds ExpectedTime(const FailureModel& model, Seconds interval);
/// t / E(t), from 0 to 1: of all the time, what goes into steps that count.
double EffectiveTimeRatio(const FailureModel& model, Seconds interval);

/// The interval of least E(t)/t, by bisection; not below what writing one at a time takes.
Seconds OptimalInterval(const FailureModel& model);
/// sqrt(2 s M) (Young 1974, doi:10.1145/361147.361115).
Seconds YoungInterval(const FailureModel& model);
/// Daly 2006, higher order: sqrt(2 s M) (1 + sqrt(s / 2M) / 3 + s / 18M) - s for s < 2M, else M.
Seconds DalyInterval(const FailureModel& model);

/// Where the time of one interval goes, expected; adds up to ExpectedTime.
struct ExpectedTimes {
  Seconds steps;     // t
  Seconds stalls;    // s
  Seconds restarts;  // from failures to the next step
  Seconds rework;    // steps and stalls that a failure undid
  double failures = 0.0;
};
ExpectedTimes SplitExpectedTime(const FailureModel& model, Seconds interval);

}  // namespace ridgeline::training
