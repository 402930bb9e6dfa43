#include "service/cli/commands.h"

namespace ridgeline::cli {

Result<int> Plan(Session&) { return Unimplemented("not built yet: plan"); }

}  // namespace ridgeline::cli
