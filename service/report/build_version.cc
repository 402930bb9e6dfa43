#include "service/report/build_version.h"

#include <build_info.h>

namespace ridgeline::report {

BuildVersion CurrentBuild() {
#if defined(__clang__)
  const std::string compiler = "clang " __clang_version__;
#else
  const std::string compiler = "g++ " __VERSION__;
#endif
  return {.version = RIDGELINE_VERSION, .commit = RIDGELINE_COMMIT, .compiler = compiler};
}

}  // namespace ridgeline::report
