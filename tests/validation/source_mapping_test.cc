#include "planner/validation/source_mapping.h"

#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/diagnostic.h"
#include "planner/validation/suite.h"

namespace ridgeline::validation {
namespace {

using ::testing::HasSubstr;

const std::filesystem::path kFolder =
    std::filesystem::path(RIDGELINE_SOURCE_DIR) / "configs" / "validation";

const SourceMappings& Shipped() {
  static const SourceMappings mappings = [] {
    Result<SourceMappings> read = SourceMappings::Read(kFolder / "sources");
    if (!read) {
      throw std::runtime_error(RenderError(read.error()));
    }
    return *std::move(read);
  }();
  return mappings;
}

std::vector<PublishedRow> RowsOf(const char* file) {
  const Result<CsvTable> table = ReadCsv(kFolder / file);
  return *ReadPublishedRows(*table);
}

/// A row as a publisher could write it.
PublishedRow Row(std::map<std::string, std::string> columns) {
  std::map<std::string, std::string> all = {
      {"id", "made-up"},
      {"source", "NVIDIA/Megatron-LM README.md"},
      {"model", "GPT-8B"},
      {"layers", "32"},
      {"hidden", "4096"},
      {"ffn", "16384"},
      {"heads", "32"},
      {"kv_heads", "32"},
      {"vocab", "51200"},
      {"seq", "2048"},
      {"gpu", "A100-80GB-SXM"},
      {"num_gpus", "16"},
      {"gpus_per_node", "8"},
      {"tp", "2"},
      {"pp", "2"},
      {"vpp", "1"},
      {"cp", "1"},
      {"ep", "1"},
      {"dp", "4"},
      {"zero_or_fsdp", "none"},
      {"micro_batch", "2"},
      {"global_batch", "64"},
      {"precision", "bf16"},
      {"recompute", "none"},
      {"schedule", "1f1b"},
      {"interconnect", "NVLink3 600GB/s/GPU + 8x200Gb/s HDR IB/node"},
      {"metric_name", "step_time_s"},
      {"metric_value", "1"},
      {"notes", "gated_mlp=0"}};
  for (auto& [name, value] : columns) {
    all[name] = value;
  }
  std::string header;
  std::string line;
  for (const auto& [name, value] : all) {
    header += (header.empty() ? "" : ",") + name;
    line += (line.empty() ? "\"" : ",\"") + value + "\"";
  }
  const Result<CsvTable> table = ParseCsv("row.csv", header + "\n" + line + "\n");
  const auto rows = ReadPublishedRows(*table);
  return rows->front();
}

std::string At(const Node& root, std::string_view path) {
  const Node* node = &root;
  while (node != nullptr && !path.empty()) {
    const size_t dot = path.find('.');
    node = node->Find(path.substr(0, dot));
    path = dot == std::string_view::npos ? std::string_view{} : path.substr(dot + 1);
  }
  return node == nullptr ? "(none)" : node->scalar;
}

TEST(SourceMappingTest, EveryShippedRowIsMappedOrHasAReason) {
  for (const char* file : {"training.csv", "training_sweeps.csv"}) {
    const std::vector<PublishedRow> rows = RowsOf(file);
    size_t mapped = 0;
    std::map<std::string, size_t> reasons;
    for (const PublishedRow& row : rows) {
      const MappedRow out = Shipped().Map(row);
      EXPECT_NE(out.mapping, "default") << row.source;
      EXPECT_NE(out.skip, SkipKind::kError) << row.id << ": " << out.reason;
      EXPECT_THAT(out.reason, Not(HasSubstr("not understood"))) << row.id;
      if (out.skip == SkipKind::kNone) {
        EXPECT_FALSE(out.scenario.entries.empty()) << row.id;
        ++mapped;
      } else {
        EXPECT_FALSE(out.reason.empty()) << row.id;
        ++reasons[out.reason];
      }
    }
    size_t skipped = 0;
    for (const auto& [reason, count] : reasons) {
      skipped += count;
    }
    EXPECT_EQ(mapped + skipped, rows.size()) << file;
  }
}

TEST(SourceMappingTest, ASuiteKeepsAllRowsOfItsFile) {
  const Result<Suite> suite = ReadCsvSuite(kFolder / "training.csv", Shipped());
  ASSERT_TRUE(suite) << RenderError(suite.error());
  EXPECT_EQ(suite->cases.size(), 224u);
  size_t without_micro_batch = 0;
  for (const Case& one : suite->cases) {
    without_micro_batch += one.reason == "micro batch not stated" ? 1 : 0;
  }
  // 7 rows of Megatron-LM's README, 4 of NeMo's long sequences, 3 of the Llama 3 paper, 1 of
  // DeepSeek-V3.
  EXPECT_EQ(without_micro_batch, 15u);
}

TEST(SourceMappingTest, NoMappingNamesARow) {
  std::set<std::string> ids;
  for (const char* file : {"training.csv", "training_sweeps.csv"}) {
    for (const PublishedRow& row : RowsOf(file)) {
      ids.insert(row.id);
    }
  }
  for (const auto& entry : std::filesystem::directory_iterator(kFolder / "sources")) {
    std::ostringstream text;
    text << std::ifstream(entry.path()).rdbuf();
    for (const std::string& id : ids) {
      EXPECT_THAT(text.str(), Not(HasSubstr(id))) << entry.path();
    }
  }
}

TEST(SourceMappingTest, RulesMayNotLookAtTheRowOrItsAnswer) {
  for (const char* column : {"id", "metric_value", "no_such_column"}) {
    const Result<Node> document = ParseDocument(
        "m.yaml", std::string("name: m\nrules:\n  - {when: {") + column + ": x}, skip: no}\n");
    ASSERT_TRUE(document);
    EXPECT_FALSE(Decode<SourceMapping>(*document)) << column;
  }
}

TEST(SourceMappingTest, ColumnsBecomeAScenario) {
  const MappedRow out = Shipped().Map(Row({{"notes", "gated_mlp=0; TP+SP; tied embeddings"},
                                           {"precision", "fp16"},
                                           {"recompute", "selective(attn core)"}}));
  ASSERT_EQ(out.skip, SkipKind::kNone) << out.reason;
  EXPECT_EQ(At(out.scenario, "cluster.nodes"), "dgx-a100");
  EXPECT_EQ(At(out.scenario, "cluster.count"), "2");
  EXPECT_EQ(At(out.scenario, "cluster.fabric"), "rail-optimized-200g");
  EXPECT_EQ(At(out.scenario, "training.model.tie_word_embeddings"), "true");
  EXPECT_EQ(At(out.scenario, "training.model.norm"), "layernorm");
  EXPECT_EQ(At(out.scenario, "training.precision"), "fp16");
  EXPECT_EQ(At(out.scenario, "training.recompute"), "selective");
  EXPECT_EQ(At(out.scenario, "training.sharding"), "ddp");
  EXPECT_EQ(At(out.scenario, "training.parallelism.sequence_parallel"), "true");
  EXPECT_EQ(At(out.scenario, "training.micro_batch"), "2");
}

TEST(SourceMappingTest, MixturesTakeTheirShapeFromTheToken) {
  const MappedRow out = Shipped().Map(
      Row({{"notes", "gated_mlp=1; moe=64exp_top6_shared2_ffn1408; head_dim=128"}, {"ep", "4"}}));
  ASSERT_EQ(out.skip, SkipKind::kNone) << out.reason;
  EXPECT_EQ(At(out.scenario, "training.model.num_experts"), "64");
  EXPECT_EQ(At(out.scenario, "training.model.num_experts_per_tok"), "6");
  EXPECT_EQ(At(out.scenario, "training.model.shared_intermediate_size"), "2816");
  EXPECT_EQ(At(out.scenario, "training.model.head_dim"), "128");
}

TEST(SourceMappingTest, UnknownSourcesAreGuessedAndSaySo) {
  const MappedRow out = Shipped().Map(Row({{"source", "someone/else"}}));
  ASSERT_EQ(out.skip, SkipKind::kNone) << out.reason;
  EXPECT_EQ(out.mapping, "default");
  EXPECT_THAT(out.assumed, ::testing::Contains(Assumed{"training.framework", "megatron-core"}));
}

TEST(SourceMappingTest, WhatIsNotStatedIsAssumedAloud) {
  const MappedRow out = Shipped().Map(Row({{"recompute", "not stated"}}));
  EXPECT_THAT(out.assumed, ::testing::Contains(Assumed{"training.recompute", "none"}));
}

TEST(SourceMappingTest, WordsThatNobodyKnowsExcludeTheRowWithTheWords) {
  EXPECT_EQ(Shipped().Map(Row({{"recompute", "every third moon"}})).reason,
            "recompute not understood: every third moon");
  EXPECT_EQ(Shipped().Map(Row({{"gpu", "TPU-v5p"}})).reason, "gpu not understood: TPU-v5p");
}

TEST(SourceMappingTest, FeaturesThatAreNotBuiltAreNamed) {
  EXPECT_EQ(Shipped().Map(Row({{"precision", "fp4"}})).reason, "not built yet: training in fp4");
  EXPECT_EQ(Shipped().Map(Row({{"recompute", "selective: norm, mlp"}})).reason,
            "not built yet: recomputation of modules that are not named here");
}

TEST(SourceMappingTest, LowRankFineTuningHasItsAdapters) {
  const MappedRow out = Shipped().Map(Row({{"notes", "LoRA fine-tune"}}));
  ASSERT_EQ(out.skip, SkipKind::kNone) << out.reason;
  EXPECT_EQ(At(out.scenario, "training.lora.rank"), "16");
}

TEST(SourceMappingTest, LayersThatDoNotDivideAreSpreadAsEvenlyAsTheyCanBe) {
  const MappedRow out = Shipped().Map(Row({{"layers", "33"}}));
  EXPECT_EQ(At(out.scenario, "training.framework.placement"), "uniform");
}

TEST(SourceMappingTest, ASourcesOwnWordsOverrideTheSharedOnes) {
  // Its configurations state 800 Gb/s a node of 8, the column speaks of 8 x 200.
  const MappedRow vtrain = Shipped().Map(
      Row({{"source", "VIA-Research/vTrain data/ground_truth_multi.csv"},
           {"interconnect",
            "NVLink3 600GB/s/GPU + 8x200Gb/s HDR IB/node (vTrain configs say 800 Gb/s "
            "inter-node)"}}));
  EXPECT_EQ(At(vtrain.scenario, "cluster.fabric"), "rail-optimized-100g");
  // Its configurations set the experts' tensor parallelism to 1.
  const MappedRow folded =
      Shipped().Map(Row({{"source", "yanring/Megatron-MoE-ModelZoo best_practice"},
                         {"notes", "gated_mlp=1; moe=64exp_top6_shared0_ffn1408"},
                         {"ep", "4"}}));
  EXPECT_EQ(At(folded.scenario, "training.parallelism.etp"), "1");
}

TEST(SourceMappingTest, WhatACellLeavesOpenIsAssumedAloud) {
  const MappedRow out = Shipped().Map(Row({{"interconnect", ""}, {"gpus_per_node", ""}}));
  ASSERT_EQ(out.skip, SkipKind::kNone) << out.reason;
  EXPECT_THAT(out.assumed,
              ::testing::IsSupersetOf({Assumed{"cluster.fabric", "rail-optimized-200g"},
                                       Assumed{"cluster.nodes.gpus", "8"}}));
}

TEST(SourceMappingTest, EmbeddingAndHeadCountAsLayersWhenOnlySoTheLayersDivide) {
  // 30 + 2 over 2 x 8 chunks: 2 a chunk.
  const MappedRow out =
      Shipped().Map(Row({{"layers", "30"}, {"vpp", "8"}, {"schedule", "interleaved-1f1b"}}));
  ASSERT_EQ(out.skip, SkipKind::kNone) << out.reason;
  EXPECT_EQ(At(out.scenario, "training.framework.base"), "megatron-core");
  EXPECT_EQ(At(out.scenario, "training.framework.counts_embedding_as_layer"), "true");
}

TEST(SourceMappingTest, ConventionsComeFromTheSourceAndTheNotes) {
  EXPECT_EQ(Shipped().Map(Row({{"source", "paper: Narayanan et al. SC21 Table 1"}})).flops.formula,
            FlopFormula::kSc21);
  const FlopConvention convention =
      Shipped().Map(Row({{"notes", "hw FLOPs incl. recompute"}})).flops;
  EXPECT_EQ(convention.recompute, RecomputeCount::kIncluded);
  EXPECT_EQ(convention.attention, AttentionCount::kFull);
}

}  // namespace
}  // namespace ridgeline::validation
