#include "service/cli/commands.h"

namespace ridgeline::cli {

Result<int> Serve(Session&) { return Unimplemented("not built yet: serve"); }

}  // namespace ridgeline::cli
