#include "sim/serving/kv_cache.h"

#include <algorithm>
#include <limits>

#include "base/check.h"

namespace ridgeline::serving {

KvCache::KvCache(int64_t blocks, const PrefixKeys* keys, bool is_caching)
    : total_(blocks), free_(blocks), keys_(is_caching ? keys : nullptr), is_caching_(is_caching) {
  CHECK(blocks >= 0 && blocks < std::numeric_limits<int32_t>::max(), "{} blocks", blocks);
  blocks_.resize(static_cast<size_t>(blocks) + 1);
  const auto sentinel = static_cast<int32_t>(blocks);
  for (int32_t i = 0; i <= sentinel; ++i) {
    At(i).next = i == sentinel ? 0 : i + 1;
    At(i).previous = i == 0 ? sentinel : i - 1;
  }
  if (keys_ != nullptr) {
    slab_of_group_.assign(static_cast<size_t>(keys_->groups()), -1);
    slab_size_ = static_cast<int32_t>(std::max<int64_t>(keys_->blocks_per_group(), 1));
  }
}

void KvCache::Unlink(Block& block) {
  At(block.previous).next = block.next;
  At(block.next).previous = block.previous;
  --free_;
}

void KvCache::Append(int32_t index) {
  Block& sentinel = blocks_.back();
  Block& block = At(index);
  block.previous = sentinel.previous;
  block.next = static_cast<int32_t>(total_);
  At(sentinel.previous).next = index;
  sentinel.previous = index;
  ++free_;
}

KvCache::Hits KvCache::FindHits(const BlockTable& table, int64_t most) {
  Hits hits;
  if (!is_caching_) {
    return hits;
  }
  found_.clear();
  const auto take = [&](int32_t index) {
    found_.push_back(index);
    ++hits.blocks;
    hits.free += At(index).users == 0 ? 1 : 0;
  };
  const int64_t shared = std::min(table.shared, most);
  if (shared > 0) {
    PrefixKeys::Cursor cursor = keys_->At(table.request, 0);
    while (true) {
      const int32_t slab = slab_of_group_[static_cast<size_t>(cursor.group())];
      const int32_t index =
          slab < 0 ? -1 : entries_[static_cast<size_t>(slab * slab_size_ + cursor.place())];
      if (index < 0) {
        return hits;
      }
      take(index);
      if (hits.blocks == shared) {
        break;
      }
      cursor.Next();
    }
  }
  const int64_t own = std::min(table.remembered, most);
  while (hits.blocks < own) {
    const int32_t index = table.blocks[static_cast<size_t>(hits.blocks)];
    const Block& block = At(index);
    if (block.owner != table.request || block.place != hits.blocks) {
      break;
    }
    take(index);
  }
  return hits;
}

void KvCache::TakeHits(BlockTable& table, const Hits& hits) {
  CHECK(table.held == 0 && hits.blocks == static_cast<int64_t>(found_.size()),
        "{} blocks held, {} hits of {}", table.held, hits.blocks, found_.size());
  table.blocks.assign(found_.begin(), found_.end());
  for (const int32_t index : table.blocks) {
    Block& block = At(index);
    if (block.users++ == 0) {
      Unlink(block);
    }
  }
  table.held = hits.blocks;
  table.published = std::min(table.shared, hits.blocks);
  ++version_;
}

int32_t KvCache::Evict() {
  const int32_t index = blocks_.back().next;
  Block& block = At(index);
  Unlink(block);
  if (block.entry >= 0) {
    Leave(index);
  }
  return index;
}

void KvCache::Grow(BlockTable& table, int64_t blocks) {
  CHECK(blocks - table.held <= free_, "{} blocks wanted, {} free", blocks - table.held, free_);
  if (blocks <= table.held) {
    return;
  }
  table.blocks.resize(static_cast<size_t>(blocks));
  for (int64_t i = table.held; i < blocks; ++i) {
    const int32_t index = Evict();
    Block& block = At(index);
    block.users = 1;
    block.owner = table.request;
    block.place = static_cast<int32_t>(i);
    table.blocks[static_cast<size_t>(i)] = index;
  }
  table.held = blocks;
}

int32_t KvCache::SlabOf(int32_t group) {
  int32_t& slab = slab_of_group_[static_cast<size_t>(group)];
  if (slab >= 0) {
    return slab;
  }
  if (spare_slabs_.empty()) {
    slab = static_cast<int32_t>(group_of_slab_.size());
    group_of_slab_.push_back(group);
    live_in_slab_.push_back(0);
    entries_.resize(entries_.size() + static_cast<size_t>(slab_size_), -1);
  } else {
    slab = spare_slabs_.back();
    spare_slabs_.pop_back();
    group_of_slab_[static_cast<size_t>(slab)] = group;
  }
  return slab;
}

void KvCache::Enter(int32_t index, int32_t group, int64_t place) {
  const int32_t slab = SlabOf(group);
  Block& block = At(index);
  block.entry = slab * slab_size_ + static_cast<int32_t>(place);
  int32_t& first = entries_[static_cast<size_t>(block.entry)];
  if (first < 0) {
    first = block.next_equal = block.previous_equal = index;
    ++live_in_slab_[static_cast<size_t>(slab)];
    return;
  }
  // Behind the last of its equals.
  block.next_equal = first;
  block.previous_equal = At(first).previous_equal;
  At(block.previous_equal).next_equal = index;
  At(first).previous_equal = index;
}

void KvCache::Leave(int32_t index) {
  Block& block = At(index);
  int32_t& first = entries_[static_cast<size_t>(block.entry)];
  if (block.next_equal == index) {
    first = -1;
    const int32_t slab = block.entry / slab_size_;
    if (--live_in_slab_[static_cast<size_t>(slab)] == 0) {
      slab_of_group_[static_cast<size_t>(group_of_slab_[static_cast<size_t>(slab)])] = -1;
      spare_slabs_.push_back(slab);
    }
  } else {
    At(block.previous_equal).next_equal = block.next_equal;
    At(block.next_equal).previous_equal = block.previous_equal;
    first = first == index ? block.next_equal : first;
  }
  block.entry = -1;
}

void KvCache::Publish(BlockTable& table, int64_t full) {
  full = std::min(full, table.shared);
  if (!is_caching_ || full <= table.published) {
    return;
  }
  PrefixKeys::Cursor cursor = keys_->At(table.request, table.published);
  while (true) {
    Enter(table.blocks[static_cast<size_t>(table.published)], cursor.group(), cursor.place());
    if (++table.published == full) {
      break;
    }
    cursor.Next();
  }
  ++version_;
}

void KvCache::Release(BlockTable& table, int64_t full) {
  for (int64_t i = table.held; i-- > 0;) {
    const int32_t index = table.blocks[static_cast<size_t>(i)];
    if (--At(index).users == 0) {
      Append(index);
    }
  }
  table.held = 0;
  table.published = 0;
  table.remembered = is_caching_ ? full : 0;
  ++version_;
}

void KvCache::CheckConsistent() const {
  int64_t in_use = 0;
  for (int64_t i = 0; i < total_; ++i) {
    const Block& block = blocks_[static_cast<size_t>(i)];
    CHECK(block.users >= 0, "block {} has {} users", i, block.users);
    in_use += block.users > 0 ? 1 : 0;
    if (block.entry >= 0) {
      CHECK(blocks_[static_cast<size_t>(block.next_equal)].entry == block.entry, "block {}", i);
      CHECK(blocks_[static_cast<size_t>(block.next_equal)].previous_equal == i, "block {}", i);
    }
  }
  int64_t queued = 0;
  for (int32_t at = blocks_.back().next; at != static_cast<int32_t>(total_);
       at = blocks_[static_cast<size_t>(at)].next) {
    CHECK(blocks_[static_cast<size_t>(at)].users == 0, "block {} is free and in use", at);
    CHECK(++queued <= total_, "the queue of free blocks is a ring");
  }
  CHECK(queued == free_ && in_use == used() && free_ >= 0, "{} used, {} queued, {} free of {}",
        in_use, queued, free_, total_);
}

}  // namespace ridgeline::serving
