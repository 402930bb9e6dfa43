/// Writes a timeline in the Chrome trace format (JSON), which Perfetto (ui.perfetto.dev) and
/// chrome://tracing open: a process a rank, a track a stream, slices, counters and arrows.
///
/// Format: "Trace Event Format" of the Catapult project: M metadata, X complete slices, C counters,
/// i instants, s and f flow arrows. Times are microseconds with six decimals, so a picosecond is
/// kept in the file; Perfetto itself shows whole nanoseconds.
///
/// Streaming: memory is constant in the length of the trace. The same calls write the same bytes.
/// Any name is legal: it is escaped, and bytes that are not UTF-8 become U+FFFD.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include <fmt/format.h>

#include "sim/engine/program.h"
#include "sim/engine/sim_time.h"

namespace ridgeline::trace {

/// A figure or word shown beside a slice when it is selected.
struct Argument {
  std::string_view name;
  std::variant<int64_t, double, std::string_view> value;
};

/// One end of an arrow: an instant at which a slice of the track is open.
struct ArrowEnd {
  int64_t pid = 0;
  int64_t tid = 0;
  engine::Picoseconds at = 0;
};

class ChromeTrace {
 public:
  explicit ChromeTrace(std::ostream& out);
  /// Finishes if Finish was not called.
  ~ChromeTrace();
  ChromeTrace(const ChromeTrace&) = delete;
  ChromeTrace& operator=(const ChromeTrace&) = delete;

  /// Names a process or one of its tracks; lower `sort` stands higher. Numbers from 1: Perfetto
  /// keeps 0 for the idle process.
  void Process(int64_t pid, std::string_view name, int64_t sort);
  void Thread(int64_t pid, int64_t tid, std::string_view name, int64_t sort);

  /// Slices of one track must not overlap.
  void Slice(int64_t pid, int64_t tid, std::string_view name, std::string_view category,
             engine::Picoseconds begin, engine::Picoseconds duration,
             std::span<const Argument> arguments = {});
  /// `value` from `at` until the next one of this name. Not finite: written as 0.
  void Counter(int64_t pid, std::string_view name, engine::Picoseconds at, double value);
  /// An instant of a process, marked across its tracks.
  void Mark(int64_t pid, std::string_view name, engine::Picoseconds at,
            std::span<const Argument> arguments = {});
  /// `id` joins the two ends and is used once a trace.
  void Arrow(uint64_t id, std::string_view name, ArrowEnd from, ArrowEnd to);

  /// Ends the document and hands everything to the stream. Nothing may be written after. False when
  /// the stream failed (disk full).
  bool Finish();

 private:
  /// Opens an event of a phase: what is common to all.
  void Open(char phase, std::string_view name, int64_t pid, int64_t tid);
  void Metadata(std::string_view kind, int64_t pid, int64_t tid, std::string_view argument);
  void Time(std::string_view key, engine::Picoseconds value);
  void Arguments(std::span<const Argument> arguments);
  void Close();

  std::ostream& out_;
  fmt::memory_buffer buffer_;
  bool is_first_ = true;
  bool is_finished_ = false;
};

struct TimelineOptions {
  /// An arrow for each dependency between tasks of different ranks. Off when they would hide the
  /// rest: a large job has millions.
  bool with_arrows = false;
};

/// The process number that WriteTimeline gives a rank, for counters beside its slices.
inline int64_t ProcessOf(uint32_t rank) { return int64_t{rank} + 1; }

/// Writes all tracks and slices of an executed program. A slice's category is the cause of its
/// label. Ranks and causes beyond the names given are called "rank N" and "cause N". Tasks of no
/// duration are left out.
void WriteTimeline(const engine::Program& program, const engine::Timeline& timeline,
                   std::span<const std::string> cause_names,
                   std::span<const std::string> rank_names, ChromeTrace& trace,
                   TimelineOptions options = {});

}  // namespace ridgeline::trace
