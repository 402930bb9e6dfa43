/// A fitted profile behind hardware/cost_model.h.
///
/// An operation takes, in order of preference: the first table of its own pattern that holds its
/// shape (own measurements before imported ones; beyond the own ones' shapes ranges also hold what
/// libraries differ by), the one that it lies nearest to (extrapolated), a table
/// of a near pattern (fp16 for bf16 and the reverse, another output type, with or without
/// accumulation: physics tells the difference in bytes, evidence at best interpolated), for the
/// grouped GEMMs of a mixture the measured mixture layer's efficiency (extrapolated), and else the
/// roofline (analytic). FlashAttention-2 and cuDNN's decoding ask the tables of their variants
/// first, and then those of fused attention within what libraries differ by (extrapolated).
/// Whatever it takes, no answer is faster than the roofline at the vendor's peaks (INV-6).
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "calibration/cost_table.h"
#include "calibration/profile.h"
#include "hardware/cost_model.h"
#include "hardware/roofline.h"

namespace ridgeline::calibration {

/// Whether a profile was measured on what `gpu` describes: its name, as it stands or with figures
/// changed that no kernel feels (capacity, price), and the same rates as every table was fitted
/// with.
bool IsMeasuredOn(const Profile& profile, const hardware::Gpu& gpu);

class MeasuredCostModel final : public hardware::CostModel {
 public:
  /// A profile of another GPU is used as transferred: everything extrapolated, ranges wider.
  /// `is_transferred`: unset: as IsMeasuredOn says.
  MeasuredCostModel(Profile profile, hardware::Gpu gpu, std::optional<bool> is_transferred = {});

  Result<Cost> CostOf(const Operation& operation) const override;
  Result<Cost> CostInLongRun(const Operation& operation, double load) const override;
  /// What no table holds is the roofline's, in its own condition (hardware/condition.h).
  Result<Cost> CostUnder(const Operation& operation, const Condition& condition) const override;
  std::optional<Cost> CostOfLayer(const MixtureLayer& layer,
                                  const Condition& condition) const override;
  std::vector<hardware::RateInUse> RatesFor(const hardware::RunProfile& run) const override;

  /// Any line of `ridgeline cost` but collectives (measured_collectives.h). At sustained clocks:
  /// the burst's answer, lengthened by the profile's law. Under another condition that has no
  /// table: kFailedPrecondition, because no factor turns one into the other.
  Result<Cost> CostOf(const TimedOperation& operation, const Condition& condition) const;

  const hardware::Gpu& gpu() const { return roofline_.gpu(); }

 private:
  /// nullptr when no table of `pattern` is there.
  const CostTable* FindTable(const TimedOperation& pattern, const Condition& condition,
                             const TimedOperation& operation, Cost& cost,
                             std::string_view variant) const;
  std::optional<Cost> Tabulated(const TimedOperation& operation, const Condition& condition,
                                std::string_view variant = {}) const;
  std::optional<Cost> TwoHalves(const Gemm& gemm, const Condition& condition,
                                std::string_view variant) const;
  std::optional<Cost> TabulatedByName(const Attention& attention, const Condition& condition) const;
  std::optional<Cost> GroupedFromMixture(const GroupedGemm& gemm) const;
  Result<Cost> MixtureByRoofline(const MixtureLayer& layer) const;

  Result<Cost> AsCalled(const Operation& operation, hardware::Clock clock, double load) const;
  Result<Cost> CostAtLoad(const TimedOperation& operation, const Condition& condition,
                          double load) const;
  Result<Cost> Sustained(const TimedOperation& operation, const Condition& condition,
                         double load) const;

  hardware::Roofline roofline_;
  SustainedLaw sustained_;
  bool is_transferred_ = false;
  std::vector<CostTable> tables_;
};

/// Reads a profile for a GPU. Errors as ReadProfile.
Result<std::unique_ptr<hardware::CostModel>> LoadCostModel(const std::filesystem::path& profile,
                                                           const hardware::Gpu& gpu);

}  // namespace ridgeline::calibration
