#include "sim/serving/prefix_keys.h"

#include <algorithm>
#include <unordered_map>

#include "base/check.h"

namespace ridgeline::serving {

PrefixKeys::PrefixKeys(const workloads::RequestLoad& load, int64_t block_tokens)
    : load_(load), block_tokens_(block_tokens), group_tokens_(load.prefix_block_tokens) {
  if (load.prefix_ids.empty()) {
    return;
  }
  CHECK(group_tokens_ > 0, "prefix ids of {} tokens", group_tokens_);
  group_of_.reserve(load.prefix_ids.size());
  const auto [least, most] = std::minmax_element(load.prefix_ids.begin(), load.prefix_ids.end());
  if (*least >= 0 && *most < static_cast<int64_t>(4 * load.prefix_ids.size())) {
    // Published traces number their blocks from 0: nothing to look up.
    for (const int64_t id : load.prefix_ids) {
      group_of_.push_back(static_cast<int32_t>(id));
    }
    groups_ = *most + 1;
    return;
  }
  std::unordered_map<int64_t, int32_t> dense;
  dense.reserve(load.prefix_ids.size());
  for (const int64_t id : load.prefix_ids) {
    group_of_.push_back(dense.emplace(id, static_cast<int32_t>(dense.size())).first->second);
  }
  groups_ = static_cast<int64_t>(dense.size());
}

int64_t PrefixKeys::SharedBlocks(int64_t request) const {
  const workloads::Request& asked = load_.requests[static_cast<size_t>(request)];
  return std::min(asked.input_tokens, asked.num_prefix_ids * group_tokens_) / block_tokens_;
}

PrefixKeys::Group PrefixKeys::GroupOf(int64_t request, int64_t block) const {
  const workloads::Request& asked = load_.requests[static_cast<size_t>(request)];
  const int64_t last_token = (block + 1) * block_tokens_ - 1;
  const int64_t index = last_token / group_tokens_;
  // Block j ends under this id while (j + 1) x block_tokens <= (index + 1) x group_tokens.
  return {.id = group_of_[static_cast<size_t>(asked.first_prefix_id + index)],
          .end = (index + 1) * group_tokens_ / block_tokens_};
}

}  // namespace ridgeline::serving
