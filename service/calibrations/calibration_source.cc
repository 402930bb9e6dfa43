#include "service/calibrations/calibration_source.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <iterator>
#include <limits>
#include <optional>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "base/nearest_name.h"
#include "base/sha256.h"
#include "calibration/profile_costs.h"

namespace ridgeline::calibrations {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kFolder = "calibration";
/// Search structures that are kept: a what-if over a GPU's figures asks for a handful.
constexpr size_t kMostReady = 16;

std::optional<hardware::Gpu> GpuNamed(const hardware::Catalog& catalog, const std::string& name) {
  Reference<hardware::Gpu> reference;
  reference.name = name;
  Result<hardware::Gpu> gpu = catalog.ResolveGpu(reference);
  return gpu ? std::optional(*std::move(gpu)) : std::nullopt;
}

/// Power that a GPU may draw for each FLOP/s of its 16-bit peak, over that of the measured one; 1
/// where either is not known.
double PowerHeadroom(const hardware::Catalog& catalog, const std::string& measured,
                     const hardware::Gpu& gpu) {
  const auto of = [](const hardware::Gpu& one) {
    const auto peak = hardware::PeakOf(one, DType::kBf16);
    return peak && peak->base() > 0 ? one.power.base() / peak->base() : 0.0;
  };
  const std::optional<hardware::Gpu> reference = GpuNamed(catalog, measured);
  const double theirs = reference ? of(*reference) : 0.0;
  return theirs > 0 && of(gpu) > 0 ? of(gpu) / theirs : 1.0;
}

/// |log| ratios of what kernels feel; infinite where one of them has no such rate.
double Distance(const hardware::Gpu& a, const hardware::Gpu& b) {
  const auto flops_of_a = hardware::PeakOf(a, DType::kBf16);
  const auto flops_of_b = hardware::PeakOf(b, DType::kBf16);
  if (!flops_of_a || !flops_of_b) {
    return std::numeric_limits<double>::infinity();
  }
  const double flops = std::log(*flops_of_a / *flops_of_b);
  const double bandwidth = std::log(a.memory.bandwidth / b.memory.bandwidth);
  return std::abs(flops) + std::abs(bandwidth) + std::abs(flops - bandwidth);
}

/// What decides how long a kernel takes. Capacity, links and prices do not.
bool RunKernelsAlike(const hardware::Gpu& a, const hardware::Gpu& b) {
  return a.architecture == b.architecture &&
         a.streaming_multiprocessors == b.streaming_multiprocessors && a.clock == b.clock &&
         a.peak == b.peak && a.memory.bandwidth == b.memory.bandwidth && a.l2_cache == b.l2_cache &&
         a.shared_memory == b.shared_memory && a.power == b.power;
}

/// The measured nodes joined their GPUs by switches, all of them at the GPUs' full rate.
bool LinksHold(const hardware::Cluster& cluster, const hardware::Catalog& catalog) {
  if (cluster.node.intra != hardware::IntraNodeLink::kNvSwitch) {
    return false;
  }
  const std::optional<hardware::Gpu> gpu =
      GpuNamed(catalog, std::string(hardware::UnchangedName(cluster.gpu.name)));
  if (!gpu || gpu->nvlink.bandwidth != cluster.gpu.nvlink.bandwidth) {
    return false;
  }
  Reference<hardware::Node> reference;
  reference.name = std::string(hardware::UnchangedName(cluster.node.name));
  const Result<hardware::Node> node = catalog.ResolveNode(reference);
  return !node || node->in_switch_reduction == cluster.node.in_switch_reduction;
}

}  // namespace

struct CalibrationSource::Loaded {
  fs::path path;
  calibration::Profile profile;
  std::string sha256;
};

struct CalibrationSource::Ready {
  const Loaded* loaded = nullptr;
  hardware::Gpu gpu;
  bool links_hold = false;
  std::shared_ptr<const hardware::MeasuredCosts> costs;
};

std::vector<std::string> ProfileNames(const std::vector<fs::path>& roots) {
  std::set<std::string> names;
  for (const fs::path& root : roots) {
    std::error_code error;
    for (fs::directory_iterator it(root / kFolder, error), end; !error && it != end;
         it.increment(error)) {
      if (it->path().extension() == calibration::kProfileEnding) {
        names.insert(it->path().stem().string());
      }
    }
  }
  return {names.begin(), names.end()};
}

Result<fs::path> FindProfile(const std::vector<fs::path>& roots, const std::string& name) {
  std::error_code error;
  if (name.find('/') != std::string::npos || name.ends_with(calibration::kProfileEnding)) {
    if (!fs::is_regular_file(name, error)) {
      return NotFound("no such calibration profile: " + name,
                      "`ridgeline calibrate fit` writes one from measurements");
    }
    return fs::path(name);
  }
  for (const fs::path& root : roots) {
    fs::path file = root / kFolder / (name + std::string(calibration::kProfileEnding));
    if (fs::is_regular_file(file, error)) {
      return file;
    }
  }
  std::vector<std::string> known = ProfileNames(roots);
  known.emplace_back(kAuto);
  known.emplace_back(kNone);
  return NotFound("unknown calibration: " + name, SuggestName(name, known));
}

Result<std::shared_ptr<const hardware::CostSource>> MakeCostSource(
    const std::vector<fs::path>& roots, const std::string& choice) {
  if (choice == kNone) {
    return std::shared_ptr<const hardware::CostSource>();
  }
  if (choice != kAuto) {
    RETURN_IF_ERROR(FindProfile(roots, choice));
  }
  return std::shared_ptr<const hardware::CostSource>(
      std::make_shared<CalibrationSource>(roots, choice));
}

CalibrationSource::CalibrationSource(std::vector<fs::path> roots, std::string choice)
    : catalog_(std::move(roots)), choice_(std::move(choice)) {}

/// Empty: nothing of this architecture was measured.
Result<fs::path> CalibrationSource::FileFor(const hardware::Gpu& gpu) const {
  if (choice_ != kAuto) {
    return FindProfile(catalog_.roots(), choice_);
  }
  const std::vector<std::string> names = ProfileNames(catalog_.roots());
  const std::string own(hardware::UnchangedName(gpu.name));
  if (std::ranges::binary_search(names, own)) {
    return FindProfile(catalog_.roots(), own);
  }
  const std::string* nearest = nullptr;
  double least = std::numeric_limits<double>::infinity();
  for (const std::string& name : names) {
    const std::optional<hardware::Gpu> other = GpuNamed(catalog_, name);
    if (!other || other->architecture != gpu.architecture) {
      continue;
    }
    const double distance = Distance(gpu, *other);
    if (distance < least) {
      nearest = &name;
      least = distance;
    }
  }
  return nearest == nullptr ? Result<fs::path>(fs::path())
                            : FindProfile(catalog_.roots(), *nearest);
}

Result<const CalibrationSource::Loaded*> CalibrationSource::Load(const fs::path& path) const {
  for (const std::shared_ptr<const Loaded>& loaded : loaded_) {
    if (loaded->path == path) {
      return loaded.get();
    }
  }
  std::ifstream file(path, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  Result<calibration::Profile> profile = calibration::DecodeProfile(bytes);
  if (!profile) {
    Error error = std::move(profile).error();
    error.message = fmt::format("{}: {}", path.string(), error.message);
    error.hint = "fit it again (ridgeline calibrate fit), or do without: --calibration none";
    return Fail(std::move(error));
  }
  loaded_.push_back(std::make_shared<const Loaded>(
      Loaded{.path = path, .profile = *std::move(profile), .sha256 = Sha256(bytes)}));
  return loaded_.back().get();
}

bool CalibrationSource::IsMeasuredOn(const calibration::Profile& profile,
                                     const hardware::Gpu& gpu) const {
  if (!calibration::IsMeasuredOn(profile, gpu)) {
    return false;
  }
  // Tables know three rates; power, caches and clocks are those of the catalog's entry.
  const std::optional<hardware::Gpu> measured = GpuNamed(catalog_, profile.gpu);
  return measured && RunKernelsAlike(*measured, gpu);
}

Result<std::shared_ptr<const hardware::MeasuredCosts>> CalibrationSource::For(
    const hardware::Cluster& cluster) const {
  ASSIGN_OR_RETURN(const fs::path path, FileFor(cluster.gpu));
  if (path.empty()) {
    return std::shared_ptr<const hardware::MeasuredCosts>();
  }
  const bool links_hold = LinksHold(cluster, catalog_);
  const std::scoped_lock lock(mutex_);
  ASSIGN_OR_RETURN(const Loaded* const loaded, Load(path));
  for (size_t i = 0; i < ready_.size(); ++i) {
    if (ready_[i]->loaded == loaded && ready_[i]->links_hold == links_hold &&
        ready_[i]->gpu == cluster.gpu) {
      std::rotate(ready_.begin() + static_cast<ptrdiff_t>(i),
                  ready_.begin() + static_cast<ptrdiff_t>(i) + 1, ready_.end());
      return ready_.back()->costs;
    }
  }
  hardware::CalibrationIdentity identity{
      .name = path.stem().string(), .sha256 = loaded->sha256, .gpu = loaded->profile.gpu};
  identity.is_transferred = !IsMeasuredOn(loaded->profile, cluster.gpu);
  calibration::Profile profile = loaded->profile;
  if (identity.is_transferred) {
    profile.sustained =
        profile.sustained.WithHeadroom(PowerHeadroom(catalog_, profile.gpu, cluster.gpu));
  }
  if (ready_.size() >= kMostReady) {
    ready_.erase(ready_.begin());
  }
  ready_.push_back(std::make_shared<const Ready>(
      Ready{.loaded = loaded,
            .gpu = cluster.gpu,
            .links_hold = links_hold,
            .costs = std::make_shared<const calibration::ProfileCosts>(profile, std::move(identity),
                                                                       cluster.gpu, links_hold)}));
  return ready_.back()->costs;
}

}  // namespace ridgeline::calibrations
