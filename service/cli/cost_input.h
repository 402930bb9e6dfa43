/// Standard input as lines, as they come: whoever writes one line and waits gets its answer.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/stop.h"

namespace ridgeline::cli {

class CostInput {
 public:
  /// The longest line that is read; a longer one is an error of that line.
  static constexpr size_t kLongestLine = size_t{1} << 16;

  /// Reads from `descriptor`, which stays the caller's.
  CostInput(int descriptor, const Stop& stop) : descriptor_(descriptor), stop_(stop) {}

  /// A whole line of what was read so far, without its end; valid until Fill. Nothing when more
  /// must be read. The last line may lack its end.
  std::optional<std::string_view> NextLine();
  /// True when the line just given was cut at kLongestLine.
  bool is_cut() const { return is_cut_; }
  /// Waits for more. False at the end of the input. Errors: `stop`'s; an unreadable input.
  Result<bool> Fill();

 private:
  std::optional<std::string_view> Give(size_t length, size_t skip);

  int descriptor_;
  const Stop& stop_;
  std::string buffer_;
  size_t at_ = 0;           // start of what is not given out yet
  bool is_at_end_ = false;  // of the input
  bool is_cut_ = false;
  bool is_skipping_ = false;  // the rest of a line that was cut
};

}  // namespace ridgeline::cli
