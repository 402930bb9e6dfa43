#include "hardware/cluster.h"

namespace ridgeline::hardware {

const Schema<ClusterDescription>& SchemaOf(Tag<ClusterDescription>) {
  static const Schema<ClusterDescription> schema =
      Schema<ClusterDescription>("nodes, how many, and the fabric between them")
          .Optional("name", &ClusterDescription::name,
                    "as in configs/clusters; the file's name by default")
          .Optional("title", &ClusterDescription::title, "for people")
          .Optional("aliases", &ClusterDescription::aliases, "other names")
          .Required("nodes", &ClusterDescription::nodes,
                    "a name under configs/nodes, a path, or the node itself")
          .Optional("count", &ClusterDescription::count, "number of nodes",
                    {.at_least = 1, .at_most = 1000000})
          .Optional("fabric", &ClusterDescription::fabric,
                    "a name under configs/fabrics, a path, or the fabric itself; by default the "
                    "one whose ports are as fast as the node's")
          .Optional("sources", &ClusterDescription::sources, "key -> where the figure was read");
  return schema;
}

}  // namespace ridgeline::hardware
