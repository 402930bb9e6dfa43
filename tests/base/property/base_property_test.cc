// Properties of the ground floor on random input (rapidcheck shrinks what fails).
#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "base/diagnostic.h"
#include "base/document.h"
#include "base/operation.h"
#include "base/percentile.h"
#include "base/random.h"
#include "base/units_text.h"

namespace ridgeline {
namespace {

/// A double of any magnitude that people meet, either sign.
double AnyValue() {
  const int exponent = *rc::gen::inRange(-15, 19);
  const int mantissa = *rc::gen::inRange(-999'999, 1'000'000);
  return mantissa * std::pow(10.0, exponent) / 1e5;
}

template <class Q>
void HoldsForFormat() {
  const Q value = Q::FromBase(AnyValue());
  const auto exact = ParseQuantity<Q>(FormatExact(value));
  RC_ASSERT(exact.has_value());
  RC_ASSERT(*exact == value);
  const auto round_trip = ParseQuantity<Q>(FormatRoundTrip(value));
  RC_ASSERT(round_trip.has_value());
  RC_ASSERT(*round_trip == value);
  const int digits = *rc::gen::inRange(1, 8);
  const auto shown = ParseQuantity<Q>(Format(value, digits));
  RC_ASSERT(shown.has_value());
  // Half a unit of the last digit of a number that begins with 1.
  const double allowed = 0.5 * std::pow(10.0, 1 - digits) * (1 + 1e-9) * std::abs(value.base());
  RC_ASSERT(std::abs(shown->base() - value.base()) <= allowed);
}

TEST(FormatProperty, WhatIsWrittenReadsBack) {
  EXPECT_TRUE(rc::check("format and parse", [] {
    HoldsForFormat<Seconds>();
    HoldsForFormat<Bytes>();
    HoldsForFormat<BytesPerSecond>();
    HoldsForFormat<Flops>();
    HoldsForFormat<FlopsPerSecond>();
    HoldsForFormat<FlopsPerByte>();
    HoldsForFormat<Joules>();
    HoldsForFormat<Watts>();
    HoldsForFormat<Hertz>();
  }));
}

/// Text of characters that mean something in YAML.
std::string AnyText() {
  static const std::vector<std::string> pieces = {
      "a", "b", "7", ".",  "-",  " ",  ":",  "#",    "?",   "[",      "]",
      "{", "}", ",", "&",  "*",  "!",  "|",  ">",    "'",   "\"",     "%",
      "@", "`", "~", "\\", "\t", "\n", "\r", "null", "---", "\u00e9", "<<"};
  std::string text;
  const int length = *rc::gen::inRange(0, 8);
  for (int i = 0; i < length; ++i) {
    text += *rc::gen::elementOf(pieces);
  }
  return text;
}

Node AnyNode(int depth) {
  const int kind = *rc::gen::inRange(0, depth > 0 ? 4 : 2);
  if (kind == 0) {
    return Node{};
  }
  if (kind == 1) {
    return MakeString(AnyText());
  }
  const int count = *rc::gen::inRange(0, 4);
  Node node = kind == 2 ? MakeList({}) : MakeMap();
  for (int i = 0; i < count; ++i) {
    if (kind == 2) {
      node.items.push_back(AnyNode(depth - 1));
    } else {
      SetKey(node, AnyText(), AnyNode(depth - 1));
    }
  }
  return node;
}

bool IsSame(const Node& a, const Node& b) {
  return a.kind == b.kind && a.scalar == b.scalar && a.is_quoted == b.is_quoted &&
         std::equal(a.items.begin(), a.items.end(), b.items.begin(), b.items.end(), IsSame) &&
         std::equal(a.entries.begin(), a.entries.end(), b.entries.begin(), b.entries.end(),
                    [](const Node::Entry& x, const Node::Entry& y) {
                      return x.key == y.key && IsSame(x.value, y.value);
                    });
}

TEST(WriteYamlProperty, WhatIsWrittenReadsBackEqual) {
  EXPECT_TRUE(rc::check("write and parse", [] {
    const Node node = AnyNode(3);
    const std::string text = WriteYaml(node);
    const Result<Node> again = ParseDocument("again.yaml", text);
    if (!again) {
      RC_FAIL(text + RenderError(again.error()));
    }
    RC_ASSERT(IsSame(node, *again));
    RC_ASSERT(WriteYaml(*again) == text);
  }));
}

TEST(MergeNodesProperty, MergingTwiceIsMergingOnceAndEmptyIsNeutral) {
  EXPECT_TRUE(rc::check("merge", [] {
    const Node base = AnyNode(2);
    const Node over = AnyNode(2);
    const Node merged = MergeNodes(base, over);
    RC_ASSERT(IsSame(MergeNodes(merged, over), merged));
    if (base.is_map()) {
      RC_ASSERT(IsSame(MergeNodes(base, MakeMap()), base));
    }
  }));
}

TEST(LogHistogramProperty, QuantilesAreWithinTheStatedErrorOfTheExactOnes) {
  EXPECT_TRUE(rc::check("histogram", [] {
    RandomStream stream(*rc::gen::arbitrary<uint64_t>(), "samples");
    const int count = *rc::gen::inRange(1, 200);
    const double error = *rc::gen::element(0.001, 0.005, 0.05);
    std::vector<double> samples;
    LogHistogram histogram(error);
    for (int i = 0; i < count; ++i) {
      const double value = stream.Uniform() < 0.05 ? 0.0 : std::exp(stream.Uniform(-30.0, 30.0));
      samples.push_back(value);
      histogram.Add(value);
    }
    for (const double q : {0.0, 0.5, 0.9, 0.99, 1.0}) {
      const double exact = ExactQuantile(samples, q);
      RC_ASSERT(std::abs(histogram.Quantile(q) - exact) <= error * exact * (1 + 1e-9));
    }
  }));
}

// The closed form of the attention pairs against counting them one by one.
TEST(AttentionProperty, PairsAreThoseThatCountingFinds) {
  EXPECT_TRUE(rc::check("pairs", [] {
    Attention attention = {.heads = 1, .kv_heads = 1, .head_dim = 1};
    attention.q_len = *rc::gen::inRange(1, 40);
    attention.kv_len = *rc::gen::inRange(1, 40);
    attention.window = *rc::gen::inRange(0, 45);
    int64_t pairs = 0;
    for (int64_t i = 0; i < attention.q_len; ++i) {
      const int64_t seen = std::max<int64_t>(0, attention.kv_len - attention.q_len + i + 1);
      pairs += attention.window > 0 ? std::min(seen, attention.window) : seen;
    }
    // Two products of one multiply and one add a pair.
    RC_ASSERT(FlopsOf(attention).base() == 4.0 * static_cast<double>(pairs));
  }));
}

}  // namespace
}  // namespace ridgeline
