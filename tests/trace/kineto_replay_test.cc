#include "sim/trace/kineto_replay.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/diagnostic.h"
#include "hardware/catalog.h"

namespace ridgeline::trace {
namespace {

// As torch.profiler writes it with record_shapes=True: an operator and what it launched share an
// External id; times are microseconds.
constexpr const char* kTrace = R"json({"schemaVersion": 1, "traceEvents": [
 {"ph":"X","cat":"cpu_op","name":"aten::mm","ts":1000,"dur":30,"args":{"External id":11,
  "Input Dims":[[8192,4096],[4096,14336]],"Input type":["c10::BFloat16","c10::BFloat16"]}},
 {"ph":"X","cat":"cpu_op","name":"aten::add","ts":1040,"dur":9,"args":{"External id":12,
  "Input Dims":[[8192,4096],[8192,4096],[]],"Input type":["c10::BFloat16","c10::BFloat16","Scalar"]}},
 {"ph":"X","cat":"kernel","name":"nvjet_tst_256x128_64x4_2x1_v_bz_coopA_TNT","ts":1100.5,"dur":1500,
  "args":{"External id":11,"device":0,"stream":7}},
 {"ph":"X","cat":"kernel","name":"void at::native::vectorized_elementwise_kernel<4>","ts":2610.5,
  "dur":100,"args":{"External id":12,"device":0,"stream":7}},
 {"ph":"X","cat":"kernel","name":"ncclDevKernel_AllReduce_Sum_bf16_RING_LL","ts":1200.5,"dur":300,
  "args":{"External id":13,"device":0,"stream":20}},
 {"ph":"X","cat":"gpu_memcpy","name":"Memcpy HtoD (Pinned -> Device)","ts":2730.5,"dur":40,
  "args":{"device":0,"stream":7}},
 {"ph":"i","cat":"marker","name":"x","ts":0}]})json";

compute::OperationTime On(const std::string& gpu) {
  const hardware::Catalog catalog({RIDGELINE_SOURCE_DIR "/configs"});
  Reference<hardware::Gpu> reference;
  reference.name = gpu;
  hardware::Cluster cluster;
  Result<hardware::Gpu> found = catalog.ResolveGpu(reference);
  EXPECT_TRUE(found.has_value());
  cluster.gpu = *found;
  auto library = catalog.ResolveCollectives(cluster.network.library);
  EXPECT_TRUE(library.has_value());
  cluster.collectives = *library;
  cluster.node.gpus = 1;
  return compute::OperationTime::Analytic(cluster);
}

std::vector<ProfiledKernel> MustRead(const std::string& text) {
  Result<std::vector<ProfiledKernel>> kernels = ReadKineto(text, "trace.json");
  if (!kernels) {
    ADD_FAILURE() << RenderError(kernels.error());
    return {};
  }
  return *std::move(kernels);
}

TEST(KinetoReplayTest, KernelsKnowWhatLaunchedThem) {
  const std::vector<ProfiledKernel> kernels = MustRead(kTrace);
  ASSERT_EQ(kernels.size(), 4U);
  EXPECT_EQ(kernels[0].kind, KernelKind::kGemm);
  EXPECT_EQ(kernels[0].begin, 0);
  ASSERT_TRUE(kernels[0].operation.has_value());
  EXPECT_EQ(*kernels[0].operation, Operation(Gemm{.m = 8192, .n = 14336, .k = 4096}));
  EXPECT_EQ(kernels[1].kind, KernelKind::kCollective);
  EXPECT_EQ(kernels[1].begin, 100'000'000);
  EXPECT_EQ(kernels[2].kind, KernelKind::kMemoryBound);
  EXPECT_EQ(kernels[3].kind, KernelKind::kHostCopy);
}

// 1,500 + gap 10 + 100 + gap 20 + 40 = 1,670 us; the collective beside.
TEST(KinetoReplayTest, OnTheSameGpuNothingChanges) {
  const compute::OperationTime h100 = On("h100-sxm");
  const KernelReplay replay = ReplayKernels(MustRead(kTrace), h100, h100);
  EXPECT_EQ(replay.recorded, 1'670'000'000);
  EXPECT_EQ(replay.replayed, replay.recorded);
  // The product is 1,500 of 1,940 us of kernels.
  EXPECT_NEAR(replay.recognised, 1500.0 / 1940.0, 1e-12);
}

TEST(KinetoReplayTest, OnAnotherGpuEachKindTakesItsRatioAndGapsStay) {
  const compute::OperationTime h100 = On("h100-sxm");
  const compute::OperationTime a100 = On("a100-sxm-80g");
  const KernelReplay replay = ReplayKernels(MustRead(kTrace), h100, a100);
  const Operation gemm = Gemm{.m = 8192, .n = 14336, .k = 4096};
  const double ratio = a100.BurstCostOf(gemm)->mean / h100.BurstCostOf(gemm)->mean;
  EXPECT_GT(ratio, 2.0);
  const double bandwidth = h100.gpu().memory.bandwidth / a100.gpu().memory.bandwidth;
  const double link = h100.gpu().host_link / a100.gpu().host_link;
  EXPECT_NEAR(static_cast<double>(replay.replayed),
              1e6 * (1500 * ratio + 10 + 100 * bandwidth + 20 + 40 * link), 10.0);
  const auto& collectives = replay.kinds[static_cast<size_t>(KernelKind::kCollective)];
  EXPECT_EQ(collectives.replayed, collectives.recorded);
}

TEST(KinetoReplayTest, WhatIsNoTraceIsRefused) {
  EXPECT_FALSE(ReadKineto("not json", "x").has_value());
  EXPECT_FALSE(ReadKineto("{}", "x").has_value());
  EXPECT_FALSE(ReadKineto(R"({"traceEvents": []})", "x").has_value());
  EXPECT_FALSE(ReadKineto(R"({"traceEvents": [{"ph":"X","cat":"cpu_op"}, 3]})", "x").has_value());
}

}  // namespace
}  // namespace ridgeline::trace
