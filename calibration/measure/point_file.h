/// The files that a measurement reads and writes: JSON lines, one point a line.
///
/// In:  {"op":{...a line of `ridgeline cost`...},"condition":{...},"with":"..."}
/// Out: the same with what was measured or "skipped"; flushed after each line, so that a run that
/// is
///      cut off loses nothing. `with` chooses among libraries or variants and may be absent.
#pragma once

#include <cstdint>
#include <cstdio>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"

namespace ridgeline::measure {

/// The scalars of an operation or a condition by name; those of an object within have its name and
/// a dot before their own ("beside.bytes").
class Fields {
 public:
  std::map<std::string, std::string>& values() { return values_; }
  bool Has(const std::string& name) const { return values_.contains(name); }
  std::string Text(const std::string& name, const std::string& otherwise = "") const;
  int64_t Int(const std::string& name, int64_t otherwise = 0) const;
  bool Flag(const std::string& name, bool otherwise = false) const;
  /// Those whose names begin with "prefix.", without it.
  Fields Of(const std::string& prefix) const;

 private:
  std::map<std::string, std::string> values_;
};

struct Point {
  std::string key;   // canonical text of op, condition and with: equal keys, equal points
  std::string line;  // as read
  Fields op;
  Fields condition;
  std::string with;
};

/// All points of a file. Fails with the number of the first line that is not a point.
Result<std::vector<Point>> ReadPoints(const std::string& path);

/// What one point came to. Absent figures are negative and are not written.
struct Outcome {
  std::string skipped;  // why there is no time; empty when measured
  double time_s = -1;
  double spread = -1;  // relative: 1.4826 times the median absolute deviation, over the median
  int64_t samples = 0;
  double sm_clock_hz = -1;
  double power_w = -1;
  double temperature_c = -1;
  bool throttled = false;  // thermal, power or hardware slowdown while it ran
  uint64_t throttle_reasons = 0;
  bool busy = false;  // somebody else used the GPU
  std::string stopped_by;
  std::string library;
  std::map<std::string, double> figures;       // further figures by name
  std::map<std::string, std::string> remarks;  // further words by name
};

/// What holds for the whole run and stands in every line.
struct RunFacts {
  std::string gpu;  // catalog name
  std::string device;
  std::string driver;
  std::string source = "own";
};

class ResultFile {
 public:
  ResultFile() = default;
  ResultFile(const ResultFile&) = delete;
  ResultFile& operator=(const ResultFile&) = delete;
  ~ResultFile();
  /// Opens for appending, after reading which points are there. A last line that was cut off is
  /// ended, so that the next begins on its own.
  Status Open(const std::string& path, RunFacts facts);
  bool Has(const Point& point) const { return done_.contains(point.key); }
  Status Write(const Point& point, const Outcome& outcome);

 private:
  std::FILE* file_ = nullptr;
  RunFacts facts_;
  std::set<std::string> done_;
};

}  // namespace ridgeline::measure
