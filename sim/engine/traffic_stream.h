/// Traffic and its times as bytes, between a runner and a program of ours that solves for it in
/// another process of the same host (byte order and widths are the host's). Both readers check all
/// that they read: mark, version, lengths, indices and values; what they return can be trusted, the
/// bytes cannot.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "sim/engine/traffic.h"

namespace ridgeline::engine {

std::string WriteTraffic(const Traffic& traffic);
/// Errors: kInvalidArgument, what is wrong with the bytes.
Result<Traffic> ReadTraffic(std::string_view bytes);

/// What the solver says: times, and how long it simulated (processor time; start of processes,
/// building the platform, reading and writing not counted).
struct TrafficAnswer {
  FlowTimes times;
  double solve_seconds = 0.0;
};

std::string WriteAnswer(const TrafficAnswer& answer);
/// The solver's own reason why there are no times.
std::string WriteRefusal(std::string_view reason);
/// Most bytes that an answer about so many flows can have.
size_t MostAnswerBytes(int64_t num_flows);
/// Errors: kUnimplemented with the reason of a refusal; kInvalidArgument, what is wrong with the
/// bytes, which must be an answer about `traffic`: a flow that begins before its start or ends
/// before it begins is garbage.
Result<TrafficAnswer> ReadAnswer(std::string_view bytes, const Traffic& traffic);

}  // namespace ridgeline::engine
