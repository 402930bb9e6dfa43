#include "sim/trace/chrome_trace.h"

#include <cmath>
#include <iterator>
#include <ostream>
#include <set>

#include <nlohmann/json.hpp>

#include "base/check.h"

namespace ridgeline::trace {
namespace {

constexpr size_t kFlushAt = 64 * 1024;
constexpr engine::Picoseconds kPicosecondsPerMicrosecond = 1'000'000;

// A JSON string, quotes included; what is not UTF-8 is replaced.
std::string Quoted(std::string_view text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

// Shortest form that reads back to the same double; JSON has no infinities.
std::string NumberText(double value) { return fmt::format("{}", std::isfinite(value) ? value : 0); }

std::string ValueText(const Argument& argument) {
  if (const auto* integer = std::get_if<int64_t>(&argument.value)) {
    return fmt::format("{}", *integer);
  }
  if (const auto* number = std::get_if<double>(&argument.value)) {
    return std::isfinite(*number) ? NumberText(*number) : Quoted(fmt::format("{}", *number));
  }
  return Quoted(std::get<std::string_view>(argument.value));
}

}  // namespace

ChromeTrace::ChromeTrace(std::ostream& out) : out_(out) {
  fmt::format_to(std::back_inserter(buffer_), "{{\"displayTimeUnit\":\"ns\",\"traceEvents\":[");
}

ChromeTrace::~ChromeTrace() { Finish(); }

void ChromeTrace::Open(char phase, std::string_view name, int64_t pid, int64_t tid) {
  CHECK(!is_finished_, "an event after the end of the trace");
  fmt::format_to(std::back_inserter(buffer_),
                 "{}\n{{\"ph\":\"{}\",\"name\":{},\"pid\":{},\"tid\":{}", is_first_ ? "" : ",",
                 phase, Quoted(name), pid, tid);
  is_first_ = false;
}

void ChromeTrace::Time(std::string_view key, engine::Picoseconds value) {
  CHECK(value >= 0, "{} of {} ps", key, value);
  fmt::format_to(std::back_inserter(buffer_), ",\"{}\":{}.{:06}", key,
                 value / kPicosecondsPerMicrosecond, value % kPicosecondsPerMicrosecond);
}

void ChromeTrace::Close() {
  buffer_.push_back('}');
  if (buffer_.size() >= kFlushAt) {
    out_.write(buffer_.data(), static_cast<std::streamsize>(buffer_.size()));
    buffer_.clear();
  }
}

void ChromeTrace::Metadata(std::string_view kind, int64_t pid, int64_t tid,
                           std::string_view argument) {
  Open('M', kind, pid, tid);
  fmt::format_to(std::back_inserter(buffer_), ",\"args\":{{{}}}", argument);
  Close();
}

void ChromeTrace::Process(int64_t pid, std::string_view name, int64_t sort) {
  Metadata("process_name", pid, 0, fmt::format("\"name\":{}", Quoted(name)));
  Metadata("process_sort_index", pid, 0, fmt::format("\"sort_index\":{}", sort));
}

void ChromeTrace::Thread(int64_t pid, int64_t tid, std::string_view name, int64_t sort) {
  Metadata("thread_name", pid, tid, fmt::format("\"name\":{}", Quoted(name)));
  Metadata("thread_sort_index", pid, tid, fmt::format("\"sort_index\":{}", sort));
}

void ChromeTrace::Slice(int64_t pid, int64_t tid, std::string_view name, std::string_view category,
                        engine::Picoseconds begin, engine::Picoseconds duration,
                        std::span<const Argument> arguments) {
  Open('X', name, pid, tid);
  if (!category.empty()) {
    fmt::format_to(std::back_inserter(buffer_), ",\"cat\":{}", Quoted(category));
  }
  Time("ts", begin);
  Time("dur", duration);
  Arguments(arguments);
  Close();
}

void ChromeTrace::Arguments(std::span<const Argument> arguments) {
  std::string_view separator = ",\"args\":{";
  for (const Argument& argument : arguments) {
    fmt::format_to(std::back_inserter(buffer_), "{}{}:{}", separator, Quoted(argument.name),
                   ValueText(argument));
    separator = ",";
  }
  if (!arguments.empty()) {
    buffer_.push_back('}');
  }
}

void ChromeTrace::Mark(int64_t pid, std::string_view name, engine::Picoseconds at,
                       std::span<const Argument> arguments) {
  Open('i', name, pid, 0);
  Time("ts", at);
  fmt::format_to(std::back_inserter(buffer_), ",\"s\":\"p\"");
  Arguments(arguments);
  Close();
}

void ChromeTrace::Counter(int64_t pid, std::string_view name, engine::Picoseconds at,
                          double value) {
  Open('C', name, pid, 0);
  Time("ts", at);
  fmt::format_to(std::back_inserter(buffer_), ",\"args\":{{\"value\":{}}}", NumberText(value));
  Close();
}

void ChromeTrace::Arrow(uint64_t id, std::string_view name, ArrowEnd from, ArrowEnd to) {
  Open('s', name, from.pid, from.tid);
  Time("ts", from.at);
  fmt::format_to(std::back_inserter(buffer_), ",\"cat\":\"dependency\",\"id\":{}", id);
  Close();
  // "bp":"e" binds the head to the slice around it, not to the next one that begins.
  Open('f', name, to.pid, to.tid);
  Time("ts", to.at);
  fmt::format_to(std::back_inserter(buffer_), ",\"cat\":\"dependency\",\"id\":{},\"bp\":\"e\"", id);
  Close();
}

bool ChromeTrace::Finish() {
  if (!is_finished_) {
    is_finished_ = true;
    fmt::format_to(std::back_inserter(buffer_), "\n]}}\n");
    out_.write(buffer_.data(), static_cast<std::streamsize>(buffer_.size()));
    buffer_.clear();
    out_.flush();
  }
  return !out_.fail();
}

namespace {

int64_t TrackOf(engine::StreamIndex stream) { return int64_t{stream} + 1; }

void WriteTracks(const engine::Program& program, std::span<const std::string> rank_names,
                 ChromeTrace& trace) {
  std::set<uint32_t> seen;
  for (engine::StreamIndex s = 0; s < program.num_streams(); ++s) {
    const engine::Stream& stream = program.streams()[s];
    if (seen.insert(stream.rank).second) {
      trace.Process(ProcessOf(stream.rank),
                    stream.rank < rank_names.size() ? rank_names[stream.rank]
                                                    : fmt::format("rank {}", stream.rank),
                    stream.rank);
    }
    trace.Thread(ProcessOf(stream.rank), TrackOf(s), stream.name, TrackOf(s));
  }
}

}  // namespace

void WriteTimeline(const engine::Program& program, const engine::Timeline& timeline,
                   std::span<const std::string> cause_names,
                   std::span<const std::string> rank_names, ChromeTrace& trace,
                   TimelineOptions options) {
  CHECK(timeline.begin.size() == program.num_tasks() && timeline.end.size() == program.num_tasks(),
        "a timeline of {} tasks for a program of {}", timeline.end.size(), program.num_tasks());
  WriteTracks(program, rank_names, trace);
  const auto span_of = [&](engine::TaskIndex task) {
    return timeline.end[task] - timeline.begin[task];
  };
  const auto end_at = [&](engine::TaskIndex task) {
    const engine::StreamIndex stream = program.task_streams()[task];
    // Where the task begins: there its slice is open for certain.
    return ArrowEnd{.pid = ProcessOf(program.streams()[stream].rank),
                    .tid = TrackOf(stream),
                    .at = timeline.begin[task]};
  };
  uint64_t num_arrows = 0;
  for (engine::TaskIndex task = 0; task < program.num_tasks(); ++task) {
    if (span_of(task) == 0) {
      continue;
    }
    const engine::Label& label = program.labels()[program.task_labels()[task]];
    const std::string numbered =
        label.cause < cause_names.size() ? "" : fmt::format("cause {}", label.cause);
    const ArrowEnd here = end_at(task);
    trace.Slice(here.pid, here.tid, label.name,
                numbered.empty() ? cause_names[label.cause] : numbered, timeline.begin[task],
                span_of(task));
    if (!options.with_arrows) {
      continue;
    }
    for (const engine::TaskIndex dependency : program.dependencies(task)) {
      const ArrowEnd there = end_at(dependency);
      if (there.pid != here.pid && span_of(dependency) > 0) {
        trace.Arrow(++num_arrows, "waits for", there, here);
      }
    }
  }
}

}  // namespace ridgeline::trace
