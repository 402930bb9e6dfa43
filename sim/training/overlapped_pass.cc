#include "sim/training/overlapped_pass.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>
#include <vector>

#include "base/check.h"

namespace ridgeline::training {
namespace {

using engine::Picoseconds;

/// What a pass does between two exchanges, or an exchange.
struct Stretch {
  bool is_exchange = false;
  CostedPass pass;      // without an exchange
  Duration duration;    // alone
  CollectiveLoad load;  // of an exchange
};

bool IsExchange(const CostedStep& step) {
  return step.is_collective && step.cause == Cause::kExpertParallel && !step.runs_beside_next;
}

std::vector<Stretch> Cut(std::span<const CostedPass* const> layers) {
  std::vector<Stretch> cut;
  for (const CostedPass* layer : layers) {
    for (const CostedStep& step : layer->steps) {
      if (IsExchange(step)) {
        Stretch& exchange = cut.emplace_back();
        exchange.is_exchange = true;
        exchange.duration = step.duration;
        exchange.load = step.collective_load;
        cut.back().pass.host = step.host;
        continue;
      }
      if (cut.empty() || cut.back().is_exchange) {
        cut.emplace_back();
      }
      cut.back().pass.steps.push_back(step);
    }
  }
  for (Stretch& stretch : cut) {
    if (!stretch.is_exchange) {
      SumPass(stretch.pass);
      stretch.duration = stretch.pass.total;
    }
  }
  return cut;
}

/// Both passes on two streams, at one bound.
class PairSweep {
 public:
  PairSweep(const std::vector<Stretch>& forward, const std::vector<Stretch>& backward, Bound bound)
      : bound_(bound), passes_{Line{&forward}, Line{&backward}} {}

  Picoseconds Run() {
    while (Start()) {
      Advance();
    }
    CHECK(passes_[0].next == passes_[0].stretches->size() &&
          passes_[1].next == passes_[1].stretches->size());
    return Rounded(now_);
  }
  /// The most that the host's issuing, both passes in the order in which they run, is behind.
  Picoseconds lead() const { return Rounded(lead_); }

 private:
  struct Line {
    const std::vector<Stretch>* stretches = nullptr;
    size_t next = 0;
    double ready = 0;
    bool runs = false;
  };
  struct Running {
    size_t line = 0;
    double left = -1;  // below 0: idle
  };

  static Picoseconds Rounded(double value) { return static_cast<Picoseconds>(std::llround(value)); }
  const Stretch& Next(size_t line) const {
    return (*passes_.at(line).stretches)[passes_.at(line).next];
  }
  bool Waits(size_t line, bool for_exchange) const {
    const Line& pass = passes_.at(line);
    return !pass.runs && pass.next < pass.stretches->size() &&
           Next(line).is_exchange == for_exchange;
  }

  void Begin(Running& stream, size_t line) {
    stream = {line, static_cast<double>(Next(line).duration[bound_])};
    passes_.at(line).runs = true;
    const CostedPass& pass = Next(line).pass;
    const auto index = static_cast<size_t>(bound_);
    const double first = Next(line).is_exchange ? static_cast<double>(pass.host.at.at(index))
                                                : static_cast<double>(pass.lead.at.at(index));
    lead_ = std::max(lead_, issued_ + first - now_);
    issued_ += static_cast<double>(pass.host.at.at(index));
  }

  /// Whether anything runs then.
  bool Start() {
    if (compute_.left < 0) {
      const size_t other = 1 - last_;
      if (Waits(other, false)) {
        Begin(compute_, last_ = other);
      } else if (Waits(last_, false)) {
        Begin(compute_, last_);
      }
    }
    if (exchange_.left < 0) {
      const bool forward = Waits(0, true);
      const bool backward = Waits(1, true);
      if (forward || backward) {
        const bool takes_backward = backward && (!forward || passes_[1].ready <= passes_[0].ready);
        Begin(exchange_, takes_backward ? 1 : 0);
      }
    }
    return compute_.left >= 0 || exchange_.left >= 0;
  }

  /// To the next end.
  void Advance() {
    TogetherFactors factors;
    if (compute_.left >= 0 && exchange_.left >= 0) {
      factors = FactorsOf(Next(compute_.line).pass.load, Next(exchange_.line).load);
    }
    double span = -1;
    for (const auto& [stream, factor] :
         {std::pair{&compute_, factors.computation}, std::pair{&exchange_, factors.collective}}) {
      if (stream->left >= 0) {
        const double takes = factor * stream->left;
        span = span < 0 ? takes : std::min(span, takes);
      }
    }
    now_ += span;
    for (const auto& [stream, factor] :
         {std::pair{&compute_, factors.computation}, std::pair{&exchange_, factors.collective}}) {
      if (stream->left < 0) {
        continue;
      }
      stream->left -= span / factor;
      if (stream->left < 0.5) {  // a picosecond's half: rounding must not keep it alive
        Line& line = passes_.at(stream->line);
        line.runs = false;
        ++line.next;
        line.ready = now_;
        stream->left = -1;
      }
    }
  }

  Bound bound_;
  std::array<Line, 2> passes_;  // forward, backward
  Running compute_;
  Running exchange_;
  size_t last_ = 0;  // on the compute stream: the backward goes first
  double now_ = 0;
  double issued_ = 0;  // by the host
  double lead_ = 0;
};

}  // namespace

PassPair OverlapPasses(std::span<const CostedPass* const> forward,
                       std::span<const CostedPass* const> backward) {
  const std::vector<Stretch> forwards = Cut(forward);
  const std::vector<Stretch> backwards = Cut(backward);
  PassPair pair;
  Duration computes;
  for (const std::vector<Stretch>* pass : {&forwards, &backwards}) {
    for (const Stretch& stretch : *pass) {
      pair.host += stretch.pass.host;
      if (!stretch.is_exchange) {
        computes += stretch.duration;
        for (size_t i = 0; i < pair.causes.at.size(); ++i) {
          pair.causes.at.at(i) += stretch.pass.causes.at.at(i);
        }
      }
    }
  }
  for (const Bound bound : kBounds) {
    PairSweep sweep(forwards, backwards, bound);
    pair.total[bound] = std::max(sweep.Run(), computes[bound]);
    pair.lead[bound] = std::min(sweep.lead(), pair.host[bound]);
  }
  // What is not computing: waits for exchanges, and what they add to the computation beside them.
  pair.causes.Add(Cause::kExpertParallel, OutlastsBy(pair.total, computes));
  return pair;
}

}  // namespace ridgeline::training
