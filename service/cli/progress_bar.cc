#include "service/cli/progress_bar.h"

#include <cstdio>

#include <fmt/format.h>

#include "service/cli/standard_error.h"
#include "service/report/table.h"

namespace ridgeline::cli {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

}  // namespace

ProgressBar::ProgressBar(ProgressMode mode, bool is_terminal) : style_(Style::kNothing) {
  switch (mode) {
    case ProgressMode::kAuto:
      style_ = is_terminal ? Style::kBar : Style::kNothing;
      break;
    case ProgressMode::kPlain:
      style_ = Style::kLines;
      break;
    case ProgressMode::kJson:
      style_ = Style::kJson;
      break;
    case ProgressMode::kNone:
      break;
  }
  // A short run should not flash a bar; json readers get the first report at once.
  next_ = begin_ + (style_ == Style::kBar     ? Clock::duration(seconds(1))
                    : style_ == Style::kLines ? Clock::duration(seconds(10))
                                              : Clock::duration(0));
}

ProgressBar::~ProgressBar() {
  if (has_drawn_) {
    Tell("\r\033[K");
  }
}

void ProgressBar::Report(std::string_view phase, double done, double total, std::string_view unit) {
  const Clock::time_point now = Clock::now();
  if (style_ == Style::kNothing || now < next_) {
    return;
  }
  const double elapsed = std::chrono::duration<double>(now - begin_).count();
  const std::string of = total > 0 ? fmt::format("/{:.0f}", total) : "";
  switch (style_) {
    case Style::kBar: {
      constexpr int kWidth = 30;
      const std::string bar =
          total > 0 ? report::Pad(report::Bar(done / total, kWidth), kWidth) + "  " : "";
      Tell(fmt::format("\r\033[K{}  {}{:.0f}{} {}  {:.0f} s", phase, bar, done, of, unit, elapsed));
      std::fflush(stderr);
      has_drawn_ = true;
      next_ = now + milliseconds(100);
      break;
    }
    case Style::kLines:
      Tell(fmt::format("{}: {:.0f}{} {}, {:.0f} s\n", phase, done, of, unit, elapsed));
      next_ = now + seconds(10);
      break;
    case Style::kJson:
      Tell(fmt::format(R"({{"phase":"{}","done":{},"total":{},"unit":"{}","elapsed_s":{:.3f}}})"
                       "\n",
                       phase, done, total, unit, elapsed));
      next_ = now + milliseconds(100);
      break;
    case Style::kNothing:
      break;
  }
}

}  // namespace ridgeline::cli
