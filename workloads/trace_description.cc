#include "workloads/trace_description.h"

#include <fmt/format.h>

#include "base/document.h"

namespace ridgeline::workloads {

const Schema<TraceDescription>& SchemaOf(Tag<TraceDescription>) {
  static const Schema<TraceDescription> schema =
      Schema<TraceDescription>("a published log of requests")
          .Required("title", &TraceDescription::title, "for people")
          .Optional("aliases", &TraceDescription::aliases, "other names")
          .Required("file", &TraceDescription::file, "the log, in the folder of the description")
          .Required("source", &TraceDescription::source,
                    "where it was published, and what was changed since")
          .Required("licence", &TraceDescription::licence, "by its SPDX name")
          .Required("requests", &TraceDescription::requests, "rows of the log", {.at_least = 1})
          .Required("span", &TraceDescription::span, "from the first to the last time stamp",
                    {.at_least = Seconds{}})
          .Optional("has_prefixes", &TraceDescription::has_prefixes,
                    "whether prompts say which prefixes they share")
          .Optional("notes", &TraceDescription::notes, "what to know before use")
          .Rule([](const TraceDescription& trace, const Node& node, const DecodeContext& context) {
            const std::filesystem::path file(trace.file);
            if (trace.file.empty() || file.filename() != file || trace.file.front() == '.') {
              context.Key("file").Fail(
                  *node.Find("file"), fmt::format("a name in this folder, no path: {}", trace.file),
                  "put the log beside its description");
            }
          });
  return schema;
}

bool IsTraceDescription(const std::filesystem::path& file) {
  return file.extension() == ".yaml" || file.extension() == ".yml";
}

Result<TraceDescription> ReadTraceDescription(const std::filesystem::path& file) {
  ASSIGN_OR_RETURN(const Node document, ReadDocument(file));
  return Decode<TraceDescription>(document);
}

}  // namespace ridgeline::workloads
