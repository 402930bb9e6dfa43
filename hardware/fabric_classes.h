/// Parts of a fabric that look alike, for pictures and descriptions: 24,576 GPUs are one kind of
/// node, one kind of leaf and one kind of spine.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "hardware/fabric_graph.h"

namespace ridgeline::hardware {

/// What one switch has towards one side: cables and what they carry.
struct SideTotals {
  int64_t cables = 0;
  BytesPerSecond peak;
  friend auto operator<=>(const SideTotals&, const SideTotals&) = default;
};

struct SwitchClass {
  std::vector<int32_t> members;  // vertices
  int32_t tier = 1;
  int32_t pod = -1;  // class of pods that they stand in; -1: none
  SideTotals down;   // of one member
  SideTotals up;
  SideTotals across;  // to switches of its tier
};

struct NodeClass {
  std::vector<int32_t> members;  // nodes
  int32_t pod = -1;
};

struct PodClass {
  int64_t count = 0;
  std::string name;  // "pod", "group" of a dragonfly, "plane" of what only nodes join
};

/// All cables between two classes; `b` is the upper one, or equal to `a` (a dragonfly's groups).
struct ClassLink {
  int32_t a = 0;  // switch class, or node class where `is_port`
  int32_t b = 0;
  bool is_port = false;
  SideTotals total;
};

struct FabricClasses {
  std::vector<SwitchClass> switches;
  std::vector<NodeClass> nodes;
  std::vector<PodClass> pods;
  std::vector<ClassLink> links;
};

/// Equal are switches with equal cables down, up and across, in pods that hold equal switches; and
/// nodes below equal leaves. With `is_each_alone`, every switch is a class. Capacities count as
/// equal to four digits. O(links log links).
FabricClasses ClassesOf(const FabricGraph& graph, bool is_each_alone);

}  // namespace ridgeline::hardware
