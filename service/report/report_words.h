/// What differs between reports of training, serving and forward passes when they are shown: which
/// metric leads, which stand in a table, and what the parts are called.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "sim/report.h"
#include "sim/target.h"

namespace ridgeline::report {

/// "where a step goes".
std::string_view TimeHeading(sim::ReportKind kind);
/// "memory of the fullest GPU".
std::string_view MemoryHeading(sim::ReportKind kind);
/// The metric that the breakdown of time adds up to, and its name in a sentence ("step time").
std::string_view HeadlineMetric(sim::ReportKind kind);
std::string_view HeadlineName(sim::ReportKind kind);

/// "17.81 s/step   471 k tokens/s   42.1 % MFU   71.3 of 80 GB".
std::string Headline(const sim::Report& report);

/// The metrics that stand in a table of several answers, `first` and those of `targets` included,
/// each once, in the order of reading.
std::vector<std::string> TableMetrics(sim::ReportKind kind, const std::string& first,
                                      const std::vector<sim::Target>& targets);
/// A metric's value in a table; "-" when the report lacks it.
std::string MetricCell(const sim::Report& report, const std::string& name);
/// The same, to the last digit, in base units: for machines. Empty when the report lacks it.
std::string ExactCell(const sim::Report& report, const std::string& name);

/// One line: how the headline is known and what it leans on. Empty without a headline.
std::string Trust(const sim::Report& report);
/// A breakdown with bars under `heading`; empty without shares.
std::string Breakdown(std::string_view heading, const std::vector<sim::Share>& shares,
                      std::string_view unit);

}  // namespace ridgeline::report
