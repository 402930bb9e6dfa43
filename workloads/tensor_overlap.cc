#include "workloads/tensor_overlap.h"

#include <array>
#include <utility>

namespace ridgeline::workloads {

EnumTable<ScatterMethod> EnumNames(Tag<ScatterMethod>) {
  static constexpr std::array<std::pair<std::string_view, ScatterMethod>, 2> kTable = {{
      {"exchange", ScatterMethod::kExchange},
      {"pipeline", ScatterMethod::kPipeline},
  }};
  return kTable;
}

const Schema<TensorOverlap>& SchemaOf(Tag<TensorOverlap>) {
  static const Schema<TensorOverlap> schema =
      Schema<TensorOverlap>("how tensor-parallel collectives run behind products, in pieces")
          .Optional("scatter", &TensorOverlap::scatter,
                    "exchange: pieces go to their owners and are added up at the end; pipeline: a "
                    "reduce-scatter of each piece")
          .Optional("pipeline_pieces", &TensorOverlap::pipeline_pieces,
                    "pieces of a product whose result is scattered by scatter: pipeline",
                    {.at_least = 1, .at_most = 64})
          .Optional("exchange_multiprocessors", &TensorOverlap::exchange_multiprocessors,
                    "held while pieces are exchanged; 0: copy engines; default: the collective "
                    "library's",
                    {.at_least = 0, .at_most = 1024})
          .Optional(
              "pipeline_multiprocessors", &TensorOverlap::pipeline_multiprocessors,
              "held while pieces are reduced and scattered; default: the collective library's",
              {.at_least = 0, .at_most = 1024});
  return schema;
}

}  // namespace ridgeline::workloads
