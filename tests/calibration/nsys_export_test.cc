// Exports of Nsight Systems, built here table by table, and what is read from them.
#include "calibration/nsys_export.h"

#include <filesystem>
#include <fstream>
#include <string>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <sqlite3.h>

#include "calibration/kernel_name.h"
#include "calibration/point_source.h"

namespace ridgeline::calibration {
namespace {

using testing::HasSubstr;

constexpr int64_t kThread = (7LL << 24) + 1;  // thread 1 of process 7
constexpr int64_t kOther = (7LL << 24) + 2;

/// A database file of its own, filled by SQL.
class Export {
 public:
  explicit Export(const std::string& name)
      : path_(std::filesystem::path(testing::TempDir()) / (name + ".sqlite")) {
    std::filesystem::remove(path_);
    EXPECT_EQ(sqlite3_open(path_.c_str(), &database_), SQLITE_OK);
    Run("PRAGMA synchronous = OFF");
  }
  ~Export() { Close(); }
  Export(const Export&) = delete;
  Export& operator=(const Export&) = delete;

  Export& Run(const std::string& sql) {
    char* message = nullptr;
    EXPECT_EQ(sqlite3_exec(database_, sql.c_str(), nullptr, nullptr, &message), SQLITE_OK)
        << sql << ": " << (message == nullptr ? "" : message);
    sqlite3_free(message);
    return *this;
  }
  /// The tables of a recent version, names of kernels as ids, texts of ranges in place.
  Export& Tables() {
    return Run(
        "CREATE TABLE StringIds (id INTEGER PRIMARY KEY, value TEXT NOT NULL);"
        "CREATE TABLE TARGET_INFO_GPU (id INT, name TEXT);"
        "INSERT INTO TARGET_INFO_GPU VALUES (0, 'NVIDIA H100 80GB HBM3');"
        "CREATE TABLE CUPTI_ACTIVITY_KIND_KERNEL (start INT, end INT, deviceId INT, streamId INT,"
        " correlationId INT, globalPid INT, demangledName INT, shortName INT, gridX INT);"
        "CREATE TABLE CUPTI_ACTIVITY_KIND_RUNTIME (start INT, end INT, eventClass INT,"
        " globalTid INT, correlationId INT, nameId INT);"
        "CREATE TABLE NVTX_EVENTS (start INT, end INT, eventType INT, text TEXT, globalTid INT,"
        " textId INT, jsonTextId INT, jsonText TEXT);");
  }
  Export& Range(int64_t start, int64_t end, const std::string& text, int64_t thread = kThread,
                const std::string& payload = "") {
    return Run(fmt::format("INSERT INTO NVTX_EVENTS VALUES ({}, {}, 59, '{}', {}, NULL, NULL, {})",
                           start, end, text, thread,
                           payload.empty() ? "NULL" : "'" + payload + "'"));
  }
  /// Launched at `launch`; runs `nanoseconds` later on the GPU, wherever the host is by then.
  Export& Kernel(int64_t launch, int64_t nanoseconds, const std::string& name,
                 int64_t thread = kThread) {
    const int64_t id = ++kernels_;
    return Run(fmt::format(
        "INSERT OR IGNORE INTO StringIds VALUES ({0}, '{1}');"
        "INSERT INTO CUPTI_ACTIVITY_KIND_KERNEL VALUES ({2}, {3}, 0, 7, {0}, {4}, {0}, {0}, 1);"
        "INSERT INTO CUPTI_ACTIVITY_KIND_RUNTIME VALUES ({5}, {6}, 0, {7}, {0}, 0);",
        id, name, 1000000 + launch, 1000000 + launch + nanoseconds, (thread >> 24) << 24, launch,
        launch + 5, thread));
  }
  Result<ImportedPoints> Read(const TraceFacts& facts = {}) {
    Close();
    return ReadPointSource(path_, "h100-sxm", facts);
  }
  const std::filesystem::path& path() const { return path_; }

 private:
  void Close() {
    sqlite3_close(database_);
    database_ = nullptr;
  }

  std::filesystem::path path_;
  sqlite3* database_ = nullptr;
  int64_t kernels_ = 0;
};

constexpr const char* kGemmTN = "nvjet_tst_128x256_64x4_1x2_h_bz_coopA_TNT";

// The product's range holds a split-k GEMM of 40 us and its reduction of 2 us: 42 us in all. The
// copy launched before it, inside the linear layer's range, is not the product's.
TEST(NsysExportTest, KernelsOfTheInnermostRangeAreSummed) {
  Export trace("sum");
  trace.Tables()
      .Range(0, 1000, "aten::linear, seq = 1, sizes = [[512, 4096], [11008, 4096], []]")
      .Range(100, 500, "aten::mm, seq = 2, sizes = [[512, 4096], [4096, 11008]]")
      .Kernel(50, 3000, "void at::native::copy_kernel<c10::BFloat16>(int)")
      .Kernel(200, 40000, kGemmTN)
      .Kernel(300, 2000, "void cublasLt::splitKreduce_kernel<32, float, __nv_bfloat16>(int)");
  const auto read = trace.Read();
  ASSERT_TRUE(read.has_value()) << read.error().message;
  ASSERT_EQ(read->points.size(), 1U) << read->reasons.front().reason;
  const Measurement& point = read->points[0];
  EXPECT_EQ(point.operation, TimedOperation(Gemm{.m = 512, .n = 11008, .k = 4096}));
  EXPECT_NEAR(point.time.base(), 42e-6, 1e-12);
  EXPECT_EQ(point.condition, TraceCondition());
  EXPECT_EQ(point.source, "nsys");
  EXPECT_EQ(point.device, "NVIDIA H100 80GB HBM3");
  EXPECT_EQ(point.library, kGemmTN);
  // What the linear layer launched beside its product is no linear layer.
  EXPECT_EQ(read->rows, 2);
  EXPECT_EQ(read->left_out, 1);
}

// 10, 12 and 20 us: the median is 12, the deviations 2, 0 and 8, their median 2: 1.4826 x 2 / 12.
TEST(NsysExportTest, RepeatsAreOnePointOfTheirMedian) {
  Export trace("repeats");
  trace.Tables();
  for (const auto& [start, time] : {std::pair(0, 20000), {100, 10000}, {200, 12000}}) {
    trace.Range(start, start + 50, "aten::mm, sizes = [[8, 16], [16, 32]]")
        .Kernel(start + 10, time, kGemmTN);
  }
  const auto read = trace.Read();
  ASSERT_EQ(read->points.size(), 1U);
  EXPECT_NEAR(read->points[0].time.base(), 12e-6, 1e-12);
  EXPECT_EQ(read->points[0].samples, 3);
  EXPECT_NEAR(read->points[0].spread, 1.4826 * 2 / 12, 1e-9);
}

TEST(NsysExportTest, ALaunchOnAnotherThreadOrBehindTheRangeIsOutside) {
  Export trace("outside");
  trace.Tables()
      .Range(0, 100, "aten::mm, sizes = [[8, 16], [16, 32]]")
      .Kernel(10, 5000, kGemmTN, kOther)
      .Kernel(100, 5000, kGemmTN)
      .Kernel(99, 7000, kGemmTN);
  const auto read = trace.Read();
  ASSERT_EQ(read->points.size(), 1U);
  EXPECT_NEAR(read->points[0].time.base(), 7e-6, 1e-12);
  ASSERT_EQ(read->reasons.size(), 1U);
  EXPECT_EQ(read->reasons[0].count, 2);
  EXPECT_THAT(read->reasons[0].reason, HasSubstr("outside every range"));
}

TEST(NsysExportTest, WhatNamesDoNotTellIsAskedForAndNeverGuessed) {
  const auto read = [](const TraceFacts& facts) {
    Export trace("asked");
    return trace.Tables()
        .Range(0, 100, "aten::mm, sizes = [[8, 16], [16, 32]]")
        .Kernel(10, 5000, "my_gemm_kernel")
        .Range(200, 300,
               "aten::_scaled_dot_product_cudnn_attention, seq = 3, "
               "sizes = [[2, 32, 512, 128], [2, 8, 512, 128], [2, 8, 512, 128], [], []]")
        .Kernel(210, 9000, "cudnn_generated_fort_native_sdpa_sm90_flash_fprop_wgmma_bf16_knob_7")
        .Read(facts);
  };
  const auto asked = read({});
  EXPECT_TRUE(asked->points.empty());
  ASSERT_EQ(asked->reasons.size(), 2U);
  EXPECT_EQ(asked->reasons[0].hint, "--assume dtype=bf16");
  EXPECT_EQ(asked->reasons[1].hint, "--assume causal=yes");

  TraceFacts facts;
  for (const char* const fact : {"dtype=fp16", "causal=no", "layout=NN", "launch=graph"}) {
    EXPECT_TRUE(AddTraceFact(fact, facts).has_value()) << fact;
  }
  const auto told = read(facts);
  ASSERT_EQ(told->points.size(), 2U);
  for (const Measurement& point : told->points) {
    EXPECT_EQ(point.condition.launch, hardware::Launch::kGraph);
    if (const auto* const gemm = std::get_if<Gemm>(&point.operation)) {
      EXPECT_EQ(gemm->dtype, DType::kFp16);
      EXPECT_EQ(point.condition.layout, hardware::Layout::kNN);
    } else {
      const auto& attention = std::get<Attention>(point.operation);
      EXPECT_EQ(attention.dtype, DType::kBf16);  // the kernel's name says so
      EXPECT_FALSE(attention.causal);
      EXPECT_EQ(attention.kv_heads, 8);
      EXPECT_EQ(attention.q_len, 512);
    }
  }
  for (const char* const bad :
       {"dtyp=bf16", "dtype=b16", "causal=maybe", "ranks=0", "launch=lazy", "dtype"}) {
    EXPECT_FALSE(AddTraceFact(bad, facts).has_value()) << bad;
  }
}

// Each rank of 8 hands in 1 MiB, so the gathered buffer is 8 MiB. The second call's kernel waited
// for the others: the shortest counts.
TEST(NsysExportTest, CollectivesTakeBytesAndRanksFromNcclsPayloads) {
  Export trace("nccl");
  trace.Tables()
      .Range(0, 10, "ncclCommInitRankConfig", kOther,
             R"({"NCCL communicator ID":77,"No. of ranks":8,"Rank":3,"CUDA device":3})")
      .Range(100, 200, "ncclAllGather", kThread,
             R"({"NCCL communicator ID":77,"Message size [bytes]":1048576})")
      .Kernel(150, 60000, "ncclDevKernel_AllGather_RING_LL(ncclDevKernelArgsStorage<4096ul>)")
      .Range(300, 400, "ncclAllGather", kThread,
             R"({"NCCL communicator ID":77,"Message size [bytes]":1048576})")
      .Kernel(350, 900000, "ncclDevKernel_AllGather_RING_LL(ncclDevKernelArgsStorage<4096ul>)")
      .Range(500, 600, "ncclAllReduce", kThread)
      .Kernel(550, 70000, "ncclDevKernel_AllReduce_Sum_bf16_RING_LL(int)");
  const auto read = trace.Read({.dtype = DType::kBf16});
  ASSERT_TRUE(read.has_value()) << read.error().message;
  ASSERT_EQ(read->points.size(), 1U);
  const auto& collective = std::get<Collective>(read->points[0].operation);
  EXPECT_EQ(collective.kind, CollectiveKind::kAllGather);
  EXPECT_EQ(collective.bytes, Bytes::FromBase(8388608));
  EXPECT_EQ(collective.group.ranks, 8);
  EXPECT_NEAR(read->points[0].time.base(), 60e-6, 1e-12);
  ASSERT_EQ(read->reasons.size(), 1U);
  EXPECT_THAT(read->reasons[0].reason, HasSubstr("does not say its bytes"));
}

TEST(NsysExportTest, ARangeMayBeALineOfCostThatSaysItsOwnCondition) {
  Export trace("own");
  trace.Tables()
      .Range(0, 100, R"({"op":"swiglu","dtype":"fp16","tokens":64,"ffn":128,"launch":"graph"})")
      .Kernel(10, 5000, "my_swiglu")
      .Range(200, 300, R"({"op":"swiglu","tokens":-64})")
      .Kernel(210, 5000, "my_swiglu");
  const auto read = trace.Read();
  ASSERT_EQ(read->points.size(), 1U);
  EXPECT_EQ(read->points[0].condition.launch, hardware::Launch::kGraph);
  EXPECT_EQ(read->points[0].condition.cache, hardware::CacheState::kProgram);
  ASSERT_EQ(read->reasons.size(), 1U);
  EXPECT_THAT(read->reasons[0].reason, HasSubstr("tokens must be"));
}

// Text by id, names in one text column, no process, device, payload or kind of event.
TEST(NsysExportTest, OlderSchemasAreReadByTheColumnsThatTheyHave) {
  Export trace("older");
  const auto read =
      trace
          .Run(
              "CREATE TABLE StringIds (id INT, value TEXT);"
              "INSERT INTO StringIds VALUES (1, 'aten::mm, sizes = [[8, 16], [16, 32]]');"
              "CREATE TABLE CUPTI_ACTIVITY_KIND_KERNEL (start INT, end INT, correlationId INT, "
              "name TEXT);"
              "INSERT INTO CUPTI_ACTIVITY_KIND_KERNEL VALUES (500, 2500, 9, "
              "'ampere_bf16_s16816gemm_bf16_128x128_ldg8_f2f_stages_32x5_tn');"
              "CREATE TABLE CUPTI_ACTIVITY_KIND_RUNTIME (start INT, end INT, globalTid INT, "
              "correlationId INT);"
              "INSERT INTO CUPTI_ACTIVITY_KIND_RUNTIME VALUES (50, 60, 3, 9);"
              "CREATE TABLE NVTX_EVENTS (start INT, end INT, textId INT, globalTid INT);"
              "INSERT INTO NVTX_EVENTS VALUES (0, 100, 1, 3), (0, NULL, 1, 3);")
          .Read();
  ASSERT_TRUE(read.has_value()) << read.error().message;
  ASSERT_EQ(read->points.size(), 1U);
  EXPECT_NEAR(read->points[0].time.base(), 2e-6, 1e-12);
}

TEST(NsysExportTest, MissingTablesAndColumnsAreNamedWithTheOptionThatMakesThem) {
  const auto error = [](const std::string& name, const std::string& drop) {
    Export trace(name);
    return trace.Tables().Run(drop).Read().error();
  };
  EXPECT_THAT(error("a", "DROP TABLE NVTX_EVENTS").message, HasSubstr("no table NVTX_EVENTS"));
  EXPECT_THAT(error("a", "DROP TABLE NVTX_EVENTS").hint, HasSubstr("record_shapes=True"));
  EXPECT_THAT(error("b", "DROP TABLE StringIds").hint, HasSubstr("nsys export"));
  EXPECT_THAT(error("c", "DROP TABLE CUPTI_ACTIVITY_KIND_KERNEL").hint, HasSubstr("--trace=cuda"));
  EXPECT_THAT(error("d",
                    "DROP TABLE CUPTI_ACTIVITY_KIND_KERNEL;"
                    "CREATE TABLE CUPTI_ACTIVITY_KIND_GRAPH_TRACE (start INT);"
                    "INSERT INTO CUPTI_ACTIVITY_KIND_GRAPH_TRACE VALUES (1)")
                  .hint,
              HasSubstr("--cuda-graph-trace=node"));
  EXPECT_THAT(
      error("e", "ALTER TABLE CUPTI_ACTIVITY_KIND_KERNEL RENAME COLUMN start TO begin").message,
      HasSubstr("no column start in table CUPTI_ACTIVITY_KIND_KERNEL"));
}

TEST(NsysExportTest, DamageTheWrongGpuAndNoGpuAreErrors) {
  Export trace("wrong");
  trace.Tables().Range(0, 100, "aten::mm, sizes = [[8, 16], [16, 32]]").Kernel(10, 5000, kGemmTN);
  EXPECT_TRUE(trace.Read().has_value());
  EXPECT_THAT(ReadPointSource(trace.path(), "a100-sxm-80g").error().message,
              HasSubstr("NVIDIA H100 80GB HBM3, not on a100-sxm-80g"));
  EXPECT_THAT(ReadPointSource(trace.path(), "").error().hint, HasSubstr("--gpu"));
  const std::filesystem::path cut = std::filesystem::path(testing::TempDir()) / "cut.sqlite";
  std::ofstream(cut, std::ios::binary) << "SQLite format 3" << '\0' << "rest";
  EXPECT_THAT(ReadPointSource(cut, "h100-sxm").error().message, HasSubstr("as SQLite"));
}

TEST(KernelNameTest, TypesLayoutsAndMasksAreReadWhereNamesTellThem) {
  EXPECT_EQ(OperandTypeIn("nvjet_hsh_128x256_64x4_1x2_h_bz_TNT"), DType::kFp16);
  EXPECT_EQ(OperandTypeIn("nvjet_qqtst_128x128_128x7_2x1_v_bz_TNN"), DType::kFp8);
  EXPECT_EQ(OperandTypeIn("sm90_xmma_gemm_bf16bf16_bf16f32_f32_tn_n_tilesize128x128x64"),
            DType::kBf16);
  EXPECT_EQ(OperandTypeIn("sm90_xmma_gemm_f32f32_tf32f32_f32_nt_n"), DType::kTf32);
  EXPECT_EQ(OperandTypeIn("sm90_xmma_gemm_e4m3bf16_e4m3f32_f32_tn_n"), DType::kFp8);
  EXPECT_EQ(OperandTypeIn("ampere_sgemm_128x64_nn"), DType::kFp32);
  EXPECT_EQ(OperandTypeIn("my_kernel"), std::nullopt);
  EXPECT_EQ(LayoutIn("nvjet_tst_256x128_64x4_1x2_h_bz_coopA_NNT"), "NN");
  EXPECT_EQ(LayoutIn("nvjet_tst_256x128_64x4_1x2_h_bz_NTT"), "NT");
  EXPECT_EQ(LayoutIn("void cutlass::Kernel2<cutlass_80_wmma_tensorop_bf16_128x64_tn_align8>(int)"),
            "TN");
  EXPECT_EQ(LayoutIn("gemv2T_kernel"), "");
  const auto flash = [](const char* arguments) {
    return CausalIn(
        fmt::format("void pytorch_flash::flash_fwd_kernel<pytorch_flash::"
                    "Flash_fwd_kernel_traits<(int)128, (int)64, cutlass::bfloat16_t>, {}>(int)",
                    arguments));
  };
  EXPECT_EQ(flash("(bool)0, (bool)1, (bool)0"), true);
  EXPECT_EQ(flash("false, false, true"), false);
  EXPECT_EQ(CausalIn("cudnn_generated_fort_native_sdpa"), std::nullopt);
  EXPECT_EQ(CollectiveIn("ncclDevKernel_AllReduce_Sum_bf16_RING_LL(int)"),
            CollectiveKind::kAllReduce);
  EXPECT_EQ(CollectiveIn("ncclDevKernel_SendRecv(int)"), std::nullopt);
}

}  // namespace
}  // namespace ridgeline::calibration
