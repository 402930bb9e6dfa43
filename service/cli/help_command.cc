#include <fmt/format.h>

#include "base/nearest_name.h"
#include "service/cli/commands.h"
#include "service/cli/exit_code.h"
#include "service/cli/help.h"

namespace ridgeline::cli {

Result<int> Help(Session& session) {
  if (session.line.arguments.empty()) {
    session.out = OverviewHelp();
    return kExitDone;
  }
  const std::string& name = session.line.arguments.front();
  const CommandInfo* command = FindCommand(name);
  if (command == nullptr) {
    std::vector<std::string> known;
    for (const CommandInfo& candidate : Commands()) {
      known.emplace_back(candidate.name);
    }
    return InvalidArgument("unknown command: " + name, SuggestName(name, known));
  }
  if (!command->is_built) {
    return Unimplemented("not built yet: " + name, "ridgeline help lists what works");
  }
  session.out = CommandHelp(*command);
  return kExitDone;
}

}  // namespace ridgeline::cli
