#include "sim/serving/step_cost.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "base/check.h"
#include "sim/inference_settings.h"

namespace ridgeline::serving {
namespace {

using compute::Bound;
using engine::Picoseconds;
using workloads::AxisCollective;
using workloads::InferenceSettings;
using workloads::RepeatedStep;

class ModelStepCost final : public StepCost {
 public:
  ModelStepCost(StepTimes& times, bool overlaps_host, Bound bound)
      : times_(times), overlaps_host_(overlaps_host), bound_(bound) {}
  ModelStepCost(std::unique_ptr<StepTimes> times, bool overlaps_host, Bound bound)
      : owned_(std::move(times)), times_(*owned_), overlaps_host_(overlaps_host), bound_(bound) {}

  Picoseconds Of(const StepBatch& batch) override {
    if (batch.chunks.empty()) {
      const DecodeTime line = Decode(batch.decodes, batch.decode_context);
      return line.base + line.per_token * batch.decode_context;
    }
    int64_t tokens = batch.decodes;
    double attention = 0.0;
    for (const PrefillChunk& chunk : batch.chunks) {
      tokens += chunk.tokens;
      attention += times_.OfPrefill(chunk.tokens, chunk.context + chunk.tokens, bound_);
    }
    Picoseconds gpu = times_.OfTokens(tokens)[bound_] + times_.OfHead(batch.sampled)[bound_] +
                      std::llround(attention);
    if (batch.decodes > 0) {
      const DecodeTime line =
          AttentionLine(times_.OfDecode(batch.decodes, bound_), batch.decode_context);
      gpu += line.base + line.per_token * batch.decode_context;
    }
    const int64_t sequences = batch.decodes + static_cast<int64_t>(batch.chunks.size());
    const Picoseconds host = times_.OfHost(sequences);
    return overlaps_host_ ? std::max(gpu, host) : gpu + host;
  }

  DecodeTime Decode(int64_t sequences, int64_t context) override {
    const DecodeLines& lines = times_.OfDecode(sequences, bound_);
    DecodeTime line = AttentionLine(lines, context);
    line.base += lines.fixed;
    const Picoseconds host = times_.OfHost(sequences);
    if (!overlaps_host_) {
      line.base += host;
    } else if (line.base + line.per_token * context < host) {
      // The host is slower until the line reaches it.
      const int64_t last = line.per_token > 0 ? (host - line.base) / line.per_token : line.valid_to;
      return {.base = host, .per_token = 0, .valid_to = std::min(line.valid_to, last)};
    }
    return line;
  }

 private:
  /// A whole-picosecond line through the exact time at the middle of the cell that holds `context`.
  static DecodeTime AttentionLine(const DecodeLines& lines, int64_t context) {
    int64_t from = 0;
    for (const DecodePiece& piece : lines.pieces) {
      if (context > piece.to) {
        from = piece.to + 1;
        continue;
      }
      const int64_t begin = std::max(from, context / lines.cell * lines.cell);
      const int64_t end = std::min(piece.to, begin / lines.cell * lines.cell + lines.cell - 1);
      const int64_t middle = begin + (end - begin) / 2;
      const Picoseconds slope = std::llround(piece.slope);
      const double exact = piece.intercept + piece.slope * static_cast<double>(middle);
      return {.base = std::llround(exact) - slope * middle, .per_token = slope, .valid_to = end};
    }
    CHECK(false, "{} tokens beyond the last piece", context);
    return {};
  }

  const std::unique_ptr<StepTimes> owned_;  // null: the caller's
  StepTimes& times_;
  const bool overlaps_host_;
  const Bound bound_;
};

}  // namespace

Result<sim::Reliance> RelianceOfStep(const sim::Scenario& scenario,
                                     const compute::OperationTime& time, const StepBatch& batch) {
  const sim::ServingScenario& serving = *scenario.serving;
  InferenceSettings settings = sim::SettingsOf(serving, scenario.cluster);
  settings.model = &serving.model;
  sim::Reliance reliance;
  const auto add = [&](const std::vector<RepeatedStep>& steps) -> Status {
    for (const RepeatedStep& step : steps) {
      const auto times = static_cast<double>(step.count);
      if (const auto* operation = std::get_if<Operation>(&step.work)) {
        ASSIGN_OR_RETURN(const Cost cost, time.CostOf(*operation));
        reliance.Add(*operation, cost, times);
      } else {
        const auto& wanted = std::get<AxisCollective>(step.work);
        const Collective collective{.kind = wanted.kind,
                                    .bytes = wanted.bytes,
                                    .group = {.ranks = serving.tp, .ranks_per_node = serving.tp},
                                    .dtype = wanted.dtype};
        ASSIGN_OR_RETURN(const Cost cost, time.CostOf(collective));
        reliance.Add(collective, cost, times);
      }
    }
    return {};
  };
  int64_t tokens = batch.decodes;
  for (const PrefillChunk& chunk : batch.chunks) {
    tokens += chunk.tokens;
    ASSIGN_OR_RETURN(const std::vector<RepeatedStep> attention,
                     workloads::LowerAttention(settings, AttentionPhase::kPrefill, 1, chunk.tokens,
                                               chunk.context + chunk.tokens));
    RETURN_IF_ERROR(add(attention));
  }
  if (batch.decodes > 0) {
    ASSIGN_OR_RETURN(
        const std::vector<RepeatedStep> attention,
        workloads::LowerAttention(settings, AttentionPhase::kDecode, batch.decodes, 1,
                                  std::max<int64_t>(1, batch.decode_context / batch.decodes)));
    RETURN_IF_ERROR(add(attention));
  }
  ASSIGN_OR_RETURN(const std::vector<RepeatedStep> body,
                   workloads::LowerTokens(settings, tokens, batch.sampled));
  RETURN_IF_ERROR(add(body));
  return reliance;
}

std::unique_ptr<StepCost> MakeStepCost(const sim::Scenario& scenario, StepTimes& times,
                                       Bound bound) {
  return std::make_unique<ModelStepCost>(times, scenario.serving->engine.overlaps_host, bound);
}

Result<std::unique_ptr<StepCost>> MakeStepCost(const sim::Scenario& scenario,
                                               const compute::OperationTime& time, Bound bound) {
  ASSIGN_OR_RETURN(std::unique_ptr<StepTimes> times, StepTimes::Of(scenario, time));
  return std::unique_ptr<StepCost>(std::make_unique<ModelStepCost>(
      std::move(times), scenario.serving->engine.overlaps_host, bound));
}

}  // namespace ridgeline::serving
