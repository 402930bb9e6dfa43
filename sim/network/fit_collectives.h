/// Factors on the library's model from measured times: the values of configs/collectives'
/// `corrections`, and those that validation fits again without what it holds out.
///
/// Each algorithm in each protocol is fitted alone, over the times at which the library chose (or
/// was told to take) it. The objective, least over the logarithms x of the factors:
///
///     sum_i rho((ln(T_i(x) / t_i) / 5 %)^2) + sum_j (x_j - x_j^0)^2,   rho(z) = 2 (sqrt(1 + z) -
///     1)
///
/// rho (soft L1) lets a few disturbed points pull no more than a line does. The second sum holds a
/// factor that no point tells of at its start: 1 for those on the library's own terms, so that
/// where measurements are silent the library's constant stands. Levenberg and Marquardt's method,
/// derivatives by central differences: deterministic.
#pragma once

#include <span>
#include <vector>

#include "hardware/time_correction.h"
#include "sim/network/ramp.h"

namespace ridgeline::network {

struct FitPoint {
  CollectiveAlgorithm algorithm = CollectiveAlgorithm::kRing;
  CollectiveProtocol protocol = CollectiveProtocol::kSimple;
  bool is_one_node = true;
  TimeTerms terms;
  Bytes size;
  Seconds measured;
};

/// The point of a collective that took so long on these links.
FitPoint PointOf(const Collective& collective, const GroupLinks& links, Seconds measured);

/// Which factors of a correction are fitted; the others stay at the start's.
struct FreeFactors {
  bool base = false;
  bool step = false;
  bool step_is_base = false;  // one factor for both
  bool growth = false;
  bool rate = false;
  bool copy = false;
  bool copy_is_rate = false;
  bool fill = false;
  bool free = false;
  int count() const;
};

/// What is fitted of an algorithm in a protocol, and where it starts.
struct FitPlan {
  CollectiveAlgorithm algorithm = CollectiveAlgorithm::kRing;
  CollectiveProtocol protocol = CollectiveProtocol::kSimple;
  bool is_one_node = true;
  FreeFactors free;
  hardware::TimeCorrection start;
  /// One correction for the algorithm in every protocol, fitted to the times of all; `protocol`
  /// only names it.
  bool is_for_all_protocols = false;
  /// Growth is not fitted but NVLSTree's over nodes, which an earlier plan found: it is of the hop
  /// between nodes, whoever takes it.
  bool grows_as_nvls_tree = false;

  bool Covers(CollectiveProtocol other) const { return is_for_all_protocols || other == protocol; }
};

/// The form of issue "fabrics, collectives, three fidelities": 24 factors on one node, 6
/// over nodes, 4 of engines' own all-reduces.
std::span<const FitPlan> FitPlans();

/// Start, moved to where the objective is least. At most 100 steps of O(points x factors).
hardware::TimeCorrection FitCorrection(std::span<const FitPoint> points, const FitPlan& plan);

/// All plans that have points replace what `corrections` held; the rest stays. O(points x factors).
void FitCorrections(std::span<const FitPoint> points, hardware::CollectiveCorrections& corrections);

}  // namespace ridgeline::network
