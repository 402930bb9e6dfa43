/// Rounds, bounds and stops of the search, on candidates that are numbers.
#include "planner/search.h"

#include <stop_token>

#include <gtest/gtest.h>

namespace ridgeline::planner {
namespace {

Rank RankAt(double objective, size_t point) {
  return {.objective = objective, .step = 0, .index = static_cast<int64_t>(point)};
}

/// Point i is bounded by i, and worth `worth(i)`.
std::vector<OpenCandidate> Numbers(size_t count) {
  std::vector<OpenCandidate> open;
  for (size_t i = 0; i < count; ++i) {
    open.push_back({.bound = RankAt(static_cast<double>(i), i), .point = i});
  }
  return open;
}

SearchRequest RequestFor(std::function<double(size_t)> worth) {
  return {.evaluate = [worth = std::move(worth)](size_t point) -> Result<EvaluatedCandidate> {
            return EvaluatedCandidate{.rank = RankAt(worth(point), point), .point = point};
          },
          .on_round = [](const EvaluatedCandidate*, size_t, size_t) { return Status{}; }};
}

TEST(SearchTest, RoundsGrowFromFewToMany) {
  SearchRequest request = RequestFor([](size_t) { return 1e6; });
  request.round_size = 16;
  std::vector<size_t> decided;
  request.on_round = [&](const EvaluatedCandidate*, size_t done, size_t) {
    decided.push_back(done);
    return Status{};
  };
  const auto found = Search(Numbers(50), request);
  ASSERT_TRUE(found);
  EXPECT_EQ(decided, (std::vector<size_t>{4, 12, 28, 44, 50}));
  EXPECT_EQ(found->evaluated, 50);
}

TEST(SearchTest, WhatItsBoundRulesOutIsNotEvaluated) {
  // The best is 10.5 and was bounded by 0: 11 and above cannot beat it.
  const auto found =
      Search(Numbers(100), RequestFor([](size_t i) { return 10.5 + static_cast<double>(i); }));
  ASSERT_TRUE(found);
  EXPECT_EQ(found->best.front().point, 0U);
  EXPECT_EQ(found->evaluated, 12);
  EXPECT_EQ(found->bounded, 88);
  EXPECT_FALSE(found->is_partial());
}

TEST(SearchTest, ABoundEqualToTheBestIsSettledByTheCanonicalOrder) {
  // Point 3's worth is point 4's bound, and 4 comes later: it cannot win.
  const auto found = Search(Numbers(5), RequestFor([](size_t i) { return i == 3 ? 4.0 : 9.0; }));
  ASSERT_TRUE(found);
  EXPECT_EQ(found->best.front().point, 3U);
  EXPECT_EQ(found->evaluated, 4);
}

TEST(SearchTest, AStopInsideARoundKeepsWhatIsEvaluated) {
  std::stop_source source;
  SearchRequest request = RequestFor([&](size_t i) {
    if (i == 2) {
      source.request_stop();
    }
    return 100.0 - static_cast<double>(i);
  });
  request.stop = Stop(source.get_token());
  const auto found = Search(Numbers(100), request);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->evaluated, 3);
  ASSERT_FALSE(found->best.empty());
  EXPECT_EQ(found->best.front().point, 2U);
  ASSERT_TRUE(found->is_partial());
  EXPECT_EQ(found->least_open->objective, 3.0);
}

TEST(SearchTest, AnErrorThatIsNoStopEndsTheSearch) {
  SearchRequest request = RequestFor([](size_t) { return 1.0; });
  request.evaluate = [](size_t) -> Result<EvaluatedCandidate> {
    return Fail({.code = ErrorCode::kOutOfRange, .message = "too long"});
  };
  const auto found = Search(Numbers(3), request);
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code, ErrorCode::kOutOfRange);
}

}  // namespace
}  // namespace ridgeline::planner
