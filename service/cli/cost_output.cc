#include "service/cli/cost_output.h"

#include <iterator>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/units_text.h"

namespace ridgeline::cli {
namespace {

using report::OutputFormat;

bool Waits(OutputFormat format) {
  return format == OutputFormat::kTable || format == OutputFormat::kWide ||
         format == OutputFormat::kMarkdown;
}

std::string Quoted(const std::string& text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace

CostOutput::CostOutput(OutputFormat format, std::string& out) : format_(format), out_(out) {
  table_.columns = {{"op"},
                    {"time", report::Align::kRight},
                    {"low", report::Align::kRight},
                    {"high", report::Align::kRight},
                    {"evidence"},
                    {"algorithm", report::Align::kLeft, true},
                    {"condition", report::Align::kLeft, true}};
  if (format_ == OutputFormat::kCsv) {
    out_ += "op,time_s,low_s,high_s,evidence,condition,algorithm,protocol,channels,error\n";
  }
}

void CostOutput::Separate() {
  if (format_ == OutputFormat::kJson) {
    out_ += has_rows_ ? ",\n  " : "[\n  ";
  }
  has_rows_ = true;
}

void CostOutput::Answer(std::string_view op, const ridgeline::Cost& cost,
                        std::string_view condition, const compute::PricedCollective* collective) {
  std::string_view algorithm;
  std::string_view protocol;
  std::string channels;
  if (collective != nullptr) {
    algorithm = AlgorithmName(collective->plan.algorithm);
    protocol = ProtocolName(collective->plan.protocol);
    channels = std::to_string(collective->plan.channels);
  }
  if (Waits(format_)) {
    table_.rows.push_back({std::string(op), Format(cost.mean), Format(cost.low), Format(cost.high),
                           std::string(EvidenceName(cost.evidence)),
                           collective == nullptr
                               ? ""
                               : fmt::format("{} {}, {} channels", algorithm, protocol, channels),
                           std::string(condition)});
    return;
  }
  Separate();
  const auto to = std::back_inserter(out_);
  // {} writes the shortest text that reads back as the same double.
  if (format_ == OutputFormat::kCsv) {
    fmt::format_to(to, "{},{},{},{},{},\"{}\",{},{},{},\n", op, cost.mean.base(), cost.low.base(),
                   cost.high.base(), EvidenceName(cost.evidence), condition, algorithm, protocol,
                   channels);
    return;
  }
  fmt::format_to(to, R"({{"op":"{}","time_s":{},"low_s":{},"high_s":{},"evidence":"{}")", op,
                 cost.mean.base(), cost.low.base(), cost.high.base(), EvidenceName(cost.evidence));
  if (!condition.empty()) {
    fmt::format_to(to, R"(,"condition":"{}")", condition);
  }
  if (collective != nullptr) {
    fmt::format_to(to, R"(,"algorithm":"{}","protocol":"{}","channels":{})", algorithm, protocol,
                   channels);
  }
  out_ += format_ == OutputFormat::kJson ? "}" : "}\n";
}

void CostOutput::Refuse(const Error& error, int line) {
  if (Waits(format_)) {
    table_.rows.push_back(
        {fmt::format("line {}", line), "-", "-", "-", "error", "", error.message});
    return;
  }
  Separate();
  if (format_ == OutputFormat::kCsv) {
    std::string cell;
    for (const char c : error.message) {
      cell += c == '"' ? "\"\"" : std::string(1, c);
    }
    out_ += fmt::format(",,,,,,,,,\"line {}: {}\"\n", line, cell);
    return;
  }
  out_ += fmt::format(R"({{"error":{},"line":{}}})", Quoted(error.message), line);
  out_ += format_ == OutputFormat::kJson ? "" : "\n";
}

void CostOutput::Finish() {
  if (Waits(format_)) {
    out_ += report::RenderTable(table_, format_);
  } else if (format_ == OutputFormat::kJson) {
    out_ += has_rows_ ? "\n]\n" : "[]\n";
  }
}

}  // namespace ridgeline::cli
