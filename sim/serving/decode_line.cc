#include "sim/serving/decode_line.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/check.h"

namespace ridgeline::serving {
namespace {

/// Times are sums of doubles; what differs by less is the same line.
bool IsOnLine(double time, double line) { return std::abs(time - line) <= 1e-9 * std::abs(time); }

/// The last k in [from, most] whose time lies on the line; convexity makes bisection exact.
Result<int64_t> LastOnLine(int64_t from, int64_t most, double start, double slope,
                           const std::function<Result<double>(int64_t)>& time) {
  int64_t on = from;
  int64_t off = most + 1;
  while (off - on > 1) {
    const int64_t middle = on + (off - on) / 2;
    ASSIGN_OR_RETURN(const double there, time(middle));
    const bool is_on = IsOnLine(there, start + slope * static_cast<double>(middle - from));
    (is_on ? on : off) = middle;
  }
  return on;
}

}  // namespace

Result<std::vector<DecodePiece>> FindDecodePieces(
    int64_t sequences, int64_t most, const std::function<Result<double>(int64_t)>& time) {
  CHECK(sequences > 0 && most > 0, "{} sequences, {} tokens", sequences, most);
  const auto count = static_cast<double>(sequences);
  std::vector<DecodePiece> pieces;
  for (int64_t k = 1; k <= most;) {
    ASSIGN_OR_RETURN(const double start, time(k));
    ASSIGN_OR_RETURN(const double next, time(k + 1));
    const double slope = next - start;
    ASSIGN_OR_RETURN(const int64_t last, LastOnLine(k, most, start, slope, time));
    DecodePiece piece{.to = last * sequences,
                      .intercept = start - slope * static_cast<double>(k),
                      .slope = slope / count};
    if (!pieces.empty()) {
      // The lines meet between two whole numbers of tokens a sequence; totals fall in between.
      DecodePiece& before = pieces.back();
      const double steeper = piece.slope - before.slope;
      if (steeper > 0.0) {
        const double meet = (before.intercept - piece.intercept) / steeper;
        const auto low = static_cast<double>(before.to);
        const double high = low + count;
        before.to = static_cast<int64_t>(std::floor(std::clamp(meet, low, high)));
      }
    }
    pieces.push_back(piece);
    // A model that is no line anywhere would give a piece a token: it is not one that this can
    // follow.
    CHECK(pieces.size() <= 64, "attention of {} sequences is not piecewise linear", sequences);
    k = last + 1;
  }
  pieces.back().to = std::numeric_limits<int64_t>::max();
  return pieces;
}

Result<std::vector<DecodePiece>> DecodeChords(int64_t sequences, int64_t most,
                                              const std::function<Result<double>(int64_t)>& time) {
  CHECK(sequences > 0 && most > 0, "{} sequences, {} tokens", sequences, most);
  constexpr int64_t kFineFrom = 256;
  const auto count = static_cast<double>(sequences);
  std::vector<DecodePiece> pieces;
  int64_t from = 1;
  ASSIGN_OR_RETURN(double start, time(from));
  while (from < most || pieces.empty()) {
    // 1, 1.25, 1.5 and 1.75 times a power of two.
    int64_t octave = kFineFrom;
    while (octave * 2 <= from) {
      octave *= 2;
    }
    const int64_t next = from < kFineFrom ? from * 2 : from + octave / 4;
    const int64_t to = std::max(std::min(next, most), from + 1);
    ASSIGN_OR_RETURN(double end, time(to));
    end = std::max(start, end);
    const double slope = (end - start) / static_cast<double>(to - from);
    pieces.push_back({.to = to * sequences,
                      .intercept = start - slope * static_cast<double>(from),
                      .slope = slope / count});
    from = to;
    start = end;
  }
  pieces.back().to = std::numeric_limits<int64_t>::max();
  return pieces;
}

}  // namespace ridgeline::serving
