#include "service/cli/commands.h"

namespace ridgeline::cli {

Result<int> Cost(Session&) { return Unimplemented("not built yet: cost"); }

}  // namespace ridgeline::cli
