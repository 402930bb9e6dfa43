/// Errors as people read them: file:line:column, the line itself, an underline, notes and a hint.
/// The form that compilers use, so that editors jump to it:
///
///     configs/clusters/mine.yaml:14:18: error: bandwidth needs a unit: 400
///        14 |       bandwidth: 400
///           |                  ^~~
///       hint: write 400 Gb/s (bits) or 50 GB/s (bytes) [cluster.fabric.links[2].bandwidth]
#pragma once

#include <string>

#include "base/result.h"

namespace ridgeline {

enum class Severity { kError, kWarning, kNote };

/// The error and all its `others`, one after the other, each ending in a newline. Colour by ANSI
/// codes when asked.
std::string RenderError(const Error& error, bool color = false);
/// The same form for something that is not fatal.
std::string RenderDiagnostic(Severity severity, const Error& error, bool color = false);

/// Collects the errors of one document, in order of finding, up to `limit`; the rest are counted.
/// Errors sort by place when taken.
class Diagnostics {
 public:
  explicit Diagnostics(size_t limit = 20) : limit_(limit) {}
  void Add(Error error);
  bool empty() const { return errors_.empty(); }
  size_t size() const { return errors_.size() + dropped_; }
  /// OK when empty; else the first error with the others inside.
  Status Take();

 private:
  size_t limit_;
  size_t dropped_ = 0;
  std::vector<Error> errors_;
};

}  // namespace ridgeline
