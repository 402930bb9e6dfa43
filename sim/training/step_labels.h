/// What the tasks of a step are called and which causes their time is booked under: a label a pass
/// of a chunk, of a layer and of an operation, shared by all micro-batches.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "sim/engine/program.h"
#include "sim/training/step_program.h"

namespace ridgeline::training {

/// Labels of one chunk's pass.
struct PassLabels {
  engine::LabelIndex whole = 0;                             // kSlots
  std::vector<engine::LabelIndex> layers;                   // kLayers, bottom to top
  std::vector<std::vector<engine::LabelIndex>> operations;  // kOperations
  std::vector<std::vector<engine::LabelIndex>> issues;      // kOperations with host time: its tasks
};

class StepLabels {
 public:
  /// Adds to `step`; both must outlive the calls.
  StepLabels(const StageView& stages, Detail detail, bool has_host, StepProgram& step)
      : stages_(&stages), detail_(detail), has_host_(has_host), step_(&step) {}

  engine::LabelIndex Add(std::string name, Cause cause, const BoundedCauseTimes& causes);
  engine::LabelIndex Add(std::string name, Cause cause, const Duration& duration);

  PassLabels OfPass(size_t chunk, workloads::SlotKind kind);

 private:
  /// By layer; filled when first asked for.
  struct KnownLayers {
    std::vector<engine::LabelIndex> whole;
    std::vector<std::vector<engine::LabelIndex>> operations;
    std::vector<std::vector<engine::LabelIndex>> issues;
  };
  void Know(size_t layer, workloads::SlotKind kind);

  const StageView* stages_;
  Detail detail_;
  bool has_host_;
  StepProgram* step_;
  std::array<KnownLayers, 4> known_;  // by kind of slot
};

}  // namespace ridgeline::training
