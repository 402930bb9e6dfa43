/// A replica's KV blocks: who holds them, which free ones still hold something that a prompt could
/// hit, and which is evicted next.
///
/// As vLLM's block pool (vllm-project/vllm vllm/v1/core/block_pool.py, kv_cache_manager.py):
/// - a free block stays in a queue, oldest first, with what it holds; taking a new block evicts the
///   head; a hit takes a block out of the middle;
/// - freed blocks are appended tail of the sequence first, so a prefix outlives its continuations;
/// - only full blocks can be hit; equal ones are kept side by side and the first published is used.
///
/// Blocks are never touched one by one. An extent is a range of blocks that are consecutive in
/// their sequence and have had the same fate so far: taken together, published together, held by
/// the same number of sequences, and neighbours in the queue, the last of them in front. Operations
/// that concern a part of an extent split it. Eviction and hits stay block by block in effect.
///
/// What no other prompt can share (generated tokens, prompts without prefix ids) is one extent, the
/// tail of its sequence, and is matched only by the same request after a preemption: the extent
/// knows its owner, so that it needs no map.
///
/// INV-4: used + free = total, never negative; CheckConsistent walks everything.
/// Costs: O(1) an extent for each of taking, publishing, hitting and releasing.
#pragma once

#include <cstdint>
#include <vector>

#include "sim/serving/prefix_keys.h"

namespace ridgeline::serving {

/// Index of an extent of a KvCache, -1: none.
using ExtentIndex = int32_t;

/// A range of a sequence's blocks, numbered from the first token. Begins at the begin of `extent`;
/// where that was split since, the rest is in the extents split off it.
struct BlockRange {
  ExtentIndex extent = -1;
  int64_t begin = 0;
  int64_t end = 0;
};

/// The blocks of one sequence.
struct BlockTable {
  int32_t request = 0;  // index in the load
  int64_t shared = 0;   // leading blocks that other prompts may share
  int64_t held = 0;
  int64_t published = 0;           // leading blocks that are in the prefix cache
  int64_t remembered = 0;          // full blocks when it was preempted
  std::vector<BlockRange> ranges;  // the published blocks, in order
  ExtentIndex tail = -1;           // the blocks from `published` on
};

class KvCache {
 public:
  /// `keys` may be null: nothing is shared. Without `is_caching` nothing is ever hit.
  KvCache(int64_t blocks, const PrefixKeys* keys, bool is_caching);

  int64_t total() const { return total_; }
  int64_t free() const { return free_; }
  int64_t used() const { return total_ - free_; }
  /// Grows whenever a prompt that did not fit might: blocks freed, published or newly shared. While
  /// it stands still, what did not fit still does not.
  int64_t version() const { return version_; }

  /// Leading blocks of a waiting sequence that are in the cache, at most `most`.
  struct Hits {
    int64_t blocks = 0;
    int64_t free = 0;  // of these: held by nobody, so taking them takes free blocks
  };
  Hits FindHits(const BlockTable& table, int64_t most);
  /// Gives the hits of the last FindHits, made for this table, to it.
  void TakeHits(BlockTable& table, const Hits& hits);

  /// Takes new blocks until the table holds `blocks`. The caller has seen that they are free.
  void Grow(BlockTable& table, int64_t blocks);
  /// Lets other prompts hit the table's first `full` blocks, as far as they are shared.
  void Publish(BlockTable& table, int64_t full);
  /// Gives all blocks back. `full` of them are computed whole: the request may hit its own again.
  void Release(BlockTable& table, int64_t full);

  /// INV-4 and the integrity of queue and map. O(extents).
  void CheckConsistent() const;

 private:
  struct Extent {
    int64_t begin = 0;  // blocks of the sequence; empty: the extent is spare
    int64_t end = 0;
    ExtentIndex next = -1;  // in the queue of free extents
    ExtentIndex previous = -1;
    int32_t users = 0;
    int32_t group = -1;           // in the prefix cache under this group; -1: not published
    ExtentIndex next_equal = -1;  // ring of the group's extents, in order of publishing
    ExtentIndex previous_equal = -1;
    ExtentIndex split_off = -1;  // what was split off this one's end, while both are in use
    int32_t owner = -1;          // of an unpublished extent: the request that took it
    int64_t size() const { return end - begin; }
  };

  Extent& At(ExtentIndex extent) { return extents_[static_cast<size_t>(extent)]; }
  const Extent& At(ExtentIndex extent) const { return extents_[static_cast<size_t>(extent)]; }
  ExtentIndex Create(int64_t begin, int64_t end);
  void Discard(ExtentIndex extent);
  void Unlink(ExtentIndex extent);
  void InsertBefore(ExtentIndex position, ExtentIndex extent);
  void Enter(ExtentIndex extent, int32_t group);
  void Leave(ExtentIndex extent);
  void Split(ExtentIndex extent, int64_t at);
  void Evict(int64_t blocks);
  void ReleaseExtent(ExtentIndex extent);
  bool FindInGroup(int32_t group, int64_t block, int64_t end);
  void Found(ExtentIndex extent, int64_t begin, int64_t end, Hits& hits) const;

  int64_t total_ = 0;
  int64_t free_ = 0;
  int64_t version_ = 0;
  const PrefixKeys* keys_;
  bool is_caching_;
  std::vector<Extent> extents_;  // the first is the sentinel of the queue
  std::vector<ExtentIndex> spare_;
  std::vector<ExtentIndex> first_of_group_;
  std::vector<BlockRange> found_;
  std::vector<ExtentIndex> pieces_;
};

}  // namespace ridgeline::serving
