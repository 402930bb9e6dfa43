/// Which program this is: in `version`, in every result, in reports of bugs.
#pragma once

#include <string>

namespace ridgeline::report {

struct BuildVersion {
  std::string version;   // "0.1.0"
  std::string commit;    // twelve digits, or "unknown" outside a repository
  std::string compiler;  // "g++ 12.2.0"
};
BuildVersion CurrentBuild();

}  // namespace ridgeline::report
