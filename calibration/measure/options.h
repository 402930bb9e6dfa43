/// The command line of the measuring program.
#pragma once

#include <string>

#include "base/result.h"

namespace ridgeline::measure {

struct Options {
  bool lists_devices = false;
  bool shows_help = false;
  bool checks = false;  // compare each point's answer with a reference before timing it
  bool only_chooses = false;  // write which kernel the library takes, time nothing
  std::string points;
  std::string out;
  std::string gpu;  // catalog name; empty: from the device's name
  std::string source = "own";
  double seconds = 1e18;
  double rest = 3;   // idle before burst samples, as a multiple of the work before
  int device = -1;  // negative: 0, or the local rank
  int rank = 0;
  int ranks = 1;
  int local_rank = 0;
  int ranks_per_node = 0;  // 0: unknown
  std::string id_file;
};

extern const char* const kUsage;

/// Ranks come from the flags, else from what Open MPI's mpirun or Slurm's srun set.
Result<Options> ReadOptions(int argc, char** argv);
/// "h100-sxm" for "NVIDIA H100 80GB HBM3"; the name in small letters where it is not known.
std::string CatalogName(const std::string& device_name);

}  // namespace ridgeline::measure
