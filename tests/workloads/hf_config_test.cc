// Configs as people break them: each a message at its place, none a crash.
#include "workloads/hf_config.h"

#include <algorithm>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/diagnostic.h"

namespace ridgeline::workloads {
namespace {

using testing::AllOf;
using testing::HasSubstr;

constexpr std::string_view kLlama = R"({
  "model_type": "llama",
  "hidden_size": 64,
  "intermediate_size": 128,
  "num_hidden_layers": 2,
  "num_attention_heads": 4,
  "num_key_value_heads": 2,
  "quantization_config": {"quant_method": "fp8", "anything": [1, 2]},
  "a_key_of_the_publisher": {"x": 1},
  "vocab_size": 100
})";

std::string Replaced(std::string_view from, std::string_view to) {
  std::string text(kLlama);
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

Result<Model> Read(std::string text) {
  ASSIGN_OR_RETURN(const Node node, ParseDocument("config.json", std::move(text)));
  return ReadHfConfig(node, "test");
}

std::string ErrorOf(std::string text) {
  const auto model = Read(std::move(text));
  EXPECT_FALSE(model);
  return model ? "" : RenderError(model.error());
}

// Two layers of 64 x (64 + 32 + 32 + 64) + 3 x 64 x 128 + 2 x 64, two tables of 6,400, one norm.
TEST(HfConfigTest, UnknownKeysOfPublishersAreAllowed) {
  const auto model = Read(std::string(kLlama));
  ASSERT_TRUE(model) << RenderError(model.error());
  EXPECT_EQ(CountParameters(*model).total, 2 * (64 * 192 + 3 * 64 * 128 + 2 * 64) + 2 * 6400 + 64);
  EXPECT_EQ(model->kinds.size(), 1u);
}

TEST(HfConfigTest, UnknownModelTypeNamesTheNearest) {
  EXPECT_THAT(ErrorOf(Replaced("\"llama\"", "\"lama\"")),
              AllOf(HasSubstr("config.json:2:17: error: unknown model_type: lama"),
                    HasSubstr("did you mean llama?")));
}

TEST(HfConfigTest, MissingFieldIsNamed) {
  EXPECT_THAT(ErrorOf(Replaced("\"hidden_size\": 64,", "")),
              AllOf(HasSubstr("config.json:1:"), HasSubstr("missing field: hidden_size")));
  EXPECT_THAT(ErrorOf("{\"hidden_size\": 1}"), HasSubstr("missing field: model_type"));
  EXPECT_THAT(ErrorOf("[1, 2]"), HasSubstr("expected a model's config"));
}

TEST(HfConfigTest, AbsurdNumbersAreRefusedAtTheirPlace) {
  for (const std::string_view value :
       {"-64", "0", "1e400", "64.5", "\"sixty-four\"", "[64]", "9223372036854775807", "nan"}) {
    const std::string error =
        ErrorOf(Replaced("\"hidden_size\": 64", "\"hidden_size\": " + std::string(value)));
    EXPECT_THAT(error, HasSubstr("config.json:3:18: error:")) << value;
  }
  EXPECT_THAT(ErrorOf(Replaced("\"num_attention_heads\": 4", "\"num_attention_heads\": 0")),
              HasSubstr("config.json:6:26: error:"));
  EXPECT_THAT(ErrorOf(Replaced("\"num_hidden_layers\": 2", "\"num_hidden_layers\": 2000000000")),
              HasSubstr("config.json:5:"));
}

TEST(HfConfigTest, AllErrorsComeAtOnce) {
  std::string text = Replaced("\"hidden_size\": 64", "\"hidden_size\": -1");
  text.replace(text.find("\"vocab_size\": 100"), 17, "\"vocab_size\": 0.5");
  EXPECT_THAT(ErrorOf(text), AllOf(HasSubstr("config.json:3:"), HasSubstr("config.json:10:")));
}

TEST(HfConfigTest, KvHeadsMustDivideHeads) {
  EXPECT_THAT(
      ErrorOf(Replaced("\"num_key_value_heads\": 2", "\"num_key_value_heads\": 3")),
      HasSubstr("config.json:7:26: error: KV heads must divide the query heads: 3 KV heads, "
                "4 heads"));
}

TEST(HfConfigTest, NullMeansAbsent) {
  const auto model = Read(Replaced("\"num_key_value_heads\": 2", "\"num_key_value_heads\": null"));
  ASSERT_TRUE(model) << RenderError(model.error());
  EXPECT_EQ(model->kinds[0].mixer.kv_heads, 4);
}

TEST(HfConfigTest, ModelsTooLargeToCountAreRefused) {
  const std::string text = R"({"model_type": "mixtral", "hidden_size": 1000000,
    "intermediate_size": 1000000, "num_hidden_layers": 4000, "num_attention_heads": 1000,
    "num_local_experts": 60000, "num_experts_per_tok": 2, "vocab_size": 100})";
  EXPECT_THAT(ErrorOf(text), HasSubstr("more than 1e18 parameters"));
}

TEST(HfConfigTest, MoreExpertsATokenThanThereAre) {
  const std::string text = R"({"model_type": "mixtral", "hidden_size": 64,
    "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 4,
    "num_local_experts": 8, "num_experts_per_tok": 9, "vocab_size": 100})";
  EXPECT_THAT(ErrorOf(text), HasSubstr("more experts than there are: 9 of 8"));
}

TEST(HfConfigTest, PatternLettersAreChecked) {
  const std::string text = R"({"model_type": "nemotron_h", "hidden_size": 64, "vocab_size": 100,
    "hybrid_override_pattern": "MX", "mamba_num_heads": 4, "mamba_head_dim": 16, "n_groups": 1,
    "ssm_state_size": 16, "conv_kernel": 4})";
  EXPECT_THAT(ErrorOf(text), HasSubstr("unknown kind of layer in the pattern: X"));
}

TEST(DecoderTest, UnknownKeysAreRefused) {
  const std::string text = R"({"model_type": "decoder", "hidden_size": 64, "num_hidden_layers": 2,
    "num_attention_heads": 4, "intermediate_size": 256, "vocab_size": 100, "gated_mpl": false})";
  EXPECT_THAT(ErrorOf(text), AllOf(HasSubstr("gated_mpl"), HasSubstr("gated_mlp")));
}

TEST(DecoderTest, FeedForwardWidthIsNeeded) {
  const std::string text = R"({"model_type": "decoder", "hidden_size": 64, "num_hidden_layers": 2,
    "num_attention_heads": 4, "vocab_size": 100})";
  EXPECT_THAT(ErrorOf(text), HasSubstr("missing field: intermediate_size"));
}

TEST(DecoderTest, MixtureIsRead) {
  const auto model = Read(R"({"model_type": "decoder", "hidden_size": 64, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_experts": 8, "num_experts_per_tok": 2,
    "moe_intermediate_size": 32, "vocab_size": 100})");
  ASSERT_TRUE(model) << RenderError(model.error());
  EXPECT_EQ(model->kinds[0].feed_forward.experts, 8);
  EXPECT_EQ(CountParameters(*model).routed_experts, 2 * 8 * 3 * 64 * 32);
}

TEST(HfConfigTest, KnownTypesAreSorted) {
  const auto types = KnownModelTypes();
  EXPECT_TRUE(std::ranges::is_sorted(types));
  EXPECT_GT(types.size(), 30u);
}

}  // namespace
}  // namespace ridgeline::workloads
