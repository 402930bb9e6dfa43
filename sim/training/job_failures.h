/// How often something that a job needs fails.
///
/// Where a scenario names no rates they are those of one published run: 54 days of Llama 3 405B on
/// 16,384 H100 (arXiv:2407.21783, table 5), 419 unexpected interruptions, by root cause:
///
///     GPU       148 faulty, 72 HBM3, 19 SRAM, 17 system processor, 6 silent corruption, 6 thermal
///               interface and sensor                                                          268
///     node      32 host maintenance, 3 SSD, 3 power supply, 2 chassis, 2 IO expansion board, 2
///     CPU,
///               2 system memory                                                                46
///     network   35 switch or cable, 7 NIC                                                      42
///     software  54 bug, 2 dependency, 7 NCCL watchdog (cause unknown)                          63
///
/// A mean time is then 54 days x components / count; software's is taken to shrink with the GPUs of
/// the job, as the others' do (Kokolis et al., arXiv:2410.21680, find mean times that fall as one
/// over the GPUs over all causes).
#pragma once

#include <string_view>
#include <vector>

#include "base/units.h"
#include "workloads/training_run.h"

namespace ridgeline::training {

struct ComponentFailures {
  std::string_view name;  // "gpu"
  Seconds of_one;         // mean time between failures of one component; of the job: software
  Seconds of_job;         // of all that the job needs
  bool is_default = true;
};

struct JobFailures {
  std::vector<ComponentFailures> components;  // gpu, node, network, software
  /// Between any two: rates add up.
  Seconds mean_between() const;
};

/// Of a job on `gpus` GPUs in `nodes` nodes.
JobFailures FailuresOf(const workloads::FailureRates& rates, int64_t gpus, int64_t nodes);

inline constexpr std::string_view kFailuresSource =
    "arXiv:2407.21783, table 5: 419 interruptions in 54 days on 16,384 H100";

}  // namespace ridgeline::training
