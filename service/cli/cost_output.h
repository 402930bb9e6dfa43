/// Answers of `cost` in the format that was asked for. jsonl, json and csv are written as they
/// come; table, wide and md need every row first, to know how wide columns are.
#pragma once

#include <string>
#include <string_view>

#include "base/evidence.h"
#include "base/result.h"
#include "service/report/table.h"
#include "sim/compute/line_cost.h"

namespace ridgeline::cli {

class CostOutput {
 public:
  CostOutput(report::OutputFormat format, std::string& out);

  /// `condition`: under which the time holds; empty for collectives. `collective`: null for other
  /// operations.
  void Answer(std::string_view op, const ridgeline::Cost& cost, std::string_view condition,
              const compute::PricedCollective* collective = nullptr);
  /// In the place of an answer.
  void Refuse(const Error& error, int line);
  /// Once, at the end.
  void Finish();

 private:
  void Separate();

  report::OutputFormat format_;
  std::string& out_;
  report::Table table_;  // of the formats that wait
  bool has_rows_ = false;
};

}  // namespace ridgeline::cli
