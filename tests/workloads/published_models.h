/// What is known of each shipped model from elsewhere: the table that model_counts_test holds.
#pragma once

#include <cstdint>
#include <string_view>

namespace ridgeline::workloads {

/// Counts derived by hand from the published formulas (Llama, DeepSeek-V3, Qwen, gpt-oss,
/// Nemotron-H reports), in billions; to 0.1 %.
struct CheckedCount {
  std::string_view name;
  double total;
  double active;
  int64_t kv_elements;
  int64_t state_elements;
};
inline constexpr CheckedCount kChecked[] = {
    {"llama-3.1-8b", 8.03, 8.03, 65'536, 0},
    {"llama-3.1-70b", 70.55, 70.55, 163'840, 0},
    {"llama-3.1-405b", 405.85, 405.85, 258'048, 0},
    {"qwen3-8b", 8.19, 8.19, 73'728, 0},
    {"qwen3-32b", 32.76, 32.76, 131'072, 0},
    {"qwen3-30b-a3b", 30.53, 3.35, 49'152, 0},
    {"qwen3-235b-a22b", 235.09, 22.19, 96'256, 0},
    {"mixtral-8x7b-v0.1", 46.70, 12.88, 65'536, 0},
    {"mixtral-8x22b-v0.1", 140.62, 39.15, 114'688, 0},
    {"gpt-oss-20b", 20.91, 4.19, 24'576, 0},
    {"gpt-oss-120b", 116.83, 5.71, 36'864, 0},
    {"deepseek-v3", 671.03, 37.55, 35'136, 0},
    {"kimi-k2-instruct", 1'026.41, 32.86, 35'136, 0},
    {"llama-4-maverick-17b-128e-instruct", 400.71, 17.18, 98'304, 0},
    {"nemotron-h-56b-base-8k", 56.32, 56.32, 20'480, 54 * (4'194'304 + 61'440)},
    {"qwen3.5-397b-a17b", 396.35, 17.35, 15'360, 45 * (1'048'576 + 36'864)},
};

/// Models whose count is not within 3 % of the one in their name, or whose name has none that
/// counts all, and why.
struct Deviation {
  std::string_view name;
  std::string_view reason;
};
inline constexpr Deviation kDeviations[] = {
    {"gpt-oss-20b", "20.9 B, as the publisher's model card says"},
    {"llama-2-7b-hf", "6.74 B, as the Llama 2 paper says"},
    {"llama-4-maverick-17b-128e-instruct", "the name counts the active parameters"},
    {"llama-4-scout-17b-16e-instruct", "the name counts the active parameters"},
    {"mimo-7b-base", "7.62 B: the name rounds down"},
    {"mixtral-8x22b-v0.1", "the name multiplies out experts that share their attention"},
    {"mixtral-8x7b-v0.1", "the name multiplies out experts that share their attention"},
    {"nvidia-nemotron-3-nano-30b-a3b-bf16",
     "31.6 B and 3.6 B active, as the publisher's report says"},
    {"qwen2.5-7b-instruct", "7.62 B, as the publisher's model card says"},
    {"qwen3-14b", "14.8 B, as the publisher's model card says"},
    {"qwen3-vl-2b-instruct", "the name counts the vision encoder, which is not modelled"},
};

/// Names with a count of active parameters that ours misses by more than 10 % (they are given as
/// whole billions, and with or without embeddings).
inline constexpr Deviation kActiveDeviations[] = {
    {"qwen3-30b-a3b", "3.35 B with both embedding matrices; 3.0 B with one"},
    {"qwen3-30b-a3b-fp8", "3.35 B with both embedding matrices; 3.0 B with one"},
    {"qwen3-vl-30b-a3b-instruct", "3.35 B with both embedding matrices; 3.0 B with one"},
    {"qwen3.5-35b-a3b", "3.46 B with both embedding matrices; 2.9 B with one"},
    {"nvidia-nemotron-3-nano-30b-a3b-bf16", "3.6 B, as the publisher's report says"},
};

}  // namespace ridgeline::workloads
