#include "workloads/rank_variation.h"

namespace ridgeline::workloads {

const Schema<SlowRank>& SchemaOf(Tag<SlowRank>) {
  static const Schema<SlowRank> schema =
      Schema<SlowRank>("one GPU that computes slower than the others")
          .Required("rank", &SlowRank::rank, "its place in the order of the job's ranks",
                    {.at_least = 0, .at_most = int64_t{1} << 24})
          .Required("factor", &SlowRank::factor, "its operations take so many times as long",
                    {.at_least = 0.01, .at_most = 1e6});
  return schema;
}

const Schema<RankVariation>& SchemaOf(Tag<RankVariation>) {
  static const Schema<RankVariation> schema =
      Schema<RankVariation>("what makes ranks differ; with any of it each is simulated for itself")
          .Optional("all", &RankVariation::all, "simulate every rank, even of a healthy job")
          .Optional("speed_spread", &RankVariation::speed_spread,
                    "standard deviation of a GPU's own speed, drawn once a rank",
                    {.at_least = 0.0, .at_most = 10.0})
          .Optional("jitter", &RankVariation::jitter,
                    "standard deviation of a layer's time from micro-batch to micro-batch",
                    {.at_least = 0.0, .at_most = 10.0})
          .Optional("slow", &RankVariation::slow, "GPUs that are slower, by rank")
          .Optional("steps", &RankVariation::steps,
                    "steps simulated for the distribution of a step's time",
                    {.at_least = 1, .at_most = 10'000});
  return schema;
}

}  // namespace ridgeline::workloads
