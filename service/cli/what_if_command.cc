#include "service/cli/commands.h"

namespace ridgeline::cli {

Result<int> WhatIf(Session&) { return Unimplemented("not built yet: whatif"); }

}  // namespace ridgeline::cli
