#include "workloads/dual_pipe_order.h"

#include <algorithm>
#include <array>
#include <deque>

namespace ridgeline::workloads {
namespace {

/// Which micro-batch comes next. A rank's near direction is the one whose stages begin at its own
/// end of the pipeline.
class DualPipe {
 public:
  explicit DualPipe(bool is_in_second_half) : near_(is_in_second_half ? 1 : 0) {}

  void Forward(int32_t direction, bool with_next = false) {
    const int32_t chunk = direction ^ near_;
    order_.push_back({.kind = SlotKind::kForward,
                      .micro_batch = forwards_.at(static_cast<size_t>(chunk))++,
                      .chunk = chunk,
                      .with_next = with_next});
  }
  void Backward(int32_t direction, bool delays_weights = false) {
    const int32_t chunk = direction ^ near_;
    order_.push_back({.kind = delays_weights ? SlotKind::kInput : SlotKind::kBackward,
                      .micro_batch = backwards_.at(static_cast<size_t>(chunk))++,
                      .chunk = chunk});
    if (delays_weights) {
      delayed_.push_back(order_.back());
      delayed_.back().kind = SlotKind::kWeight;
    }
  }
  void Together(int32_t forward, int32_t backward) {
    Forward(forward, /*with_next=*/true);
    Backward(backward);
  }
  void Weights() {
    order_.push_back(delayed_.front());
    delayed_.pop_front();
  }
  std::vector<Slot> Take() { return std::move(order_); }

 private:
  int32_t near_;
  std::array<int32_t, 2> forwards_ = {};   // by chunk
  std::array<int32_t, 2> backwards_ = {};  // likewise
  std::deque<Slot> delayed_;
  std::vector<Slot> order_;
};

}  // namespace

std::vector<Slot> DualPipeOrder(int64_t pp, int64_t rank, int64_t micro_batches) {
  const int64_t half = pp / 2;
  const int64_t from_end = std::min(rank, pp - 1 - rank);
  const int64_t to_middle = half - from_end - 1;
  DualPipe ranks(rank >= half);
  for (int64_t i = 0; i < 2 * to_middle; ++i) {
    ranks.Forward(0);
  }
  for (int64_t i = 0; i <= from_end; ++i) {
    ranks.Forward(0);
    ranks.Forward(1);
  }
  for (int64_t i = 0; i < to_middle; ++i) {
    ranks.Backward(1, /*delays_weights=*/true);
    ranks.Weights();
    ranks.Forward(1);
  }
  for (int64_t i = 0; i < micro_batches / 2 - pp + from_end + 1; ++i) {
    if (i == 0 && to_middle == 0) {
      // Apart: the gradients of the first are waited for.
      ranks.Forward(0);
      ranks.Backward(1);
    } else {
      ranks.Together(0, 1);
    }
    ranks.Together(1, 0);
  }
  for (int64_t i = 0; i < to_middle; ++i) {
    ranks.Backward(1);
    ranks.Together(1, 0);
  }
  // The second half of what is left delays its weight gradients.
  bool delays_weights = false;
  const int64_t turn = (from_end + 1) / 2;
  for (int64_t i = 0; i <= from_end; ++i) {
    delays_weights = delays_weights || (i == turn && from_end % 2 == 1);
    ranks.Backward(1, delays_weights);
    delays_weights = delays_weights || (i == turn && from_end % 2 == 0);
    ranks.Backward(0, delays_weights);
  }
  for (int64_t i = 0; i < to_middle; ++i) {
    ranks.Weights();
    ranks.Backward(0, /*delays_weights=*/true);
  }
  for (int64_t i = 0; i <= from_end; ++i) {
    ranks.Weights();
  }
  return ranks.Take();
}

}  // namespace ridgeline::workloads
