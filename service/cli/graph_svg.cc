// Graphviz as a library; a picture is small, so that one context a picture will do.
#include "service/cli/fabric_description.h"

#ifdef RIDGELINE_HAS_GRAPHVIZ
#include <memory>

#include <gvc.h>
#endif

namespace ridgeline::cli {

#ifdef RIDGELINE_HAS_GRAPHVIZ

Result<std::string> SvgOf(const std::string& dot) {
  const std::unique_ptr<GVC_t, void (*)(GVC_t*)> context(gvContext(),
                                                         [](GVC_t* c) { gvFreeContext(c); });
  const std::unique_ptr<Agraph_t, void (*)(Agraph_t*)> graph(agmemread(dot.c_str()),
                                                             [](Agraph_t* g) { agclose(g); });
  if (graph == nullptr || gvLayout(context.get(), graph.get(), "dot") != 0) {
    return Unimplemented("Graphviz cannot lay pictures out here: svg",
                         "install its plugins (graphviz), or take -o dot");
  }
  char* data = nullptr;
  unsigned int size = 0;
  const bool is_drawn = gvRenderData(context.get(), graph.get(), "svg", &data, &size) == 0;
  std::string svg = is_drawn && data != nullptr ? std::string(data, size) : std::string();
  gvFreeRenderData(data);
  gvFreeLayout(context.get(), graph.get());
  if (svg.empty()) {
    return Unimplemented("Graphviz cannot write svg here",
                         "install its plugins (graphviz), or take -o dot");
  }
  return svg;
}

#else

Result<std::string> SvgOf(const std::string&) {
  return Unimplemented("svg in a program that was built without Graphviz",
                       "take -o dot and give it to dot -Tsvg, or build with libgraphviz-dev");
}

#endif

}  // namespace ridgeline::cli
