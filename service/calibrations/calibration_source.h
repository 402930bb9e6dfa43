/// Which measurements a cluster's costs come from: the shipped profiles, one's own, or none.
///
/// By itself ("auto") a GPU takes the profile of its own name. One that was never measured, or
/// whose figures were changed by hand, takes the nearest of its architecture as *transferred*: that
/// profile's residuals on this GPU's physics, everything extrapolated and ranges wider. Nearest is
/// the least |log| ratio of memory bandwidth, of arithmetic, and of one to the other, added up;
/// then the first by name. Where an architecture has no profile costs are analytic.
#pragma once

#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "calibration/profile.h"
#include "hardware/catalog.h"
#include "hardware/measured_costs.h"

namespace ridgeline::calibrations {

inline constexpr std::string_view kAuto = "auto";
inline constexpr std::string_view kNone = "none";

/// Profiles are read when the first cluster asks for them (a few milliseconds) and kept, with the
/// search structures of the last clusters' GPUs: one source serves a whole process, whatever its
/// threads.
class CalibrationSource final : public hardware::CostSource {
 public:
  /// `roots`: as the catalog's; profiles are `calibration/NAME.calibration` below them.
  /// `choice`: "auto", the name of a profile, or the path of one.
  CalibrationSource(std::vector<std::filesystem::path> roots, std::string choice);

  /// Errors: an unknown name (did you mean), a file that is no profile.
  Result<std::shared_ptr<const hardware::MeasuredCosts>> For(
      const hardware::Cluster& cluster) const override;

 private:
  struct Loaded;
  struct Ready;

  Result<std::filesystem::path> FileFor(const hardware::Gpu& gpu) const;
  Result<const Loaded*> Load(const std::filesystem::path& path) const;
  bool IsMeasuredOn(const calibration::Profile& profile, const hardware::Gpu& gpu) const;

  hardware::Catalog catalog_;  // without costs: asked for the GPUs that profiles are of
  std::string choice_;
  mutable std::mutex mutex_;  // of the two caches
  mutable std::vector<std::shared_ptr<const Loaded>> loaded_;
  mutable std::vector<std::shared_ptr<const Ready>> ready_;  // the last used at the back
};

/// The source of a choice; null for "none". Errors: a named profile that is not there.
Result<std::shared_ptr<const hardware::CostSource>> MakeCostSource(
    const std::vector<std::filesystem::path>& roots, const std::string& choice);

/// Names of the profiles under `roots`, sorted, without duplicates.
std::vector<std::string> ProfileNames(const std::vector<std::filesystem::path>& roots);
/// The file of a profile's name; a name with a '/' or ending in .calibration is a path. NotFound
/// with did-you-mean.
Result<std::filesystem::path> FindProfile(const std::vector<std::filesystem::path>& roots,
                                          const std::string& name);

}  // namespace ridgeline::calibrations
