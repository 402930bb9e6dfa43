/// Measured times of collectives as a suite: what was measured where, and on which cluster of the
/// catalog the program answers for it.
///
///     kind: collectives
///     name: collectives
///     source: ...
///     tables:                       # op_name,nccl_dtype,num_gpus,message_size,latency
///       - {gpu: A100, cluster: a100-8, file:
///       ../calibration/points/a100_sxm__nccl-2.27.3__nccl.csv.gz}
///     forced:                       # op,algorithm,protocol,bytes,us,spread: two GPUs
///       - {gpu: H200, cluster: h200-8, file: collectives-two-h200/alone.csv}
///     engines:                      # kernel_source?,num_gpus,message_size,latency,backend?
///       - {gpu: A100, cluster: a100-8, file: ..., engine: vLLM}
///     published: collectives/published.csv
///     machines:                     # what rows of `published` mean by gpu and fabric
///       - {gpu: H100, fabric: 8x400G-IB-NVLSTree, cluster: h100-64, algorithm: nvls-tree}
///     peers:
///       - {what: ..., error: 20.6 %}
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/config_reader.h"
#include "base/document.h"
#include "base/operation.h"
#include "base/result.h"
#include "base/units.h"

namespace ridgeline::validation {

/// How a time came about, which decides what it may be compared with.
enum class CollectiveSource {
  kTable,      // NCCL's own choice inside a CUDA graph
  kForced,     // an algorithm and a protocol that was asked for, in a graph
  kEngine,     // an engine's own all-reduce, in a graph
  kPublished,  // nccl-tests and the like, on one node or many
};

struct MeasuredCollective {
  std::string id = {};
  CollectiveSource source = CollectiveSource::kTable;
  std::string gpu = {};      // as the suite calls it
  std::string cluster = {};  // of the catalog; empty: none is described
  std::string from = {};     // engine or place of publication
  Collective collective = {};
  Seconds time = {};
  bool is_launched_alone = false;  // not in a graph: the launch is in the time
  bool is_held_out = false;        // published rows: by the last digit of their digest
  int quarter = 0;                 // 0 to 3, by the digit before
};

struct CollectivePeer {
  std::string what;
  Ratio error;
  friend bool operator==(const CollectivePeer&, const CollectivePeer&) = default;
};
const Schema<CollectivePeer>& SchemaOf(Tag<CollectivePeer>);

struct MeasuredCollectives {
  std::string name;
  std::string source;
  std::vector<MeasuredCollective> points;
  std::vector<CollectivePeer> peers;
};

/// Whether a suite document is one of these: `kind: collectives`.
bool IsMeasuredCollectives(const Node& document);

/// Decodes the document and reads its tables, by paths from `folder`. Errors with file:line:column.
Result<MeasuredCollectives> ReadMeasuredCollectives(const Node& document,
                                                    const std::filesystem::path& folder);

/// What nccl-tests prints over the algorithm's bandwidth S/t: all-reduce 2(n-1)/n, gathers and
/// all-to-all (n-1)/n, else 1.
double BusFactor(const Collective& collective);

}  // namespace ridgeline::validation
