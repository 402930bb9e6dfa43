#include "workloads/context_attention.h"

#include <algorithm>
#include <string>

#include <fmt/format.h>

namespace ridgeline::workloads {
namespace {

double Real(int64_t value) { return static_cast<double>(value); }

int64_t ValueDim(const Attention& core) {
  return core.v_head_dim > 0 ? core.v_head_dim : core.head_dim;
}

/// Elements of `rows` tokens a sequence.
struct Elements {
  Elements(const Attention& core, int64_t rows)
      : queries(Real(core.batch * rows) * Real(core.heads * core.head_dim)),
        keys(Real(core.batch * rows) * Real(core.kv_heads * core.head_dim)),
        values(Real(core.batch * rows) * Real(core.kv_heads * ValueDim(core))),
        results(Real(core.batch * rows) * Real(core.heads * ValueDim(core))),
        scales(Real(core.batch * rows) * Real(core.heads)) {}
  double queries;
  double keys;
  double values;
  double results;
  double scales;  // log-sum-exp of each row, fp32
  double keys_and_values() const { return keys + values; }
};

bool IsForward(const Attention& core) { return core.pass == AttentionPass::kForward; }

StepPart PartOf(const Attention& core) {
  return IsForward(core) ? StepPart::kForward : StepPart::kInputGradient;
}

Bytes InBytes(const Attention& core, double elements) {
  return elements * BytesPerElement(core.dtype);
}

std::string NameOf(const Attention& core) {
  return IsForward(core) ? "attention" : "attention backward";
}

/// The steps of a ring, and of the exchanges around or instead of one.
class ContextSteps {
 public:
  ContextSteps(RankSteps& steps, const Attention& core) : steps_(steps), core_(core) {}

  /// Ranks that share the sequence in rings of `ranks`.
  void Ring(const Attention& core, int64_t ranks, Axis axis) {
    if (ranks == 1) {
      steps_.Add(NameOf(core), core);
    } else if (IsForward(core)) {
      RingForward(core, ranks, axis);
    } else {
      RingBackward(core, ranks, axis);
    }
  }

  /// Heads for tokens: attention of 1/ranks of the heads over ranks times the tokens; `rows`:
  /// tokens of a sequence on this rank.
  template <class Inside>
  void AllToAll(int64_t ranks, int64_t rows, Axis axis, const Inside& inside) {
    if (ranks == 1) {
      inside(core_);
      return;
    }
    Attention repeated = core_;
    repeated.kv_heads = std::max(core_.kv_heads, ranks);
    const Elements all(repeated, rows);
    Attention some = repeated;
    some.heads /= ranks;
    some.kv_heads /= ranks;
    const auto exchange = [&](std::string_view what, double elements) {
      Collect(fmt::format("{} all-to-all", what), CollectiveKind::kAllToAll, elements, axis);
    };
    const double of_inputs = all.queries + all.keys_and_values();
    if (IsForward(core_)) {
      Copy("head exchange layout", of_inputs);
      exchange("query", all.queries);
      exchange("key", all.keys);
      exchange("value", all.values);
      Copy("token exchange layout", of_inputs);
      inside(some);
      Copy("result exchange layout", 2 * all.results);
      exchange("attention result", all.results);
    } else {
      Copy("result gradient exchange layout", 2 * all.results);
      exchange("attention result gradient", all.results);
      inside(some);
      Copy("token gradient exchange layout", of_inputs);
      exchange("query gradient", all.queries);
      exchange("key gradient", all.keys);
      exchange("value gradient", all.values);
      Copy("head gradient exchange layout", of_inputs);
    }
  }

  void AllGather(int64_t ranks, Axis axis) {
    const Elements whole(core_, core_.kv_len);
    Collect("key all-gather", CollectiveKind::kAllGather, whole.keys, axis);
    Collect("value all-gather", CollectiveKind::kAllGather, whole.values, axis);
    Copy("key and value order", whole.keys_and_values());
    // Ranks differ in the chunks that they hold and, where no window cuts attention, not in their
    // work: chunk i sees i + 1. The rank of the two middle chunks, whose work is never less than
    // another's, stands for all.
    const int64_t chunk = core_.q_len / (2 * ranks);
    for (const int64_t index : {ranks - 1, ranks}) {
      Attention part = core_;
      part.q_len = chunk;
      part.kv_len = (index + 1) * chunk;
      steps_.Add(fmt::format("{} {}/2", NameOf(core_), index - ranks + 2), part);
      if (!IsForward(core_)) {
        Add("key and value gradient sum", Elements(part, part.kv_len).keys_and_values());
      }
    }
    if (!IsForward(core_)) {
      Copy("key and value gradient order", whole.keys_and_values());
      Collect("key gradient reduce-scatter", CollectiveKind::kReduceScatter, whole.keys, axis);
      Collect("value gradient reduce-scatter", CollectiveKind::kReduceScatter, whole.values, axis);
    }
  }

 private:
  /// Step `index` of a ring, counted from the rank's own keys and values on. Those of ranks that
  /// hold earlier chunks: all queries see the first half; of the others: the second half of the
  /// queries sees all. Both are half the square. The middle rank, which meets as many of either,
  /// stands for all.
  static Attention RingStep(const Attention& core, int64_t ranks, int64_t index) {
    Attention part = core;
    part.q_len = core.q_len / ranks;
    part.kv_len = part.q_len;
    if (index > 0 && core.causal) {
      part.causal = false;
      (index <= ranks / 2 ? part.kv_len : part.q_len) /= 2;
    }
    return part;
  }

  void RingForward(const Attention& core, int64_t ranks, Axis axis) {
    const Elements own(core, core.q_len / ranks);
    for (int64_t i = 0; i < ranks; ++i) {
      if (i + 1 < ranks) {
        Send(fmt::format("key and value send {}/{}", i + 1, ranks - 1), own.keys_and_values(),
             axis);
      }
      const Attention part = RingStep(core, ranks, i);
      steps_.Add(fmt::format("attention {}/{}", i + 1, ranks), part);
      // Reads a partial result and what is there so far, and the scales of both.
      const Elements rows(part, part.q_len);
      const double read = i == 0 ? 1 : 2;
      const double scales = BytesPerElement(DType::kFp32).base() * rows.scales;
      steps_.MemoryBytes(fmt::format("attention result merge {}/{}", i + 1, ranks),
                         MemoryBoundKind::kResidualAdd,
                         read * (InBytes(core, rows.results).base() + scales),
                         InBytes(core, rows.results).base() + scales);
    }
  }

  /// Begins with the keys and values that came last and ends with the rank's own. A step's
  /// gradients of them travel during the next one.
  void RingBackward(const Attention& core, int64_t ranks, Axis axis) {
    const Elements own(core, core.q_len / ranks);
    for (int64_t i = 0; i < ranks; ++i) {
      const double kinds = (i + 1 < ranks ? 1 : 0) + (i > 0 ? 1 : 0);
      Send(fmt::format("{} send {}/{}",
                       i == 0           ? "key and value"
                       : i + 1 == ranks ? "key and value gradient"
                                        : "key and value with gradient",
                       i + 1, ranks),
           kinds * own.keys_and_values(), axis);
      const Attention part = RingStep(core, ranks, ranks - 1 - i);
      steps_.Add(fmt::format("attention backward {}/{}", i + 1, ranks), part);
      const double elements =
          Elements(part, part.q_len).queries + Elements(part, part.kv_len).keys_and_values();
      if (i == 0) {
        Copy("attention gradient copy", elements);
      } else {
        Add("attention gradient sum", elements);
      }
    }
  }

  void Collect(std::string name, CollectiveKind kind, double elements, Axis axis) {
    steps_.Collect(std::move(name), kind, InBytes(core_, elements), axis, core_.dtype,
                   PartOf(core_));
  }
  void Send(std::string name, double elements, Axis axis) {
    Collect(std::move(name), CollectiveKind::kSend, elements, axis);
    steps_.RunBesideNext();
  }
  void Copy(std::string name, double elements) {
    const double bytes = InBytes(core_, elements).base();
    steps_.MemoryBytes(std::move(name), MemoryBoundKind::kCopy, bytes, bytes);
  }
  void Add(std::string name, double elements) {
    const double bytes = InBytes(core_, elements).base();
    steps_.MemoryBytes(std::move(name), MemoryBoundKind::kResidualAdd, 2 * bytes, bytes);
  }

  RankSteps& steps_;
  const Attention& core_;
};

/// Ranks among which heads are exchanged: 1 for none.
int64_t RanksOfAllToAll(const RankShape& shape) {
  switch (shape.exchange) {
    case ContextExchange::kAllToAll:
      return shape.cp;
    case ContextExchange::kBoth:
      return shape.context_inner;
    case ContextExchange::kRing:
    case ContextExchange::kAllGather:
      break;
  }
  return 1;
}

/// Ranks of a ring: 1 for none.
int64_t RanksOfRing(const RankShape& shape) {
  switch (shape.exchange) {
    case ContextExchange::kRing:
      return shape.cp;
    case ContextExchange::kBoth:
      return shape.cp / shape.context_inner;
    case ContextExchange::kAllToAll:
    case ContextExchange::kAllGather:
      break;
  }
  return 1;
}

/// With KV heads repeated for an exchange of heads.
Attention Repeated(const RankShape& shape, const Attention& core) {
  Attention repeated = core;
  repeated.kv_heads = std::max(core.kv_heads, RanksOfAllToAll(shape));
  return repeated;
}

}  // namespace

void AddContextAttention(RankSteps& steps, const RankShape& shape, const Attention& core) {
  ContextSteps context(steps, core);
  if (shape.exchange == ContextExchange::kAllGather) {
    context.AllGather(shape.cp, Axis::kContext);
    return;
  }
  const bool is_both = shape.exchange == ContextExchange::kBoth;
  context.AllToAll(RanksOfAllToAll(shape), core.q_len / shape.cp,
                   is_both ? Axis::kContextInner : Axis::kContext, [&](const Attention& inside) {
                     context.Ring(inside, RanksOfRing(shape),
                                  is_both ? Axis::kContextOuter : Axis::kContext);
                   });
}

Bytes ContextTransient(const RankShape& shape, const Attention& core) {
  if (shape.exchange == ContextExchange::kAllGather) {
    // Gathered keys and values, their gradients, and one step's.
    return InBytes(core, 3 * Elements(core, core.kv_len).keys_and_values());
  }
  const Elements own(Repeated(shape, core), core.q_len / shape.cp);
  double elements = 0;
  if (RanksOfAllToAll(shape) > 1) {
    elements += own.queries + own.keys_and_values() + own.results;
  }
  if (RanksOfRing(shape) > 1) {
    // Keys and values as they come, another buffer for their gradients, and one step's gradients.
    elements += 3 * own.keys_and_values() + own.queries;
  }
  return InBytes(core, elements);
}

Bytes ContextSaved(const RankShape& shape, const Attention& core) {
  const int64_t rows = core.q_len / shape.cp;
  return InBytes(core, Elements(Repeated(shape, core), rows).keys_and_values() -
                           Elements(core, rows).keys_and_values());
}

Status CheckContextAttention(const RankShape& shape, const Attention& core) {
  if (shape.cp == 1) {
    return {};
  }
  if (!IsFused(core.kernel)) {
    return Unimplemented(
        fmt::format("context parallelism with attention scores in memory: cp {}", shape.cp),
        "use attention: flash, or cp 1");
  }
  if (RanksOfRing(shape) > 1 && core.window > 0 && core.window < core.kv_len) {
    return Unimplemented(fmt::format("a ring of contexts with a sliding window: cp {}, window {}",
                                     shape.cp, core.window),
                         "use context.exchange: all-to-all or all-gather");
  }
  return {};
}

}  // namespace ridgeline::workloads
