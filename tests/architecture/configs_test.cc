/// Every file under configs/ is read by the reader of its folder, which refuses unknown keys: so
/// every key that is written there means something to the program.
#include <gtest/gtest.h>

#include "base/config_reader.h"
#include "base/diagnostic.h"
#include "calibration/imported_ops.h"
#include "calibration/profile.h"
#include "hardware/catalog.h"
#include "planner/training_space.h"
#include "planner/validation/collective_measurements.h"
#include "planner/validation/field_map.h"
#include "planner/validation/measured_serving.h"
#include "planner/validation/network_suite.h"
#include "planner/validation/source_mapping.h"
#include "planner/validation/suite.h"
#include "sim/scenario.h"
#include "tests/architecture/source_tree.h"
#include "workloads/framework.h"
#include "workloads/model_catalog.h"
#include "workloads/serving_engine.h"
#include "workloads/trace_description.h"

namespace ridgeline::architecture {
namespace {

const hardware::Catalog kCatalog({kRoot / "configs"});

std::vector<std::filesystem::path> ConfigsOf(const std::string& folder) {
  std::vector<std::filesystem::path> files;
  for (const std::filesystem::path& file : FilesUnder("configs/" + folder)) {
    const std::string extension = file.extension().string();
    if (extension == ".yaml" || extension == ".yml" || extension == ".json") {
      files.push_back(kRoot / file);
    }
  }
  EXPECT_FALSE(files.empty()) << folder;
  return files;
}

template <class T>
void ExpectReads(const std::filesystem::path& file, const Result<T>& result) {
  EXPECT_TRUE(result.has_value()) << file << "\n" << RenderError(result.error());
}

template <class T>
void ExpectAllDecode(const std::string& folder) {
  for (const std::filesystem::path& file : ConfigsOf(folder)) {
    ExpectReads(file,
                ReadDocument(file).and_then([](const Node& node) { return Decode<T>(node); }));
  }
}

TEST(ConfigsTest, GpusDecode) { ExpectAllDecode<hardware::Gpu>("gpus"); }
TEST(ConfigsTest, NodesDecode) { ExpectAllDecode<hardware::Node>("nodes"); }
TEST(ConfigsTest, FabricsDecode) { ExpectAllDecode<hardware::Fabric>("fabrics"); }
TEST(ConfigsTest, CollectiveLibrariesResolve) {
  for (const std::filesystem::path& file : ConfigsOf("collectives")) {
    const auto library = kCatalog.ResolveCollectives(file.stem().string());
    ExpectReads(file, library);
    EXPECT_TRUE(library && (*library)->name == file.stem().string()) << file;
  }
}
TEST(ConfigsTest, EnginesDecode) { ExpectAllDecode<workloads::ServingEngine>("engines"); }
TEST(ConfigsTest, TracesDecode) { ExpectAllDecode<workloads::TraceDescription>("traces"); }
TEST(ConfigsTest, FrameworksDecode) { ExpectAllDecode<workloads::Framework>("frameworks"); }

TEST(ConfigsTest, ClustersResolve) {
  ExpectAllDecode<hardware::ClusterDescription>("clusters");
  for (const std::filesystem::path& file : ConfigsOf("clusters")) {
    Reference<hardware::ClusterDescription> reference;
    reference.name = file.stem().string();
    ExpectReads(file, kCatalog.ResolveCluster(reference));
  }
}

TEST(ConfigsTest, ModelsRead) {
  for (const std::filesystem::path& file : ConfigsOf("models")) {
    if (file.filename() == "aliases.yaml") {
      ExpectReads(file, workloads::ReadAliases(file));
    } else if (file.parent_path().filename() == "models") {
      ExpectReads(file, workloads::ReadModelFile(file, file.stem().string()));
    }
  }
}

TEST(ConfigsTest, CalibrationProfilesRead) {
  int profiles = 0;
  for (const std::filesystem::path& file : FilesUnder("configs/calibration")) {
    if (file.extension() == calibration::kProfileEnding) {
      const Result<calibration::Profile> profile = calibration::ReadProfile(kRoot / file);
      ExpectReads(file, profile);
      EXPECT_TRUE(profile && profile->gpu == file.stem().string()) << file;
      ++profiles;
    } else if (file.extension() == ".gz") {
      EXPECT_TRUE(calibration::IsImportedOpsName(file) || file.stem().extension() == ".jsonl")
          << file;
    }
  }
  EXPECT_GT(profiles, 0);
}

// Not interpreted before serving is built: a document, beside the model that it belongs to.
TEST(ConfigsTest, QuantisationFilesStandBesideTheirModels) {
  for (const std::filesystem::path& file : ConfigsOf("models/quantisation")) {
    const Result<Node> document = ReadDocument(file);
    ExpectReads(file, document);
    EXPECT_TRUE(document && document->Find("quantization") != nullptr) << file;
    EXPECT_TRUE(std::filesystem::exists(kRoot / "configs/models" / file.filename())) << file;
  }
}

TEST(ConfigsTest, ScenariosResolve) {
  for (const std::filesystem::path& file : ConfigsOf("scenarios")) {
    ExpectReads(file, sim::ReadScenarioFiles({file.string()}, {}).and_then([](const Node& node) {
      return sim::ResolveScenario(node, kCatalog);
    }));
  }
}

TEST(ConfigsTest, PlansAreSpaces) {
  for (const std::filesystem::path& file : ConfigsOf("plans")) {
    ExpectReads(file, sim::ReadScenarioFiles({file.string()}, {}).and_then([](const Node& node) {
      return planner::ReadTrainingSpace(node, kCatalog);
    }));
  }
}

TEST(ConfigsTest, SuitesAndMappingsRead) {
  ExpectReads("sources", validation::SourceMappings::Read(kRoot / "configs/validation/sources"));
  for (const std::filesystem::path& file : ConfigsOf("validation")) {
    if (file.parent_path().filename() != "validation") {
      continue;
    }
    const Result<Node> document = ReadDocument(file);
    ASSERT_TRUE(document.has_value()) << RenderError(document.error());
    if (validation::IsFieldMap(*document)) {
      ExpectReads(file, validation::ReadFieldMap(*document));
    } else if (validation::IsServingLogs(*document)) {
      ExpectReads(file, validation::ReadServingLogs(*document, file.parent_path()));
    } else if (validation::IsMeasuredCollectives(*document)) {
      ExpectReads(file, validation::ReadMeasuredCollectives(*document, file.parent_path()));
    } else if (validation::IsNetworkSuite(*document)) {
      ExpectReads(file, validation::ReadNetworkSuite(*document, file.parent_path()));
    } else {
      ExpectReads(file, validation::ReadYamlSuite(*document));
    }
  }
}

// A folder that no test above reads would hold keys that nobody reads.
TEST(ConfigsTest, EveryFolderHasAReader) {
  const std::vector<std::string> known = {
      "calibration", "clusters", "collectives", "engines",   "fabrics", "frameworks", "gpus",
      "models",      "nodes",    "plans",       "scenarios", "schemas", "traces",     "validation"};
  for (const auto& entry : std::filesystem::directory_iterator(kRoot / "configs")) {
    if (entry.is_directory()) {
      const std::string name = entry.path().filename().string();
      EXPECT_NE(std::find(known.begin(), known.end(), name), known.end()) << name;
    }
  }
}

}  // namespace
}  // namespace ridgeline::architecture
