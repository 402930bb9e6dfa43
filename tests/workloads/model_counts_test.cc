// Every shipped model is read, and its parameters are those that its publisher states.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <optional>
#include <regex>
#include <set>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/diagnostic.h"
#include "tests/workloads/published_models.h"
#include "workloads/model_catalog.h"

namespace ridgeline::workloads {
namespace {

namespace fs = std::filesystem;

fs::path ModelsFolder() { return fs::path(RIDGELINE_SOURCE_DIR) / "configs" / "models"; }

std::set<std::string> ShippedModels() {
  std::set<std::string> names;
  for (const auto& entry : fs::directory_iterator(ModelsFolder())) {
    if (entry.path().extension() == ".json") {
      names.insert(entry.path().stem().string());
    }
  }
  return names;
}

Model Read(const std::string& name) {
  auto model = ReadModelFile(ModelsFolder() / (name + ".json"), name);
  EXPECT_TRUE(model) << RenderError(model.error());
  return model ? *model : Model{};
}

/// "30b" in "qwen3-30b-a3b" is 30 (billions); "1t" is 1,000; nothing for "kimi-k2".
std::optional<double> CountInName(const std::string& name, const std::string& before) {
  std::smatch match;
  const std::regex pattern("-" + before + R"(([0-9.]+)([bt])(-|$))");
  if (!std::regex_search(name, match, pattern)) {
    return std::nullopt;
  }
  return std::stod(match[1]) * (match[2] == "t" ? 1000 : 1);
}

template <class Table>
bool Lists(const Table& table, const std::string& name) {
  return std::ranges::any_of(table, [&](const Deviation& entry) { return entry.name == name; });
}

TEST(ModelCountsTest, CheckedModelsAgreeToATenthOfAPercent) {
  for (const CheckedCount& checked : kChecked) {
    const Model model = Read(std::string(checked.name));
    const ModelParameters count = CountParameters(model);
    // The published figures have two decimals: half a unit of the last, where that is coarser.
    const auto near = [](double value) { return std::max(0.001 * value, 0.005001); };
    EXPECT_NEAR(static_cast<double>(count.total) * 1e-9, checked.total, near(checked.total))
        << checked.name;
    EXPECT_NEAR(static_cast<double>(count.active) * 1e-9, checked.active, near(checked.active))
        << checked.name;
    EXPECT_EQ(KvElementsPerToken(model), checked.kv_elements) << checked.name;
    EXPECT_EQ(StateElementsPerSequence(model), checked.state_elements) << checked.name;
  }
}

TEST(ModelCountsTest, EveryOtherModelHasTheCountOfItsNameOrAReason) {
  int compared = 0;
  for (const std::string& name : ShippedModels()) {
    const ModelParameters count = CountParameters(Read(name));
    const std::optional<double> total = CountInName(name, "");
    if (total) {
      ++compared;
      const double ratio = static_cast<double>(count.total) * 1e-9 / *total;
      EXPECT_EQ(std::abs(ratio - 1) > 0.03, Lists(kDeviations, name))
          << name << ": " << static_cast<double>(count.total) * 1e-9;
    }
    const std::optional<double> active = CountInName(name, "a");
    if (active) {
      const double ratio = static_cast<double>(count.active) * 1e-9 / *active;
      EXPECT_EQ(std::abs(ratio - 1) > 0.1, Lists(kActiveDeviations, name))
          << name << ": " << static_cast<double>(count.active) * 1e-9;
    }
  }
  EXPECT_GT(compared, 40);
}

TEST(ModelCountsTest, DeviationsNameShippedModels) {
  const std::set<std::string> names = ShippedModels();
  for (const Deviation& entry : kDeviations) {
    EXPECT_TRUE(names.contains(std::string(entry.name))) << entry.name;
  }
}

TEST(ModelCountsTest, AliasesNameShippedModelsAndHideNone) {
  const auto aliases = ReadAliases(ModelsFolder() / "aliases.yaml");
  ASSERT_TRUE(aliases) << RenderError(aliases.error());
  const std::set<std::string> names = ShippedModels();
  EXPECT_GT(aliases->size(), 10u);
  for (const auto& [alias, name] : *aliases) {
    EXPECT_TRUE(names.contains(name)) << alias << ": " << name;
    EXPECT_FALSE(names.contains(alias)) << alias;
  }
}

// Brown et al., table 2.1: 174.6 billion; 12 L h^2 (1 + 13/(12 h)) + (V + s) h + 2 h with L 96, h
// 12288, V 51200 and 2048 positions: 96 x (12 x 12288^2 + 13 x 12288) + 53248 x 12288 + 24576.
TEST(ModelCountsTest, Gpt3ByHand) {
  EXPECT_EQ(CountParameters(Read("gpt-3-175b")).total,
            96LL * (12LL * 12288 * 12288 + 13 * 12288) + 53248LL * 12288 + 24576);
}

// Llama-3.1-8B at 8,192 tokens: 6 x (8.03 B - 0.525 B of the embedding table and the norms) and 6 x
// 32 layers x 4096 x 8193 (each token sees 4096.5 others on average): 51.5 GFLOP; 57.9 for the
// square.
TEST(TrainingFlopsTest, LlamaByHand) {
  const Model model = Read("llama-3.1-8b");
  const double matrices =
      32.0 * (4096.0 * (2 * 4096 + 2 * 1024) + 3.0 * 4096 * 14336) + 128256.0 * 4096;
  EXPECT_DOUBLE_EQ(TrainingFlopsPerToken(model, 8192, true), 6 * matrices + 6.0 * 32 * 4096 * 8193);
  EXPECT_DOUBLE_EQ(TrainingFlopsPerToken(model, 8192, false),
                   6 * matrices + 12.0 * 32 * 4096 * 8192);
  EXPECT_NEAR(TrainingFlopsPerToken(model, 8192, true), 51.5e9, 0.05e9);
  EXPECT_NEAR(TrainingFlopsPerToken(model, 8192, false), 57.9e9, 0.1e9);
}

// Narayanan et al. (arXiv:2104.04473), equation 3: 96 L h^2 (1 + s/(6h) + V/(16 L h)) a token with
// one more forward for recomputation; without it 72 L h^2 (1 + s/(6h) + V/(12 L h)). The full
// square counts.
TEST(TrainingFlopsTest, GptAsInTheMegatronPaper) {
  const Model model = Read("gpt-3-175b");
  const double l = 96;
  const double h = 12288;
  const double s = 2048;
  const double v = 51200;
  EXPECT_NEAR(TrainingFlopsPerToken(model, 2048, false),
              72 * l * h * h * (1 + s / (6 * h) + v / (12 * l * h)), 1e-6 * 72 * l * h * h);
}

}  // namespace
}  // namespace ridgeline::workloads
