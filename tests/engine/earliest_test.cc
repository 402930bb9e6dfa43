#include "sim/engine/earliest.h"

#include <gtest/gtest.h>

namespace ridgeline::engine {
namespace {

TEST(EarliestTest, NothingIsNever) { EXPECT_EQ(Earliest().time(), Earliest::kNever); }

TEST(EarliestTest, FollowsChangesAndTheLowestIndexWinsAmongEquals) {
  Earliest earliest;
  earliest.Set(5, 30);
  EXPECT_EQ(earliest.index(), 5u);
  earliest.Set(0, 40);
  earliest.Set(9, 20);  // grows
  EXPECT_EQ(earliest.time(), 20);
  EXPECT_EQ(earliest.index(), 9u);
  earliest.Set(9, 30);
  EXPECT_EQ(earliest.index(), 5u);
  earliest.Set(5, 50);
  EXPECT_EQ(earliest.time(), 30);
  EXPECT_EQ(earliest.index(), 9u);
  earliest.Set(9, Earliest::kNever);
  EXPECT_EQ(earliest.time(), 40);
  EXPECT_EQ(earliest.index(), 0u);
  earliest.Set(0, Earliest::kNever);
  EXPECT_EQ(earliest.time(), 50);
  EXPECT_EQ(earliest.index(), 5u);
}

}  // namespace
}  // namespace ridgeline::engine
