// A layer whose sequence several ranks share, against the closed forms of context_attention.h.
// s 1024, b 2, a 8 heads of 32, k 4 KV heads, 2 bytes an element.
#include "workloads/context_attention.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/diagnostic.h"
#include "tests/workloads/small_models.h"

namespace ridgeline::workloads {
namespace {

using testing::HasSubstr;

constexpr int64_t kSequence = 1024;

struct Lowered {
  Model model = Llama(256, 8, 4, 512);
  Framework framework;

  LoweringRequest Request(ContextExchange exchange, int64_t cp, int64_t inner = 1) const {
    LoweringRequest request = workloads::Request(model, framework, kSequence);
    request.micro_batch = 2;
    request.layout.cp = cp;
    request.layout.exchange = exchange;
    request.layout.context_inner = inner;
    return request;
  }
  LoweredLayer Layer(ContextExchange exchange, int64_t cp, int64_t inner = 1) const {
    auto lowered = LowerLayer(Request(exchange, cp, inner), model.kinds.front());
    EXPECT_TRUE(lowered) << RenderError(lowered.error());
    return *std::move(lowered);
  }
};

struct Sent {
  CollectiveKind kind;
  Axis axis;
  double bytes;
  friend bool operator==(const Sent&, const Sent&) = default;
};

std::vector<Sent> SentIn(const std::vector<Step>& steps) {
  std::vector<Sent> sent;
  for (const Step& step : steps) {
    if (const auto* collective = std::get_if<AxisCollective>(&step.work)) {
      sent.push_back({collective->kind, collective->axis, collective->bytes.base()});
    }
  }
  return sent;
}

double AttentionFlopsIn(const std::vector<Step>& steps) {
  Flops flops;
  for (const Step& step : steps) {
    const auto* operation = std::get_if<Operation>(&step.work);
    if (operation != nullptr && std::holds_alternative<Attention>(*operation)) {
      flops += FlopsOf(*operation);
    }
  }
  return flops.base();
}

// Keys and values of one rank: 2 x (1024/4) x 2 x 4 x 32 x 2 = 262,144 bytes. Three sends forward;
// backward keys and values first, both with gradients twice, gradients alone last.
TEST(ContextRingTest, SendsKeysAndValuesBesideEachStepButTheLast) {
  const LoweredLayer layer = Lowered{}.Layer(ContextExchange::kRing, 4);
  const Sent one{CollectiveKind::kSend, Axis::kContext, 262144};
  EXPECT_EQ(SentIn(layer.forward), (std::vector<Sent>{one, one, one}));
  const Sent two{CollectiveKind::kSend, Axis::kContext, 2 * 262144.0};
  EXPECT_EQ(SentIn(layer.backward), (std::vector<Sent>{one, two, two, one}));
  for (const auto* pass : {&layer.forward, &layer.backward}) {
    for (size_t i = 0; i + 1 < pass->size(); ++i) {
      if (std::holds_alternative<AxisCollective>((*pass)[i].work)) {
        EXPECT_TRUE((*pass)[i].runs_beside_next) << (*pass)[i].name;
        const auto& next = std::get<Operation>((*pass)[i + 1].work);
        EXPECT_TRUE(std::holds_alternative<Attention>(next)) << (*pass)[i + 1].name;
      }
    }
  }
}

// Queries and results: (1024/4) x 2 x 8 x 32 x 2 = 262,144 bytes, keys and values half of it each.
TEST(ContextAllToAllTest, ExchangesQueriesKeysValuesAndResults) {
  const LoweredLayer layer = Lowered{}.Layer(ContextExchange::kAllToAll, 4);
  const Sent wide{CollectiveKind::kAllToAll, Axis::kContext, 262144};
  const Sent narrow{CollectiveKind::kAllToAll, Axis::kContext, 131072};
  EXPECT_EQ(SentIn(layer.forward), (std::vector<Sent>{wide, narrow, narrow, wide}));
  EXPECT_EQ(SentIn(layer.backward), (std::vector<Sent>{wide, wide, narrow, narrow}));
}

// Eight ranks and four KV heads: each head goes to two ranks, so that keys weigh as queries,
// (1024/8) x 2 x 8 x 32 x 2 = 131,072 bytes; the copies are kept: 65,536 bytes more of keys, and of
// values.
TEST(ContextAllToAllTest, RepeatsKvHeadsThatAreFewerThanRanks) {
  const Lowered lowered;
  const LoweredLayer layer = lowered.Layer(ContextExchange::kAllToAll, 8);
  const Sent each{CollectiveKind::kAllToAll, Axis::kContext, 131072};
  EXPECT_EQ(SentIn(layer.forward), (std::vector<Sent>{each, each, each, each}));
  EXPECT_DOUBLE_EQ(
      (layer.saved_activations - lowered.Layer(ContextExchange::kRing, 8).saved_activations).base(),
      2 * 65536);
}

// Keys of all tokens: 1024 x 2 x 4 x 32 x 2 = 524,288 bytes, values as many.
TEST(ContextAllGatherTest, GathersTwiceAndScattersGradients) {
  const LoweredLayer layer = Lowered{}.Layer(ContextExchange::kAllGather, 4);
  const Sent gather{CollectiveKind::kAllGather, Axis::kContext, 524288};
  const Sent scatter{CollectiveKind::kReduceScatter, Axis::kContext, 524288};
  EXPECT_EQ(SentIn(layer.forward), (std::vector<Sent>{gather, gather}));
  EXPECT_EQ(SentIn(layer.backward), (std::vector<Sent>{gather, gather, scatter, scatter}));
}

// Inner pairs exchange as much as the rank holds; the outer ring of two has twice the tokens and
// half the KV heads: as many bytes a send as in a ring of four.
TEST(ContextBothTest, RingsOfAllToAlls) {
  const LoweredLayer layer = Lowered{}.Layer(ContextExchange::kBoth, 4, 2);
  const Sent wide{CollectiveKind::kAllToAll, Axis::kContextInner, 262144};
  const Sent narrow{CollectiveKind::kAllToAll, Axis::kContextInner, 131072};
  const Sent send{CollectiveKind::kSend, Axis::kContextOuter, 262144};
  EXPECT_EQ(SentIn(layer.forward), (std::vector<Sent>{wide, narrow, narrow, send, wide}));
  EXPECT_EQ(SentIn(layer.backward), (std::vector<Sent>{wide, send, send, wide, narrow, narrow}));
}

TEST(ContextAttentionTest, FlopsOfARankAreItsShareExactly) {
  const Lowered lowered;
  const LoweredLayer whole = lowered.Layer(ContextExchange::kRing, 1);
  const auto check = [&](ContextExchange exchange, int64_t cp, int64_t inner) {
    const LoweredLayer layer = lowered.Layer(exchange, cp, inner);
    const auto ranks = static_cast<double>(cp);
    EXPECT_EQ(ranks * AttentionFlopsIn(layer.forward), AttentionFlopsIn(whole.forward));
    EXPECT_EQ(ranks * AttentionFlopsIn(layer.backward), AttentionFlopsIn(whole.backward));
    EXPECT_DOUBLE_EQ(ranks * layer.model_flops.base(), whole.model_flops.base());
  };
  for (const int64_t cp : {2, 4, 8}) {
    check(ContextExchange::kRing, cp, 1);
    check(ContextExchange::kAllToAll, cp, 1);
    check(ContextExchange::kAllGather, cp, 1);
    check(ContextExchange::kBoth, cp, 2);
  }
}

// arXiv:2205.05198's sums with s/c for s.
TEST(ContextAttentionTest, ActivationsAreThoseOfAShorterSequence) {
  const Lowered lowered;
  const Bytes whole = lowered.Layer(ContextExchange::kRing, 1).saved_activations;
  for (const ContextExchange exchange :
       {ContextExchange::kRing, ContextExchange::kAllToAll, ContextExchange::kAllGather}) {
    EXPECT_DOUBLE_EQ(4 * lowered.Layer(exchange, 4).saved_activations.base(), whole.base());
  }
}

TEST(ContextAttentionTest, EndsOfTheModelSeeTheirTokensOnly) {
  const Lowered lowered;
  const auto head = [&](int64_t cp) {
    return LowerHead(lowered.Request(ContextExchange::kRing, cp)).value();
  };
  EXPECT_DOUBLE_EQ(4 * head(4).model_flops.base(), head(1).model_flops.base());
  EXPECT_DOUBLE_EQ(4 * head(4).saved_activations.base(), head(1).saved_activations.base());
  const auto embedding = [&](int64_t cp) {
    return LowerEmbedding(lowered.Request(ContextExchange::kRing, cp)).value();
  };
  EXPECT_DOUBLE_EQ(4 * embedding(4).saved_activations.base(),
                   embedding(1).saved_activations.base());
}

// A window of 256 under an all-gather: queries of the two middle chunks of 128 see 256 keys each.
TEST(ContextAttentionTest, WindowsNeedAllKeysAtOnce) {
  Lowered lowered;
  lowered.model.kinds.front().mixer.window = 256;
  const auto ring =
      LowerLayer(lowered.Request(ContextExchange::kRing, 4), lowered.model.kinds.front());
  ASSERT_FALSE(ring);
  EXPECT_EQ(ring.error().code, ErrorCode::kUnimplemented);
  EXPECT_THAT(RenderError(ring.error()), HasSubstr("use context.exchange"));
  const LoweredLayer layer = lowered.Layer(ContextExchange::kAllGather, 4);
  EXPECT_DOUBLE_EQ(AttentionFlopsIn(layer.forward), 2.0 * (2 * 128 * 256) * (32 + 32) * 8 * 2);
}

TEST(ContextAttentionTest, ScoresInMemoryAreNotShared) {
  Lowered lowered;
  lowered.framework.attention = AttentionChoice::kNaive;
  const auto layer =
      LowerLayer(lowered.Request(ContextExchange::kRing, 4), lowered.model.kinds.front());
  ASSERT_FALSE(layer);
  EXPECT_THAT(RenderError(layer.error()), HasSubstr("attention scores in memory: cp 4"));
}

}  // namespace
}  // namespace ridgeline::workloads
