#include "sim/serving/kv_cache.h"

#include <gtest/gtest.h>

namespace ridgeline::serving {
namespace {

/// Two prompts of 64 tokens under one id of 64: four blocks of 16, the same four.
workloads::RequestLoad EqualPrompts() {
  workloads::RequestLoad load;
  load.prefix_block_tokens = 64;
  load.prefix_ids = {5};
  load.requests.resize(2);
  for (workloads::Request& request : load.requests) {
    request.input_tokens = 64;
    request.output_tokens = 1;
    request.num_prefix_ids = 1;
  }
  return load;
}

BlockTable TableOf(int32_t request) {
  BlockTable table;
  table.request = request;
  table.shared = 4;
  return table;
}

// 6 blocks; a sequence of 4 is freed behind the 2 that never held anything. Three new blocks evict
// those 2 and the sequence's last: its first three can still be hit, all of them free.
TEST(KvCacheTest, TheOldestGoesFirstAndOfASequenceItsTail) {
  const workloads::RequestLoad load = EqualPrompts();
  const PrefixKeys keys(load, 16);
  KvCache cache(6, &keys, true);
  BlockTable first = TableOf(0);
  cache.Grow(first, 4);
  EXPECT_EQ(cache.FindHits(TableOf(1), 4).blocks, 0);  // not yet published
  cache.Publish(first, 4);
  EXPECT_EQ(cache.FindHits(TableOf(1), 3).blocks, 3);
  EXPECT_EQ(cache.FindHits(TableOf(1), 3).free, 0);
  cache.Release(first, 4);
  EXPECT_EQ(cache.free(), 6);
  BlockTable other = TableOf(0);
  other.shared = 0;
  cache.Grow(other, 3);
  const KvCache::Hits hits = cache.FindHits(TableOf(1), 4);
  EXPECT_EQ(hits.blocks, 3);
  EXPECT_EQ(hits.free, 3);
  cache.CheckConsistent();
}

// A hit takes blocks out of the queue, so that what is evicted next is something else.
TEST(KvCacheTest, AHitSavesBlocksFromEviction) {
  const workloads::RequestLoad load = EqualPrompts();
  const PrefixKeys keys(load, 16);
  KvCache cache(6, &keys, true);
  BlockTable first = TableOf(0);
  cache.Grow(first, 4);
  cache.Publish(first, 4);
  cache.Release(first, 4);
  BlockTable second = TableOf(1);
  cache.TakeHits(second, cache.FindHits(second, 2));
  EXPECT_EQ(second.held, 2);
  EXPECT_EQ(cache.used(), 2);
  BlockTable other = TableOf(0);
  other.shared = 0;
  cache.Grow(other, 4);
  EXPECT_EQ(cache.free(), 0);
  EXPECT_EQ(cache.FindHits(TableOf(0), 4).blocks, 2);
  cache.CheckConsistent();
}

TEST(KvCacheTest, WithoutCachingNothingIsHit) {
  const workloads::RequestLoad load = EqualPrompts();
  const PrefixKeys keys(load, 16);
  KvCache cache(6, &keys, false);
  BlockTable first = TableOf(0);
  cache.Grow(first, 4);
  cache.Publish(first, 4);
  EXPECT_EQ(cache.FindHits(TableOf(1), 4).blocks, 0);
}

}  // namespace
}  // namespace ridgeline::serving
