/// What makes two KV blocks equal: the identity of every full block of a prompt, from the prefix
/// ids of the load. A prefix id stands for `prefix_block_tokens` tokens (512 in Mooncake's trace)
/// and all before them; a KV block (16 tokens) is known by the id under its last token and its
/// place within that id. So no text or chain of hashes is ever compared: a group of blocks is an
/// array index.
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
  /// Most KV blocks that end within one id.
  int64_t blocks_per_group() const { return blocks_per_group_; }
  /// Leading full blocks of a prompt that other prompts may share; what comes after is the
  /// request's own.
  int64_t SharedBlocks(int64_t request) const;

  /// Walks the shared blocks of a request in order.
  class Cursor {
   public:
    int32_t group() const { return *group_; }
    int64_t place() const { return place_; }  // within the group
    void Next() {
      offset_ += block_tokens_;
      ++place_;
      while (offset_ >= group_tokens_) {
        offset_ -= group_tokens_;
        ++group_;
        place_ = 0;
      }
    }

   private:
    friend class PrefixKeys;
    const int32_t* group_ = nullptr;
    int64_t offset_ = 0;  // of the block's last token within the group
    int64_t place_ = 0;
    int64_t block_tokens_ = 0;
    int64_t group_tokens_ = 0;
  };
  /// At block `block` < SharedBlocks(request).
  Cursor At(int64_t request, int64_t block) const;

 private:
  const workloads::RequestLoad& load_;
  int64_t block_tokens_;
  int64_t group_tokens_;
  int64_t blocks_per_group_ = 0;
  int64_t groups_ = 0;
  std::vector<int32_t> group_of_;  // parallel to load.prefix_ids
};

}  // namespace ridgeline::serving
