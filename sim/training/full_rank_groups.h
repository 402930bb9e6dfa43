/// Which ranks of a pipeline stage take part in a collective together, and where each rank stands
/// in the job's own numbering.
///
/// The ranks of one stage, its replicas, are counted with tp fastest and the dp·cp others in the
/// layout's order behind it: groups along tp are then runs of neighbours, which is where nearly all
/// meetings of a step take place.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "workloads/rank_groups.h"

namespace ridgeline::training {

/// The groups along one axis; they tile the replicas of a stage.
struct MeetingGroups {
  size_t ranks = 1;                // of each group
  std::vector<uint32_t> replicas;  // group after group; empty: in order
};

class StageRanks {
 public:
  explicit StageRanks(const workloads::Layout& layout);

  size_t stages() const { return stages_; }
  size_t replicas() const { return replicas_; }
  /// In the order of the job's ranks (workloads::RankAxis).
  int64_t RankOf(size_t stage, size_t replica) const;
  /// Built when first asked for: O(replicas log replicas), then O(log axes).
  const MeetingGroups& Groups(workloads::Axis axis);

 private:
  struct Digit {
    workloads::RankAxis axis;
    int64_t size;
    int64_t stride;  // in the job's numbering
  };
  int64_t Coordinate(size_t replica, workloads::RankAxis axis) const;
  /// The replica counted in the given axes only, the fastest first.
  int64_t NumberIn(size_t replica, const std::vector<workloads::RankAxis>& axes) const;

  workloads::Layout layout_;
  std::vector<Digit> digits_;  // fastest first
  size_t stages_ = 1;
  size_t replicas_ = 1;
  std::map<workloads::Axis, MeetingGroups> groups_;
};

}  // namespace ridgeline::training
