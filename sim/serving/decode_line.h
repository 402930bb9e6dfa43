/// Attention over the KV cache of a decode batch as straight lines in the tokens that it reads.
///
/// The analytic model: a roofline is the largest of a floor, a line of arithmetic and a line of
/// memory traffic, so the time is convex and made of a few straight pieces. Where they meet is
/// found by asking the cost model, not assumed: from a piece's start its slope is measured and the
/// piece followed to where the times leave it.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "base/result.h"

namespace ridgeline::serving {

/// From `first` tokens a sequence on: intercept + slope x tokens of all sequences, in picoseconds.
struct DecodePiece {
  int64_t to = 0;  // the last total of tokens that it holds for
  double intercept = 0.0;
  double slope = 0.0;
};

/// `time(k)`: picoseconds of attention when each of `sequences` reads k tokens, for 1 <= k <= most.
/// Exact where time is piecewise linear and convex; the last piece goes on for ever. Errors: those
/// of `time`.
Result<std::vector<DecodePiece>> FindDecodePieces(
    int64_t sequences, int64_t most, const std::function<Result<double>(int64_t)>& time);

/// Of a measured model, which is no line anywhere: chords between every power of two tokens, four
/// to an octave from 256 on, some 50 questions in all. Never falls: what a noisy table has faster
/// with more tokens is held level.
Result<std::vector<DecodePiece>> DecodeChords(int64_t sequences, int64_t most,
                                              const std::function<Result<double>(int64_t)>& time);

}  // namespace ridgeline::serving
