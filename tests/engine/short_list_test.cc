#include "sim/engine/short_list.h"

#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace ridgeline::engine {
namespace {

using List = ShortList<int64_t, 2>;

std::vector<int64_t> Values(const List& list) { return {list.begin(), list.end()}; }

TEST(ShortListTest, GrowsOutOfItselfAndKeepsItsOrder) {
  List list;
  EXPECT_TRUE(list.empty());
  for (int64_t i = 0; i < 9; ++i) {
    list.push_back(i);
    EXPECT_EQ(list.back(), i);
  }
  EXPECT_EQ(Values(list), (std::vector<int64_t>{0, 1, 2, 3, 4, 5, 6, 7, 8}));
  for (int i = 0; i < 8; ++i) {
    list.pop_back();
  }
  list[0] = 7;
  list.push_back(5);
  EXPECT_EQ(Values(list), (std::vector<int64_t>{7, 5}));
}

TEST(ShortListTest, MovesWhetherItsValuesLieInsideOrNot) {
  for (const int64_t size : {0, 1, 2, 3, 20}) {
    std::vector<List> lists(1);
    for (int64_t i = 0; i < size; ++i) {
      lists.front().push_back(i);
    }
    const std::vector<int64_t> before = Values(lists.front());
    lists.resize(10);
    EXPECT_EQ(Values(lists.front()), before);
    List other = std::move(lists.front());
    EXPECT_EQ(Values(other), before);
  }
}

}  // namespace
}  // namespace ridgeline::engine
