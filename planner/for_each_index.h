/// A loop over independent items on several threads: the planner's only way to use them.
#pragma once

#include <cstddef>
#include <functional>

namespace ridgeline::planner {

/// Calls `work(0)` to `work(count - 1)`, each once, on up to `jobs` threads, and returns when all
/// are done. The order is not fixed: each call must write to a place of its own. An exception of
/// `work` comes out here.
void ForEachIndex(size_t count, int jobs, const std::function<void(size_t)>& work);

}  // namespace ridgeline::planner
