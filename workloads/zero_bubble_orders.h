/// Orders of the schedules that move weight gradients into what would be bubbles
/// (arXiv:2401.10241, "Zero Bubble Pipeline Parallelism"). With F, B and W the times of a forward,
/// an input gradient and a weight gradient of a rank:
///
/// ZB-H1 (section 3.1) keeps the micro-batches in flight of 1F1B: rank r holds back r weight
/// gradients. Bubble (pp - 1)(F + B - W) of each step.
/// ZB-V (section 6), two chunks a rank in a V (pipeline_chunks.h): at F = B = W no rank waits
/// between its first slot and its last. At most 2·pp chunks in flight, what 1F1B holds on its first
/// rank. The order is that of PyTorch (torch/distributed/pipelining/schedules.py,
/// ScheduleZBVZeroBubble), made for 2·pp - 1 micro-batches at least, of which fewer are run.
#pragma once

#include <cstdint>
#include <vector>

#include "workloads/pipeline_schedule.h"

namespace ridgeline::workloads {

std::vector<Slot> ZeroBubbleH1Order(int64_t pp, int64_t rank, int64_t micro_batches);
std::vector<Slot> ZeroBubbleVOrder(int64_t pp, int64_t rank, int64_t micro_batches);

}  // namespace ridgeline::workloads
