#include <fmt/format.h>

#include "service/cli/commands.h"
#include "service/cli/exit_code.h"
#include "service/report/build_version.h"

namespace ridgeline::cli {

Result<int> ShowVersion(Session& session) {
  const report::BuildVersion build = report::CurrentBuild();
  if (session.line.output == report::OutputFormat::kTable) {
    session.out =
        fmt::format("ridgeline {} ({}, {})\n", build.version, build.commit, build.compiler);
    return kExitDone;
  }
  const report::Table table{.columns = {{"version"}, {"commit"}, {"compiler"}},
                            .rows = {{build.version, build.commit, build.compiler}}};
  session.out = report::RenderTable(table, session.line.output);
  return kExitDone;
}

}  // namespace ridgeline::cli
