/// What the user typed, as plain values: nothing beyond command_line.cc sees argv or CLI11.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/units.h"
#include "service/report/table.h"

namespace ridgeline::cli {

enum class ProgressMode { kAuto, kPlain, kJson, kNone };
enum class ColorMode { kAuto, kAlways, kNever };

/// What `describe -o` draws beside the formats of tables.
enum class Picture { kNone, kDot, kSvg };

struct CommandLine {
  std::string command;  // a name of command_table.h
  std::vector<std::string> arguments;
  std::vector<std::string> overrides;  // "path=value", as written
  report::OutputFormat output = report::OutputFormat::kTable;
  Picture picture = Picture::kNone;  // of `describe`; then `output` does not count
  std::optional<int> nodes;          // of `describe fabric`
  std::string trace_file;            // empty: none
  std::string requests_file;         // per-request CSV; empty: none
  bool is_stepwise = false;          // --no-fast-forward
  std::string group;                 // of `validate`; empty: all
  std::string half = "all";          // likewise, as written
  std::vector<std::string> vary;     // "path=list", as written
  bool is_one_at_a_time = false;
  std::vector<std::string> targets;  // as written
  std::optional<std::string> minimize;
  std::string gpu;                       // of `cost`; empty: none
  std::string cluster;                   // likewise
  std::string from_gpu;                  // of `replay`; empty: as recorded
  std::string sizes;                     // "8-8G*2", as written; likewise
  bool is_nccl_tests = false;            // -o nccl-tests; likewise
  std::string calibration = "auto";      // a profile's name, a path, "auto" or "none"
  bool is_strict_calibration = false;    // refuse what was not measured
  std::string write_file;                // of `calibrate`; empty: none
  std::string profile_file;              // likewise
  bool takes_busy = false;               // likewise
  std::vector<std::string> trace_facts;  // "key=value", as written; likewise
  std::string families;                  // of `calibrate measure`; empty: all
  std::optional<Seconds> budget;         // likewise
  std::string server;                    // run there; empty: here
  std::string listen = "127.0.0.1:50051";
  std::optional<int> max_runs;
  std::optional<int> max_queue;
  std::optional<Seconds> drain_timeout;
  std::vector<std::filesystem::path> allowed_paths;
  std::optional<uint64_t> seed;
  std::optional<int> jobs;  // unset: the command's default
  std::optional<Seconds> timeout;
  std::vector<std::filesystem::path> configs;
  ProgressMode progress = ProgressMode::kAuto;
  ColorMode color = ColorMode::kAuto;
  bool is_quiet = false;
  int verbosity = 0;
  bool is_dry_run = false;
  bool wants_help = false;
};

/// `arguments` without the program's name. Mistyped commands and flags are answered with the
/// nearest one; what is planned but not built is UNIMPLEMENTED with its name. No arguments at all:
/// the command is `help`.
Result<CommandLine> ParseCommandLine(const std::vector<std::string>& arguments);

}  // namespace ridgeline::cli
