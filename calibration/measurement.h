/// One measured point: what ran, where, how it was timed, how long it took and how noisy that was.
/// A file of measurements is JSON lines (gzipped or not), one point a line, written by
/// calibration/measure or by `calibrate import`:
///
///     {"op":{"op":"gemm","dtype":"bf16","m":512,"n":4096,"k":5120},"gpu":"h100-sxm",
///      "condition":{"clock":"burst","launch":"graph","cache":"cold","layout":"TN"},
///      "time_s":1.23e-4,"spread":0.004,"samples":31,"sm_clock_hz":1.98e9,"power_w":610,
///      "throttled":false,"library":"cublasLt 13.1.0","device":"NVIDIA H100 80GB HBM3",
///      "driver":"580.159","source":"own"}
///
/// `op` is a line of `ridgeline cost`. A point that could not be measured has "skipped": "reason"
/// instead of time_s.
///
/// The id is the first 16 hexadecimal digits of the sha256 of the canonical texts of op and
/// condition; points whose last digit is odd are held out: fitting refuses them. It depends on
/// neither GPU nor source, so a shape is held out everywhere or nowhere.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "calibration/measured_operation.h"

namespace ridgeline::calibration {

struct Measurement {
  TimedOperation operation;
  Condition condition;
  std::string gpu = {};  // catalog name, "h100-sxm"
  Seconds time = {};
  double spread = 0;  // robust relative deviation of the samples; 0: not recorded
  int64_t samples = 0;
  std::optional<Hertz> sm_clock = {};
  std::optional<Watts> power = {};
  bool throttled = false;
  bool busy = false;      // somebody else used the GPU meanwhile
  std::string with = {};  // which variant or library was asked for; may be empty
  std::string library = {};
  std::string device = {};
  std::string driver = {};
  std::string source = {};   // "own", or the public origin of an imported point
  std::string skipped = {};  // why there is no time; empty when measured
};

/// "9f86d081884c7d65".
std::string IdOf(const Measurement& point);
bool IsHeldOut(const Measurement& point);

/// One line of a file; unknown keys are allowed (a newer program may record more).
Result<Measurement> ParseMeasurement(std::string_view line);
std::string MeasurementLine(const Measurement& point);

/// Every point of a text, skipped ones too. A mistake says where it is: `name`, line and column. A
/// last line without its end that does not parse (a run that was cut off) is left out, unless it is
/// all there is. Lines are at most 16 KiB.
Result<std::vector<Measurement>> ParseMeasurements(const std::string& name, std::string_view text);
/// The same of a file.
Result<std::vector<Measurement>> ReadMeasurements(const std::filesystem::path& path);

}  // namespace ridgeline::calibration
