/// What makes two KV blocks equal: the identity of every full block of a prompt, from the prefix
/// ids of the load. A prefix id stands for `prefix_block_tokens` tokens (512 in Mooncake's trace)
/// and all before them; a KV block (16 tokens) is known by the id under its last token and its
/// place in the prompt. So no text or chain of hashes is ever compared, and the blocks that end
/// under one id (a group) are one range.
#pragma once

#include <cstdint>
#include <vector>

#include "workloads/request_load.h"

namespace ridgeline::serving {

class PrefixKeys {
 public:
  /// Renumbers the ids densely. O(ids). The load must outlive it.
  PrefixKeys(const workloads::RequestLoad& load, int64_t block_tokens);

  int64_t groups() const { return groups_; }
  /// Leading full blocks of a prompt that other prompts may share; what comes after is the
  /// request's own.
  int64_t SharedBlocks(int64_t request) const;

  struct Group {
    int32_t id = 0;   // dense
    int64_t end = 0;  // the first block of the prompt that belongs to a later group
  };
  /// The group of block `block` < SharedBlocks(request).
  Group GroupOf(int64_t request, int64_t block) const;

 private:
  const workloads::RequestLoad& load_;
  int64_t block_tokens_;
  int64_t group_tokens_;
  int64_t groups_ = 0;
  std::vector<int32_t> group_of_;  // parallel to load.prefix_ids
};

}  // namespace ridgeline::serving
