/// Progress on standard error: a bar on a terminal (only once a run has taken a second), a line
/// every ten seconds, or JSON lines.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "base/progress.h"
#include "service/cli/command_line.h"

namespace ridgeline::cli {

class ProgressBar final : public Progress {
 public:
  /// `is_terminal` decides what kAuto means: a bar on a terminal, nothing elsewhere.
  ProgressBar(ProgressMode mode, bool is_terminal);
  /// Wipes the bar.
  ~ProgressBar() override;
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  void Report(std::string_view phase, double done, double total, std::string_view unit) override;

 private:
  using Clock = std::chrono::steady_clock;
  enum class Style { kBar, kLines, kJson, kNothing };

  Style style_;
  Clock::time_point begin_ = Clock::now();
  Clock::time_point next_;
  bool has_drawn_ = false;
};

}  // namespace ridgeline::cli
