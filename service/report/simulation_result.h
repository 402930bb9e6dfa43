/// One simulation's answer with everything that a reader or a program needs to trust and repeat it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "service/report/table.h"
#include "service/report/target_outcome.h"
#include "sim/report.h"

namespace ridgeline::report {

/// A file that the answer was computed from.
struct Input {
  std::string name;    // as the user gave it
  std::string sha256;  // of its bytes
};

struct SimulationResult {
  sim::Report report;
  uint64_t seed = 1;
  std::vector<Input> inputs = {};
  std::vector<TargetOutcome> targets = {};  // of the scenario, judged; empty: it has none
};

/// The answer is yes: it fits, something was answered, and every target is met.
bool IsFeasible(const SimulationResult& result);
/// In any format; ends in a newline. Depends on nothing but `result` and the build: the same answer
/// is the same bytes.
std::string Render(const SimulationResult& result, OutputFormat format);

// One writer a file; Render picks.
std::string RenderText(const SimulationResult& result, bool is_wide);
std::string RenderJson(const SimulationResult& result);
std::string RenderMarkdown(const SimulationResult& result);
/// name, value, unit, low, high, evidence: for csv and jsonl. Numbers read back to the same double.
Table MetricsTable(const sim::Report& report);

/// `parts` in percent with one decimal, so rounded that they add to exactly 100.0 (largest
/// remainder). Empty or all-zero parts give zeros.
std::vector<double> PercentagesAddingTo100(const std::vector<double>& parts);

}  // namespace ridgeline::report
