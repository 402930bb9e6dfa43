/// Where a long loop reports how far it is. Implementations throttle; callers report freely but not
/// in inner loops.
#pragma once

#include <string_view>

namespace ridgeline {

class Progress {
 public:
  virtual ~Progress() = default;
  /// `total` is 0 when unknown; `unit` is a plural noun ("cases", "events").
  virtual void Report(std::string_view phase, double done, double total, std::string_view unit) = 0;
};

/// For whoever does not care.
class NoProgress final : public Progress {
 public:
  void Report(std::string_view, double, double, std::string_view) override {}
};

}  // namespace ridgeline
