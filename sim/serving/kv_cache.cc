#include "sim/serving/kv_cache.h"

#include <algorithm>

#include "base/check.h"

namespace ridgeline::serving {
namespace {

constexpr ExtentIndex kSentinel = 0;

}  // namespace

KvCache::KvCache(int64_t blocks, const PrefixKeys* keys, bool is_caching)
    : total_(blocks), free_(blocks), keys_(is_caching ? keys : nullptr), is_caching_(is_caching) {
  CHECK(blocks >= 0, "{} blocks", blocks);
  extents_.emplace_back();
  At(kSentinel).next = At(kSentinel).previous = kSentinel;
  if (blocks > 0) {
    InsertBefore(kSentinel, Create(0, blocks));
  }
  if (keys_ != nullptr) {
    first_of_group_.assign(static_cast<size_t>(keys_->groups()), -1);
  }
}

ExtentIndex KvCache::Create(int64_t begin, int64_t end) {
  ExtentIndex extent = static_cast<ExtentIndex>(extents_.size());
  if (spare_.empty()) {
    extents_.emplace_back();
  } else {
    extent = spare_.back();
    spare_.pop_back();
    At(extent) = Extent();
  }
  At(extent).begin = begin;
  At(extent).end = end;
  return extent;
}

void KvCache::Discard(ExtentIndex extent) {
  At(extent).begin = At(extent).end = 0;
  At(extent).owner = -1;
  spare_.push_back(extent);
}

void KvCache::Unlink(ExtentIndex extent) {
  const Extent& out = At(extent);
  At(out.previous).next = out.next;
  At(out.next).previous = out.previous;
}

void KvCache::InsertBefore(ExtentIndex position, ExtentIndex extent) {
  Extent& in = At(extent);
  in.next = position;
  in.previous = At(position).previous;
  At(in.previous).next = extent;
  At(position).previous = extent;
}

void KvCache::Enter(ExtentIndex extent, int32_t group) {
  Extent& in = At(extent);
  in.group = group;
  ExtentIndex& first = first_of_group_[static_cast<size_t>(group)];
  if (first < 0) {
    first = in.next_equal = in.previous_equal = extent;
    return;
  }
  in.next_equal = first;
  in.previous_equal = At(first).previous_equal;
  At(in.previous_equal).next_equal = extent;
  At(first).previous_equal = extent;
}

void KvCache::Leave(ExtentIndex extent) {
  Extent& out = At(extent);
  ExtentIndex& first = first_of_group_[static_cast<size_t>(out.group)];
  if (out.next_equal == extent) {
    first = -1;
  } else {
    At(out.previous_equal).next_equal = out.next_equal;
    At(out.next_equal).previous_equal = out.previous_equal;
    first = first == extent ? out.next_equal : first;
  }
  out.group = -1;
}

void KvCache::Split(ExtentIndex extent, int64_t at) {
  const ExtentIndex rest = Create(at, At(extent).end);
  Extent& left = At(extent);
  Extent& right = At(rest);
  left.end = at;
  right.users = left.users;
  right.owner = left.owner;
  right.split_off = left.split_off;
  left.split_off = rest;
  if (left.users == 0) {
    InsertBefore(extent, rest);  // nearer to eviction
  }
  if (left.group >= 0) {
    // Where it was in the order of publishing; it is never the first.
    right.group = left.group;
    right.previous_equal = extent;
    right.next_equal = left.next_equal;
    At(right.next_equal).previous_equal = rest;
    left.next_equal = rest;
  }
}

void KvCache::Found(ExtentIndex extent, int64_t begin, int64_t end, Hits& hits) const {
  hits.blocks += end - begin;
  hits.free += At(extent).users == 0 ? end - begin : 0;
}

/// Adds to found_ the extents that hold the group's blocks from `block` to `end`, at most; false
/// when one is missing.
bool KvCache::FindInGroup(int32_t group, int64_t block, int64_t end) {
  const ExtentIndex first = first_of_group_[static_cast<size_t>(group)];
  while (first >= 0 && block < end) {
    // The first published extent with this block; an earlier one that begins within it takes over
    // from there.
    int64_t until = end;
    ExtentIndex at = first;
    while (!(At(at).begin <= block && block < At(at).end)) {
      until = At(at).begin > block ? std::min(until, At(at).begin) : until;
      at = At(at).next_equal;
      if (at == first) {
        return false;
      }
    }
    until = std::min(until, At(at).end);
    found_.push_back({.extent = at, .begin = block, .end = until});
    block = until;
  }
  return first >= 0;
}

KvCache::Hits KvCache::FindHits(const BlockTable& table, int64_t most) {
  Hits hits;
  found_.clear();
  if (!is_caching_) {
    return hits;
  }
  const int64_t shared = std::min(table.shared, most);
  for (int64_t block = 0; block < shared;) {
    const PrefixKeys::Group group = keys_->GroupOf(table.request, block);
    if (!FindInGroup(group.id, block, std::min(group.end, shared))) {
      break;
    }
    block = group.end;
  }
  for (const BlockRange& range : found_) {
    Found(range.extent, range.begin, range.end, hits);
  }
  const int64_t own = std::min(table.remembered, most);
  if (hits.blocks == table.shared && table.tail >= 0 && At(table.tail).owner == table.request &&
      At(table.tail).begin == hits.blocks) {
    const int64_t end = std::min(own, At(table.tail).end);
    if (end > hits.blocks) {
      found_.push_back({.extent = table.tail, .begin = hits.blocks, .end = end});
      Found(table.tail, hits.blocks, end, hits);
    }
  }
  return hits;
}

void KvCache::TakeHits(BlockTable& table, const Hits& hits) {
  CHECK(table.held == 0 && table.ranges.empty(), "{} blocks held", table.held);
  table.tail = -1;
  for (const BlockRange& range : found_) {
    ExtentIndex extent = range.extent;
    while (At(extent).end <= range.begin) {
      extent = At(extent).split_off;  // by an earlier turn of this loop
    }
    if (At(extent).begin < range.begin) {
      Split(extent, range.begin);
      extent = At(extent).split_off;
    }
    if (range.end < At(extent).end) {
      Split(extent, range.end);
    }
    Extent& taken = At(extent);
    if (taken.users++ == 0) {
      Unlink(extent);
      free_ -= taken.size();
    }
    if (taken.group >= 0) {
      table.ranges.push_back({.extent = extent, .begin = range.begin, .end = range.end});
    } else {
      table.tail = extent;
    }
  }
  table.held = hits.blocks;
  table.published = std::min(table.shared, hits.blocks);
  ++version_;
}

void KvCache::Evict(int64_t blocks) {
  free_ -= blocks;
  while (blocks > 0) {
    const ExtentIndex head = At(kSentinel).next;
    Extent& oldest = At(head);
    if (oldest.size() > blocks) {
      oldest.end -= blocks;
      return;
    }
    blocks -= oldest.size();
    Unlink(head);
    if (oldest.group >= 0) {
      Leave(head);
    }
    Discard(head);
  }
}

void KvCache::Grow(BlockTable& table, int64_t blocks) {
  CHECK(blocks - table.held <= free_, "{} blocks wanted, {} free", blocks - table.held, free_);
  if (blocks <= table.held) {
    return;
  }
  Evict(blocks - table.held);
  // What lies in a tail from before a preemption is not this sequence's any more.
  if (table.held == table.published) {
    table.tail = Create(table.held, blocks);
    At(table.tail).users = 1;
    At(table.tail).owner = table.request;
  } else {
    At(table.tail).end = blocks;
  }
  table.held = blocks;
}

void KvCache::Publish(BlockTable& table, int64_t full) {
  full = std::min(full, table.shared);
  if (!is_caching_ || full <= table.published) {
    return;
  }
  for (int64_t block = table.published; block < full;) {
    const PrefixKeys::Group group = keys_->GroupOf(table.request, block);
    const int64_t end = std::min(group.end, full);
    const ExtentIndex extent = Create(block, end);
    At(extent).users = 1;
    Enter(extent, group.id);
    table.ranges.push_back({.extent = extent, .begin = block, .end = end});
    block = end;
  }
  table.published = full;
  At(table.tail).begin = full;
  if (At(table.tail).size() == 0) {
    Discard(table.tail);
    table.tail = -1;
  }
  ++version_;
}

void KvCache::ReleaseExtent(ExtentIndex extent) {
  Extent& released = At(extent);
  if (--released.users == 0) {
    InsertBefore(kSentinel, extent);
    free_ += released.size();
  }
}

void KvCache::Release(BlockTable& table, int64_t full) {
  if (table.held > table.published) {
    ReleaseExtent(table.tail);
  } else {
    table.tail = -1;
  }
  for (size_t i = table.ranges.size(); i-- > 0;) {
    const BlockRange& range = table.ranges[i];
    pieces_.clear();
    for (ExtentIndex at = range.extent;; at = At(at).split_off) {
      pieces_.push_back(at);
      if (At(at).end >= range.end) {
        break;
      }
    }
    for (size_t piece = pieces_.size(); piece-- > 0;) {
      ReleaseExtent(pieces_[piece]);
    }
  }
  table.ranges.clear();
  table.held = 0;
  table.published = 0;
  table.remembered = is_caching_ ? full : 0;
  ++version_;
}

void KvCache::CheckConsistent() const {
  int64_t in_use = 0;
  for (const Extent& extent : extents_) {
    CHECK(extent.size() >= 0 && extent.users >= 0, "an extent of {} blocks, {} users",
          extent.size(), extent.users);
    in_use += extent.users > 0 ? extent.size() : 0;
    CHECK(extent.group < 0 || At(extent.next_equal).group == extent.group, "group {}",
          extent.group);
  }
  int64_t queued = 0;
  for (ExtentIndex at = At(kSentinel).next; at != kSentinel; at = At(at).next) {
    CHECK(At(at).users == 0 && At(at).size() > 0, "an extent of {} blocks, {} users in the queue",
          At(at).size(), At(at).users);
    CHECK(At(At(at).next).previous == at, "the queue is broken");
    queued += At(at).size();
    CHECK(queued <= total_, "the queue of free blocks is a ring");
  }
  CHECK(queued == free_ && in_use == used() && free_ >= 0, "{} used, {} queued, {} free of {}",
        in_use, queued, free_, total_);
}

}  // namespace ridgeline::serving
