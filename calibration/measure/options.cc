#include "calibration/measure/options.h"

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <map>
#include <utility>

namespace ridgeline::measure {
namespace {

/// The first of these variables that is set, as a number.
int FromEnvironment(std::initializer_list<const char*> names, int otherwise) {
  for (const char* name : names) {
    if (const char* value = std::getenv(name); value != nullptr && *value != '\0') {
      return std::atoi(value);
    }
  }
  return otherwise;
}

}  // namespace

const char* const kUsage =
    R"(usage: ridgeline_measure --points FILE --out FILE [options]
       ridgeline_measure --list

Measures every point of a file (JSON lines) on a GPU and appends what it found to another.
Points that are there already are left out, so a run that was cut off is started again as it was.

  --points FILE     points: {"op":{...},"condition":{...}} on each line
  --out FILE        results, appended and flushed point by point
  --seconds S       stop cleanly after S seconds
  --rest X          idle X times as long as was worked before burst samples (default 3): less,
                    and the power cap lowers the clock of large kernels
  --device N        CUDA device (default 0; with several ranks, the local rank)
  --gpu NAME        catalog name of the GPU (default: from the device's name)
  --check           compare each answer with a reference before timing
  --source WORDS    what stands as the source of the points (default own)
  --only-choose     write which kernel the library takes (of GEMM: "algorithm", "waves"); no times
  --list            devices only, as JSON lines
 Collectives and what runs beside them, one process a GPU:
  --rank R --ranks N --id-file FILE   FILE on storage that all processes see
                    (under mpirun or srun the ranks come from the environment)
  --ranks-per-node N  recorded with the points
)";

Result<Options> ReadOptions(int argc, char** argv) {
  Options options;
  options.rank = FromEnvironment({"OMPI_COMM_WORLD_RANK", "PMI_RANK", "SLURM_PROCID"}, 0);
  options.ranks = FromEnvironment({"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_NTASKS"}, 1);
  options.local_rank =
      FromEnvironment({"OMPI_COMM_WORLD_LOCAL_RANK", "MPI_LOCALRANKID", "SLURM_LOCALID"}, 0);
  options.ranks_per_node = FromEnvironment(
      {"OMPI_COMM_WORLD_LOCAL_SIZE", "MPI_LOCALNRANKS", "SLURM_NTASKS_PER_NODE"}, 0);
  std::map<std::string, std::string*> texts = {{"--points", &options.points},
                                               {"--out", &options.out},
                                               {"--gpu", &options.gpu},
                                               {"--source", &options.source},
                                               {"--id-file", &options.id_file}};
  std::map<std::string, int*> numbers = {{"--device", &options.device},
                                         {"--rank", &options.rank},
                                         {"--ranks", &options.ranks},
                                         {"--ranks-per-node", &options.ranks_per_node}};
  std::map<std::string, double*> reals = {{"--seconds", &options.seconds},
                                          {"--rest", &options.rest}};
  std::map<std::string, bool*> flags = {{"--list", &options.lists_devices},
                                        {"--check", &options.checks},
                                        {"--only-choose", &options.only_chooses},
                                        {"--help", &options.shows_help}};
  for (int i = 1; i < argc; ++i) {
    const std::string flag = argv[i];
    if (const auto found = flags.find(flag); found != flags.end()) {
      *found->second = true;
      continue;
    }
    const bool is_known = texts.contains(flag) || numbers.contains(flag) || reals.contains(flag);
    if (!is_known) {
      return InvalidArgument("no such flag: " + flag, "see --help");
    }
    if (i + 1 == argc) {
      return InvalidArgument("a value must follow " + flag);
    }
    const std::string value = argv[++i];
    if (const auto text = texts.find(flag); text != texts.end()) {
      *text->second = value;
      continue;
    }
    char* end = nullptr;
    const double number = std::strtod(value.c_str(), &end);
    if (value.empty() || *end != '\0' || number < 0) {
      return InvalidArgument(flag + " must be a number of zero or more: " + value);
    }
    if (const auto real = reals.find(flag); real != reals.end()) {
      *real->second = number;
    } else {
      *numbers[flag] = static_cast<int>(number);
    }
  }
  if (!options.lists_devices && !options.shows_help &&
      (options.points.empty() || options.out.empty())) {
    return InvalidArgument("--points and --out are needed", "see --help");
  }
  if (options.ranks < 1 || options.rank >= options.ranks) {
    return InvalidArgument("--rank must be below --ranks: " + std::to_string(options.rank));
  }
  if (options.ranks > 1 && options.id_file.empty() && !options.lists_devices) {
    return InvalidArgument("several ranks need --id-file", "name a file that all of them see");
  }
  return options;
}

std::string CatalogName(const std::string& device_name) {
  static const std::map<std::string, std::string> kNames = {
      {"NVIDIA H100 80GB HBM3", "h100-sxm"},
      {"NVIDIA H200", "h200-sxm"},
      {"NVIDIA A100-SXM4-80GB", "a100-sxm-80g"},
      {"NVIDIA A100-SXM4-40GB", "a100-sxm-40g"},
      {"NVIDIA H100 PCIe", "h100-pcie"}};
  if (const auto found = kNames.find(device_name); found != kNames.end()) {
    return found->second;
  }
  std::string name = device_name.starts_with("NVIDIA ") ? device_name.substr(7) : device_name;
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) {
    return std::isalnum(c) != 0 ? static_cast<char>(std::tolower(c)) : '-';
  });
  return name;
}

}  // namespace ridgeline::measure
