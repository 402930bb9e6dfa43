// The three numbers of a chain against the recurrence that they stand for.
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "sim/training/host_chain.h"

namespace ridgeline::training {
namespace {

using engine::Picoseconds;

struct OneOperation {
  Picoseconds host = 0;
  Picoseconds device = 0;
  bool is_beside = false;  // with the one after it
};

/// Operation by operation; the ends of GPU and host.
std::pair<Picoseconds, Picoseconds> Issue(const std::vector<OneOperation>& operations,
                                          Picoseconds gpu, Picoseconds host) {
  Picoseconds beside = 0;  // its end
  for (const OneOperation& operation : operations) {
    host += operation.host;
    if (operation.is_beside) {
      beside = std::max(gpu, host) + operation.device;
    } else {
      gpu = std::max(std::max(gpu, host) + operation.device, beside);
      beside = 0;
    }
  }
  return {gpu, host};
}

TEST(HostChainProperty, EndsWhereTheRecurrenceEndsAndComposesAnyhow) {
  EXPECT_TRUE(rc::check([] {
    const auto span = [] {
      return *rc::gen::weightedOneOf<Picoseconds>(
          {{1, rc::gen::just<Picoseconds>(0)}, {3, rc::gen::inRange<Picoseconds>(0, 40)}});
    };
    const auto size = *rc::gen::inRange<size_t>(0, 12);
    std::vector<OneOperation> operations;
    for (size_t i = 0; i < size; ++i) {
      const bool may = i + 1 < size && (operations.empty() || !operations.back().is_beside);
      operations.push_back(
          {.host = span(), .device = span(), .is_beside = may && *rc::gen::inRange(0, 4) == 0});
    }
    std::vector<HostChain> parts;
    for (size_t i = 0; i < size; ++i) {
      const HostChain one = HostChain::Of(operations[i].host, operations[i].device);
      if (operations[i].is_beside) {
        ++i;
        parts.push_back(
            HostChain::Beside(one, HostChain::Of(operations[i].host, operations[i].device)));
      } else {
        parts.push_back(one);
      }
    }
    const auto cut = *rc::gen::inRange<size_t>(0, parts.size() + 1);
    HostChain first, second, whole;
    for (size_t i = 0; i < parts.size(); ++i) {
      HostChain& half = i < cut ? first : second;
      half = half.Then(parts[i]);
      whole = whole.Then(parts[i]);
    }
    RC_ASSERT(first.Then(second) == whole);
    RC_ASSERT(whole.lead >= 0 && whole.lead <= whole.host);
    RC_ASSERT(whole.host <= whole.lead + whole.device);

    const Picoseconds gpu = span();
    const Picoseconds host = *rc::gen::inRange<Picoseconds>(0, gpu + 1);
    const auto [gpu_end, host_end] = Issue(operations, gpu, host);
    RC_ASSERT(std::max(gpu, host + whole.lead) + whole.device == gpu_end);
    RC_ASSERT(host + whole.host == host_end);

    const auto times = *rc::gen::inRange<int64_t>(0, 9);
    HostChain again;
    for (int64_t i = 0; i < times; ++i) {
      again = again.Then(whole);
    }
    RC_ASSERT(whole.Repeated(times) == again);
  }));
}

}  // namespace
}  // namespace ridgeline::training
