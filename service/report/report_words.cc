#include "service/report/report_words.h"

#include <algorithm>

#include <fmt/format.h>

#include "base/units_text.h"
#include "service/report/metric_text.h"
#include "service/report/simulation_result.h"
#include "service/report/table.h"

namespace ridgeline::report {
namespace {

/// Parts of a headline, three blanks apart; metrics that a report lacks are left out.
class HeadlineText {
 public:
  explicit HeadlineText(const sim::Report& report) : report_(report) {}

  void Append(const std::string& part) { text_ += (text_.empty() ? "" : "   ") + part; }
  void Time(std::string_view name, std::string_view of) {
    if (const sim::Metric* metric = report_.Find(name)) {
      Append(fmt::format("{}{}", Format(Seconds::FromBase(metric->value), 4), of));
    }
  }
  void Value(std::string_view name, std::string_view of = {}) {
    if (const sim::Metric* metric = report_.Find(name)) {
      Append(MetricText(*metric, metric->value) + std::string(of));
    }
  }
  /// "TTFT 121 ms mean, 480 ms p99".
  void Latency(std::string_view title, std::string_view name) {
    const sim::Metric* const mean = report_.Find(fmt::format("{}.mean", name));
    const sim::Metric* const tail = report_.Find(fmt::format("{}.p99", name));
    if (mean != nullptr && tail != nullptr) {
      Append(fmt::format("{} {} mean, {} p99", title, MetricText(*mean, mean->value),
                         MetricText(*tail, tail->value)));
    }
  }
  /// "71.3 of 80 GB".
  void Memory() {
    const sim::Metric* const peak = report_.Find("memory.peak");
    if (peak == nullptr) {
      return;
    }
    const std::string text = ValueText(peak->value, peak->unit);
    const sim::Metric* const capacity = report_.Find("memory.capacity");
    if (capacity == nullptr) {
      Append(text);
      return;
    }
    const std::string whole = ValueText(capacity->value, capacity->unit);
    // The unit is said once when both have it.
    const size_t blank = text.find(' ');
    const bool is_same_unit = blank != std::string::npos && whole.ends_with(text.substr(blank));
    Append((is_same_unit ? text.substr(0, blank) : text) + " of " + whole);
  }
  std::string Take() { return std::move(text_); }

 private:
  const sim::Report& report_;
  std::string text_;
};

}  // namespace

std::string_view TimeHeading(sim::ReportKind kind) {
  switch (kind) {
    case sim::ReportKind::kTraining:
      return "where a step goes";
    case sim::ReportKind::kServing:
      return "where the mean latency of a request goes";
    case sim::ReportKind::kForward:
      return "where the pass goes";
    case sim::ReportKind::kTraffic:
      return "where the time goes";
  }
  return {};
}

std::string_view MemoryHeading(sim::ReportKind kind) {
  return kind == sim::ReportKind::kTraining ? "memory of the fullest GPU" : "memory of a GPU";
}

std::string_view HeadlineName(sim::ReportKind kind) {
  switch (kind) {
    case sim::ReportKind::kTraining:
      return "step time";
    case sim::ReportKind::kServing:
      return "mean latency";
    case sim::ReportKind::kForward:
      return "pass time";
    case sim::ReportKind::kTraffic:
      return "traffic time";
  }
  return {};
}

std::string Headline(const sim::Report& report) {
  HeadlineText text(report);
  switch (report.kind) {
    case sim::ReportKind::kTraining:
      text.Time("step_time", "/step");
      text.Value("tokens_per_second");
      text.Value("mfu", " MFU");
      text.Memory();
      break;
    case sim::ReportKind::kServing:
      text.Value("request_throughput");
      if (const sim::Metric* output = report.Find("output_throughput")) {
        // "1.18 k output tokens/s": which tokens stands before the unit.
        std::string value = ValueText(output->value, output->unit);
        const size_t unit = value.rfind(output->unit);
        if (unit != std::string::npos && !output->unit.empty()) {
          value.insert(unit, "output ");
        }
        text.Append(value);
      }
      text.Latency("TTFT", "ttft");
      text.Latency("TPOT", "tpot");
      if (const sim::Metric* batch = report.Find("batch.running.mean")) {
        text.Append(fmt::format("mean batch {}", MetricText(*batch, batch->value)));
      }
      break;
    case sim::ReportKind::kForward:
      text.Time("pass_time", "/pass");
      text.Value("tokens_per_second");
      text.Value("mfu", " MFU");
      text.Memory();
      break;
    case sim::ReportKind::kTraffic:
      text.Time("traffic_time", " in all");
      if (const sim::Metric* worst = report.Find("slowdown.max")) {
        text.Append(
            fmt::format("slowest item {} x its time alone", MetricText(*worst, worst->value)));
      }
      break;
  }
  return text.Take();
}

std::vector<std::string> TableMetrics(sim::ReportKind kind, const std::string& first,
                                      const std::vector<sim::Target>& targets) {
  std::vector<std::string> names = {first};
  for (const sim::Target& target : targets) {
    names.push_back(target.metric);
  }
  const auto append = [&names](std::initializer_list<std::string_view> more) {
    names.insert(names.end(), more.begin(), more.end());
  };
  switch (kind) {
    case sim::ReportKind::kTraining:
      append({"step_time", "tokens_per_second", "mfu", "memory.peak"});
      break;
    case sim::ReportKind::kServing:
      append({"e2el.mean", "ttft.mean", "ttft.p99", "tpot.mean", "tpot.p99", "output_throughput"});
      break;
    case sim::ReportKind::kForward:
      append({"pass_time", "tokens_per_second", "memory.peak"});
      break;
    case sim::ReportKind::kTraffic:
      append({"traffic_time", "slowdown.max"});
      break;
  }
  std::vector<std::string> once;
  for (std::string& name : names) {
    if (std::find(once.begin(), once.end(), name) == once.end()) {
      once.push_back(std::move(name));
    }
  }
  return once;
}

std::string MetricCell(const sim::Report& report, const std::string& name) {
  const sim::Metric* const metric = report.Find(name);
  return metric == nullptr ? "-" : MetricText(*metric, metric->value);
}

std::string ExactCell(const sim::Report& report, const std::string& name) {
  const sim::Metric* const metric = report.Find(name);
  return metric == nullptr ? "" : ExactNumber(metric->value);
}

/// ":\n        94 % of its operations' time from measured kernels (profile h100-sxm, sha256 ...), 6
/// % analytic"; nothing where nothing was measured.
std::string MeasuredShare(const sim::Report& report) {
  if (!report.calibration) {
    return {};
  }
  const sim::UsedCalibration& used = *report.calibration;
  const std::vector<double> percent =
      PercentagesAddingTo100({report.evidence.begin(), report.evidence.end()});
  const auto at = [&](Evidence evidence) { return percent[static_cast<size_t>(evidence)]; };
  std::string text = fmt::format(
      ";\n        {:.1f} % of operation time {} (profile {}, sha256 {:.12})",
      used.is_transferred ? at(Evidence::kExtrapolated)
                          : at(Evidence::kMeasured) + at(Evidence::kInterpolated),
      used.is_transferred ? fmt::format("carried over from kernels measured on {}", used.gpu)
                          : std::string("from measured kernels"),
      used.name, used.sha256);
  if (!used.is_transferred && at(Evidence::kExtrapolated) > 0) {
    text += fmt::format(", {:.1f} % extrapolated", at(Evidence::kExtrapolated));
  }
  if (at(Evidence::kAnalytic) > 0) {
    text += fmt::format(", {:.1f} % analytic", at(Evidence::kAnalytic));
  }
  if (!report.unmeasured.empty()) {
    const sim::UnmeasuredOperation& first = report.unmeasured.front();
    text += fmt::format(
        "\n        most {}: {} and its like, {:.1f} %",
        first.evidence == Evidence::kAnalytic ? "of what is analytic" : "of what is extrapolated",
        first.what, 100 * first.share);
  }
  return text;
}

/// A twentieth of worse evidence names the whole (sim/reliance.h): then the word alone misleads.
bool IsMostlyMeasured(const sim::Report& report) {
  return report.calibration &&
         report.evidence[static_cast<size_t>(Evidence::kMeasured)] +
                 report.evidence[static_cast<size_t>(Evidence::kInterpolated)] >
             0.5;
}

std::string Trust(const sim::Report& report) {
  const sim::Metric* const headline = report.Find(sim::HeadlineMetric(report.kind));
  if (headline == nullptr) {
    return {};
  }
  std::string text = fmt::format(
      "\ntrust   {} is {}{}", HeadlineName(report.kind),
      IsMostlyMeasured(report) && headline->evidence >= Evidence::kExtrapolated ? "partly " : "",
      EvidenceName(headline->evidence));
  if (headline->value > 0 && headline->high > headline->low) {
    text += fmt::format(", {:+.0f} to {:+.0f} %", 100 * (headline->low / headline->value - 1),
                        100 * (headline->high / headline->value - 1));
    if (report.calibration) {
      // Ranges of measured costs are those of kernels and links, and of nothing else.
      // A report that names the host's time holds its range too.
      text += report.Find("time.host") != nullptr
                  ? " by kernels, links and host, composition not in it"
                  : " by kernels and links, host time and composition not in it";
    }
  }
  text += MeasuredShare(report);
  const auto is_default = [](const sim::Assumption& assumption) {
    return assumption.source == "default";
  };
  const auto defaults =
      std::count_if(report.assumptions.begin(), report.assumptions.end(), is_default);
  const auto cited = static_cast<std::ptrdiff_t>(report.assumptions.size()) - defaults;
  if (cited + defaults > 0) {
    text += fmt::format(
        ";\n        leans on {} cited figures and {} defaults: -o wide lists each with its source",
        cited, defaults);
  }
  return text + "\n";
}

std::string Breakdown(std::string_view heading, const std::vector<sim::Share>& shares,
                      std::string_view unit) {
  if (shares.empty()) {
    return {};
  }
  std::vector<double> values;
  size_t title_width = 0;
  double largest = 0;
  for (const sim::Share& share : shares) {
    values.push_back(share.value);
    title_width = std::max(title_width, DisplayWidth(share.title));
    largest = std::max(largest, share.value);
  }
  const std::vector<double> percentages = PercentagesAddingTo100(values);
  constexpr int kBarWidth = 28;
  std::string text = fmt::format("\n{}\n", heading);
  for (size_t i = 0; i < shares.size(); ++i) {
    if (shares[i].value == 0) {
      continue;  // json lists it; a reader need not
    }
    const double of_largest = largest > 0 ? shares[i].value / largest : 0;
    text += fmt::format("  {}  {}  {}  {:5.1f} %\n", Pad(shares[i].title, title_width),
                        Pad(Bar(of_largest, kBarWidth), kBarWidth),
                        Pad(ValueText(shares[i].value, unit), 9, Align::kRight), percentages[i]);
  }
  return text;
}

}  // namespace ridgeline::report
