#include "workloads/zero_bubble_orders.h"

#include <algorithm>
#include <array>

namespace ridgeline::workloads {

std::vector<Slot> ZeroBubbleH1Order(int64_t pp, int64_t rank, int64_t micro_batches) {
  std::vector<Slot> order;
  order.reserve(static_cast<size_t>(3 * micro_batches));
  int32_t inputs = 0;
  int32_t weights = 0;
  const auto backward = [&] {
    order.push_back({.kind = SlotKind::kInput, .micro_batch = inputs++});
    if (inputs > rank) {
      order.push_back({.kind = SlotKind::kWeight, .micro_batch = weights++});
    }
  };
  const int64_t warm_up = std::min(micro_batches, pp - rank - 1);
  for (int64_t k = 0; k < micro_batches; ++k) {
    order.push_back({.kind = SlotKind::kForward, .micro_batch = static_cast<int32_t>(k)});
    if (k >= warm_up) {
      backward();
    }
  }
  while (inputs < micro_batches) {
    backward();
  }
  while (weights < micro_batches) {
    order.push_back({.kind = SlotKind::kWeight, .micro_batch = weights++});
  }
  return order;
}

std::vector<Slot> ZeroBubbleVOrder(int64_t pp, int64_t rank, int64_t micro_batches) {
  const int64_t made = std::max(2 * pp - 1, micro_batches);
  std::vector<Slot> order;
  order.reserve(static_cast<size_t>(6 * micro_batches));
  std::array<int64_t, 2> forwards = {};
  std::array<int64_t, 2> inputs = {};
  std::array<int64_t, 2> weights = {};
  const auto add = [&](SlotKind kind, int32_t chunk, std::array<int64_t, 2>& next) {
    const int64_t micro_batch = next.at(static_cast<size_t>(chunk))++;
    if (micro_batch < micro_batches) {
      order.push_back(
          {.kind = kind, .micro_batch = static_cast<int32_t>(micro_batch), .chunk = chunk});
    }
  };
  const auto forward = [&](int32_t chunk) { add(SlotKind::kForward, chunk, forwards); };
  const auto input = [&](int32_t chunk) { add(SlotKind::kInput, chunk, inputs); };
  const auto weight = [&](int32_t chunk) { add(SlotKind::kWeight, chunk, weights); };
  // Down the V with as many as come back before the first does.
  for (int64_t k = 0; k < 2 * (pp - rank) - 1; ++k) {
    forward(0);
  }
  for (int64_t k = 0; k < rank; ++k) {
    forward(1);
    forward(0);
  }
  for (int64_t k = 0; k < pp - rank; ++k) {
    forward(1);
    input(1);
    weight(1);
  }
  while (forwards[1] < forwards[0] || forwards[0] < made) {
    if (forwards[0] < made) {
      forward(0);
    }
    input(0);
    weight(0);
    forward(1);
    input(1);
    weight(1);
  }
  for (int64_t k = 0; k < rank; ++k) {
    input(0);
    input(1);
  }
  for (int64_t k = 0; k < pp - rank; ++k) {
    input(0);
    weight(0);
  }
  while (weights[1] < inputs[1]) {
    weight(1);
  }
  while (weights[0] < inputs[0]) {
    weight(0);
  }
  return order;
}

}  // namespace ridgeline::workloads
