/// A replica's KV blocks: who holds them, which free ones still hold something that a prompt could
/// hit, and which is evicted next.
///
/// As vLLM's block pool (vllm-project/vllm vllm/v1/core/block_pool.py, kv_cache_manager.py):
/// - a free block stays in a queue, oldest first, with what it holds; taking a new block evicts the
///   head; a hit takes a block out of the middle;
/// - freed blocks are appended tail of the sequence first, so a prefix outlives its continuations;
/// - only full blocks can be hit; equal ones are kept side by side and the first published is used.
///
/// What no other prompt can share (generated tokens, prompts without prefix ids) is matched only by
/// the same request after a preemption: its own block table says where its blocks were, and each
/// block knows its last owner, so that such blocks need no map.
///
/// INV-4: used + free = total, never negative; CheckConsistent walks everything.
/// Costs: O(1) a block for each of taking, publishing and releasing.
#pragma once

#include <cstdint>
#include <vector>

#include "sim/serving/prefix_keys.h"

namespace ridgeline::serving {

/// The blocks of one sequence, first token first.
struct BlockTable {
  int32_t request = 0;          // index in the load
  int64_t shared = 0;           // leading blocks that other prompts may share
  int64_t held = 0;             // of `blocks`; what lies beyond was held before a preemption
  int64_t published = 0;        // leading shared blocks that are in the prefix cache
  int64_t remembered = 0;       // full blocks when it was preempted
  std::vector<int32_t> blocks;  // indices into the pool
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

  /// INV-4 and the integrity of queue and map. O(blocks).
  void CheckConsistent() const;

 private:
  struct Block {
    int32_t next = 0;  // in the queue of free blocks
    int32_t previous = 0;
    int32_t users = 0;
    int32_t entry = -1;       // in entries_, -1: cannot be hit by others
    int32_t next_equal = -1;  // ring of blocks of the same entry, in order of publishing
    int32_t previous_equal = -1;
    int32_t owner = -1;  // who took it last, and as which block of its sequence
    int32_t place = -1;
  };

  Block& At(int32_t block) { return blocks_[static_cast<size_t>(block)]; }
  void Unlink(Block& block);
  void Append(int32_t index);
  int32_t Evict();
  void Enter(int32_t index, int32_t group, int64_t place);
  void Leave(int32_t index);
  int32_t SlabOf(int32_t group);

  int64_t total_ = 0;
  int64_t free_ = 0;
  int64_t version_ = 0;
  const PrefixKeys* keys_;
  bool is_caching_;
  std::vector<Block> blocks_;  // the last one is the queue's sentinel
  std::vector<int32_t> found_;

  // The prefix cache: groups with at least one block cached have a slab of blocks_per_group
  // entries, each the first of its equal blocks, or -1.
  std::vector<int32_t> slab_of_group_;
  std::vector<int32_t> group_of_slab_;
  std::vector<int32_t> live_in_slab_;
  std::vector<int32_t> entries_;
  std::vector<int32_t> spare_slabs_;
  int32_t slab_size_ = 1;
};

}  // namespace ridgeline::serving
