/// A plan for people: the answer with its proof, the best configurations, what was searched, and
/// why there is nothing better.
#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "base/grouped_number.h"
#include "service/report/metric_text.h"
#include "service/report/plan_result.h"
#include "service/report/report_words.h"

namespace ridgeline::report {
namespace {

sim::ReportKind KindOf(const planner::Plan& plan) {
  return plan.candidates.empty() ? sim::ReportKind::kTraining : plan.candidates.front().report.kind;
}

/// "ttft.p99<=2 s and tpot.p99<=50 ms".
std::string TargetsText(const std::vector<sim::Target>& targets) {
  std::string text;
  for (size_t i = 0; i < targets.size(); ++i) {
    text += i == 0 ? "" : i + 1 == targets.size() ? " and " : ", ";
    text += targets[i].written;
  }
  return text;
}

/// The last word of a path, or all of it where two searched paths end alike.
std::string ShortName(const std::string& path, const std::map<std::string, std::string>& settings) {
  const auto last = [](const std::string& whole) { return whole.substr(whole.rfind('.') + 1); };
  const auto same = std::count_if(settings.begin(), settings.end(), [&](const auto& setting) {
    return last(setting.first) == last(path);
  });
  return same > 1 ? path : last(path);
}

/// What is known of how good the best is.
std::string ProofText(const planner::Plan& plan) {
  if (plan.is_partial && !(plan.floor > 0)) {
    return "stopped before the end; better ones may be left";
  }
  if (plan.gap == 0) {
    return plan.is_partial ? "stopped before the end, yet proven: nothing left is better"
                           : "proven: nothing in the space is better";
  }
  return fmt::format("within {:.2g} % of the floor{}", 100 * std::abs(plan.gap),
                     plan.is_partial ? ", stopped before the end" : "");
}

std::string Answer(const planner::Plan& plan) {
  if (!plan.is_feasible) {
    const std::string what =
        plan.counts.considered > 0 && plan.counts.illegal == plan.counts.considered ? "is legal"
        : plan.targets.empty() ? "fits in memory"
                               : "meets " + TargetsText(plan.targets);
    return fmt::format("{}: no configuration {}{}", plan.title,
                       plan.is_partial ? "found so far " : "", what);
  }
  const sim::Report& best = plan.candidates.front().report;
  const std::string value = MetricCell(best, plan.objective);
  std::string text;
  if (plan.objective == "gpus") {
    text = fmt::format("{}: {} {}", plan.title, value, value == "1" ? "GPU" : "GPUs");
    text += plan.targets.empty()
                ? (value == "1" ? " is enough" : " are enough")
                : (value == "1" ? " meets " : " meet ") + TargetsText(plan.targets);
  } else {
    text = fmt::format("{}: {} {} is the {}", plan.title, plan.objective, value,
                       plan.is_minimized ? "least" : "most");
    if (!plan.targets.empty()) {
      text += " that meets " + TargetsText(plan.targets);
    }
  }
  return text + fmt::format(" ({})", ProofText(plan));
}

Table Candidates(const planner::Plan& plan, bool is_exact) {
  Table table{.columns = {{"#", Align::kRight}}, .rows = {}};
  if (plan.candidates.empty()) {
    return table;
  }
  const auto& searched = plan.candidates.front().settings;
  for (const auto& [path, value] : searched) {
    table.columns.push_back({is_exact ? path : ShortName(path, searched), Align::kRight});
  }
  const std::vector<std::string> names = TableMetrics(KindOf(plan), plan.objective, plan.targets);
  for (const std::string& name : names) {
    table.columns.push_back({name, Align::kRight});
    if (name == plan.objective && name != "gpus") {
      table.columns.push_back({is_exact ? name + ".low" : "low", Align::kRight, !is_exact});
      table.columns.push_back({is_exact ? name + ".high" : "high", Align::kRight, !is_exact});
    }
  }
  for (size_t i = 0; i < plan.candidates.size(); ++i) {
    const planner::Candidate& candidate = plan.candidates[i];
    std::vector<std::string> row = {std::to_string(i + 1)};
    for (const auto& [path, value] : searched) {
      const auto own = candidate.settings.find(path);
      row.push_back(own == candidate.settings.end() ? "" : own->second);
    }
    for (const std::string& name : names) {
      row.push_back(is_exact ? ExactCell(candidate.report, name)
                             : MetricCell(candidate.report, name));
      if (name == plan.objective && name != "gpus") {
        const sim::Metric* const metric = candidate.report.Find(name);
        for (const bool is_high : {false, true}) {
          const double end = metric == nullptr ? 0 : is_high ? metric->high : metric->low;
          row.push_back(metric == nullptr ? ""
                        : is_exact        ? ExactNumber(end)
                                          : MetricText(*metric, end));
        }
      }
    }
    table.rows.push_back(std::move(row));
  }
  return table;
}

std::string SearchText(const planner::Plan& plan) {
  const planner::SearchCounts& counts = plan.counts;
  std::string text = fmt::format(
      "\nsearched {}   illegal {}, out of memory {}, bounded out {}, evaluated {}\n",
      Grouped(counts.considered), Grouped(counts.illegal), Grouped(counts.out_of_memory),
      Grouped(counts.bounded), Grouped(counts.evaluated));
  const int64_t left =
      counts.considered - counts.illegal - counts.out_of_memory - counts.bounded - counts.evaluated;
  if (left > 0) {
    text += fmt::format("stopped with {} left\n", Grouped(left));
  }
  for (size_t i = 0; i < plan.searched.size(); ++i) {
    text += fmt::format("{}{}\n", i == 0 ? "over      " : "          ", plan.searched[i]);
  }
  for (size_t i = 0; i < plan.why_not.size(); ++i) {
    text += fmt::format("{}{}\n", i == 0 ? "why not   " : "          ", plan.why_not[i]);
  }
  return text;
}

std::string RenderMarkdown(const PlanResult& result) {
  const planner::Plan& plan = result.plan;
  std::string text = fmt::format("## {}\n\n", Answer(plan));
  if (!plan.candidates.empty()) {
    text += RenderTable(Candidates(plan, false), OutputFormat::kMarkdown) + "\n";
  }
  const planner::SearchCounts& counts = plan.counts;
  text += RenderTable(
      {.columns = {{"considered", Align::kRight},
                   {"illegal", Align::kRight},
                   {"out of memory", Align::kRight},
                   {"bounded out", Align::kRight},
                   {"evaluated", Align::kRight}},
       .rows = {{Grouped(counts.considered), Grouped(counts.illegal), Grouped(counts.out_of_memory),
                 Grouped(counts.bounded), Grouped(counts.evaluated)}}},
      OutputFormat::kMarkdown);
  for (const std::string& reason : plan.why_not) {
    text += fmt::format("\n- {}", reason);
  }
  return text + (plan.why_not.empty() ? "" : "\n");
}

}  // namespace

std::string Render(const PlanResult& result, OutputFormat format) {
  switch (format) {
    case OutputFormat::kTable:
      return RenderText(result, false);
    case OutputFormat::kWide:
      return RenderText(result, true);
    case OutputFormat::kJson:
      return RenderJson(result);
    case OutputFormat::kMarkdown:
      return RenderMarkdown(result);
    case OutputFormat::kCsv:
    case OutputFormat::kJsonl:
      return RenderTable(CandidatesTable(result.plan), format);
  }
  return {};
}

std::string RenderText(const PlanResult& result, bool is_wide) {
  const planner::Plan& plan = result.plan;
  std::string text = Answer(plan) + "\n";
  if (!plan.candidates.empty()) {
    text += "\n" + RenderTable(Candidates(plan, false),
                               is_wide ? OutputFormat::kWide : OutputFormat::kTable);
    const sim::Report& best = plan.candidates.front().report;
    text += fmt::format("\nbest      {}\n          {}\n", best.title, Headline(best));
  }
  text += SearchText(plan);
  if (!plan.candidates.empty()) {
    const sim::Report& best = plan.candidates.front().report;
    if (is_wide) {
      text += Breakdown(fmt::format("{}, of the best", TimeHeading(best.kind)), best.time, "s");
      text += Breakdown(fmt::format("{}, of the best", MemoryHeading(best.kind)), best.memory, "B");
    }
    text += Trust(best);
  }
  return text;
}

Table CandidatesTable(const planner::Plan& plan) { return Candidates(plan, true); }

std::string CandidateText(const planner::Candidate& candidate) {
  std::string text;
  for (const auto& [path, value] : candidate.settings) {
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", ShortName(path, candidate.settings),
                        value);
  }
  return fmt::format("{}: {}", text, Headline(candidate.report));
}

}  // namespace ridgeline::report
