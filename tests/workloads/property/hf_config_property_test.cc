// A shipped config with some fields broken is read or refused, never a crash, and what is read can
// be counted without overflow.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>

#include "workloads/hf_config.h"

namespace ridgeline::workloads {
namespace {

std::vector<Node> ShippedConfigs() {
  std::vector<std::filesystem::path> paths;
  const auto folder = std::filesystem::path(RIDGELINE_SOURCE_DIR) / "configs" / "models";
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() == ".json") {
      paths.push_back(entry.path());
    }
  }
  std::ranges::sort(paths);
  std::vector<Node> configs;
  for (const auto& path : paths) {
    configs.push_back(ReadDocument(path).value_or(Node{}));
  }
  return configs;
}

Node BrokenValue() {
  switch (*rc::gen::inRange(0, 4)) {
    case 0:
      return Node{};
    case 1:
      return MakeList({MakeScalar("1"), MakeString("full_attention")});
    case 2:
      return MakeMap();
    default:
      return MakeScalar(*rc::gen::element<std::string>("-1", "0", "1", "7", "1048576", "1e400",
                                                       "0.5", "nan", "true", "word", "", "65536"));
  }
}

void Break(Node& config) {
  Node* map = &config;
  Node* text = config.Find("text_config");
  if (text != nullptr && !text->entries.empty() && *rc::gen::arbitrary<bool>()) {
    map = text;
  }
  if (map->entries.empty()) {
    return;
  }
  const auto at = *rc::gen::inRange<size_t>(0, map->entries.size());
  if (map->entries[at].key != "model_type") {
    map->entries[at].value = BrokenValue();
  }
}

RC_GTEST_PROP(HfConfigProperty, BrokenFieldsNeverCrash, ()) {
  static const std::vector<Node> configs = ShippedConfigs();
  RC_ASSERT(!configs.empty());
  Node config = configs[*rc::gen::inRange<size_t>(0, configs.size())];
  const int breaks = *rc::gen::inRange(1, 5);
  for (int i = 0; i < breaks; ++i) {
    Break(config);
  }
  const auto model = ReadHfConfig(config, "broken");
  if (!model) {
    RC_ASSERT(!model.error().message.empty());
    RC_ASSERT(model.error().code == ErrorCode::kInvalidArgument ||
              model.error().code == ErrorCode::kOutOfRange);  // 1e400 is no number at all
    return;
  }
  const ModelParameters count = CountParameters(*model);
  RC_ASSERT(count.total > 0 && count.active > 0 && count.active <= count.total);
  RC_ASSERT(KvElementsPerToken(*model) >= 0 && StateElementsPerSequence(*model) >= 0);
  const double flops = TrainingFlopsPerToken(*model, 4096, true);
  RC_ASSERT(std::isfinite(flops) && flops > 0);
}

}  // namespace
}  // namespace ridgeline::workloads
