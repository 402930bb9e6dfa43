// Kernels of frameworks that no table knows: with a least time, or bound by issuing their accesses.
#include <filesystem>

#include <gtest/gtest.h>

#include "hardware/catalog.h"
#include "sim/compute/operation_time.h"

namespace ridgeline::compute {
namespace {

class FrameworkKernelTest : public ::testing::Test {
 protected:
  static hardware::Cluster ClusterOf(const char* name) {
    const hardware::Catalog catalog({std::filesystem::path(RIDGELINE_SOURCE_DIR) / "configs"});
    Reference<hardware::ClusterDescription> reference;
    reference.name = name;
    return catalog.ResolveCluster(reference).value();
  }
  static MemoryBound Copy(double bytes) {
    return {.kind = MemoryBoundKind::kCopy,
            .read = Bytes::FromBase(bytes / 2),
            .written = Bytes::FromBase(bytes / 2)};
  }
};

TEST_F(FrameworkKernelTest, NoneIsShorterThanItsLeastTime) {
  const OperationTime time = OperationTime::Analytic(ClusterOf("h100-8"));
  MemoryBound small = Copy(4096);
  small.least = Microseconds(6);
  const Cost cost = time.CostOf(small).value();
  EXPECT_DOUBLE_EQ(cost.mean.base(), 6e-6);
  EXPECT_LE(cost.low, cost.mean);
  EXPECT_LE(cost.mean, cost.high);
  MemoryBound large = Copy(1e9);
  const Cost alone = time.CostOf(large).value();
  large.least = Microseconds(6);
  EXPECT_EQ(time.CostOf(large)->mean, alone.mean) << "its bytes take longer";
}

// An H200 has an H100's multiprocessors and 1.4 times its memory's rate: a wide copy is shorter
// there, a strided one is not. 132 multiprocessors at 1.83 GHz and 11.8 bytes a cycle: 2.85 TB/s.
TEST_F(FrameworkKernelTest, StridedAccessesTakeAsLongWhereOnlyMemoryIsFaster) {
  const OperationTime h100 = OperationTime::Analytic(ClusterOf("h100-8"));
  const OperationTime h200 = OperationTime::Analytic(ClusterOf("h200-8"));
  MemoryBound work = Copy(1e9);
  EXPECT_LT(h200.CostOf(work)->mean.base(), 0.8 * h100.CostOf(work)->mean.base());
  work.issued = Bytes::FromBase(3e9);
  EXPECT_NEAR(h100.CostOf(work)->mean.base(), 3e9 / (11.8 * 132 * 1.83e9), 1e-12);
  EXPECT_EQ(h200.CostOf(work)->mean, h100.CostOf(work)->mean);
}

}  // namespace
}  // namespace ridgeline::compute
