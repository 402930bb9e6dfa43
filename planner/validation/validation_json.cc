#include "planner/validation/validation_json.h"

#include <optional>
#include <string_view>

#include <nlohmann/json.hpp>

namespace ridgeline::validation {
namespace {

using Json = nlohmann::ordered_json;

std::string_view KindName(SkipKind kind) {
  switch (kind) {
    case SkipKind::kNone:
      return "none";
    case SkipKind::kNotStated:
      return "not stated";
    case SkipKind::kUnimplemented:
      return "not built yet";
    case SkipKind::kError:
      return "error";
    case SkipKind::kOtherHalf:
      return "other half";
  }
  return "none";
}

Json OrNull(const std::optional<double>& value) { return value ? Json(*value) : Json(nullptr); }

Json OrNull(const std::string& text) { return text.empty() ? Json(nullptr) : Json(text); }

Json AssumedOf(const std::vector<Assumed>& assumed) {
  Json object = Json::object();
  for (const Assumed& one : assumed) {
    object[one.path] = one.value;
  }
  return object;
}

/// Which half and kind a case is of, where the suite tells them apart.
void AddPlace(const SuiteOutcome& suite, const CaseOutcome& c, Json& object) {
  if (suite.has_halves) {
    object["half"] = HalfName(c.is_held_out);
  }
  if (!c.group.empty()) {
    object["group"] = c.group;
  }
}

Json CaseOf(const SuiteOutcome& suite, const CaseOutcome& c) {
  if (c.skip != SkipKind::kNone) {
    Json skipped = {
        {"id", c.id}, {"metric", c.metric}, {"skipped", c.reason}, {"kind", KindName(c.skip)}};
    AddPlace(suite, c, skipped);
    return skipped;
  }
  Json object = {{"id", c.id},
                 {"metric", c.metric},
                 {"measured", c.measured},
                 {"predicted", c.predicted},
                 {"low", c.low},
                 {"high", c.high},
                 {"evidence", EvidenceName(c.evidence)},
                 {"error", c.is_class ? Json(nullptr) : Json(c.SignedError())},
                 {"fits", c.fits}};
  if (c.tolerance) {
    object["tolerance"] = *c.tolerance;
    object["within_tolerance"] = c.IsWithinTolerance();
  }
  AddPlace(suite, c, object);
  if (!c.claim.empty()) {
    object["claim"] = c.claim;
  }
  if (!c.correction.empty()) {
    object["correction"] = c.correction;
  }
  if (!c.tags.empty()) {
    object["tags"] = c.tags;
  }
  if (!c.assumed.empty()) {
    object["assumed"] = AssumedOf(c.assumed);
  }
  return object;
}

void AddAccuracy(const Accuracy& accuracy, Json& object) {
  object["scored"] = accuracy.scored;
  object["mape"] = OrNull(accuracy.mape);
  object["median_error"] = OrNull(accuracy.median_error);
  object["p90_error"] = OrNull(accuracy.p90_error);
  object["bias"] = OrNull(accuracy.bias);
  object["worst"] = accuracy.worst
                        ? Json{{"id", accuracy.worst->id}, {"error", accuracy.worst->error}}
                        : Json(nullptr);
  object["skill"] = OrNull(accuracy.skill);
  object["coverage"] = OrNull(accuracy.coverage);
  object["median_half_width"] = OrNull(accuracy.median_half_width);
  object["width_over_error"] = OrNull(accuracy.width_over_error);
  object["constant_mfu"] = OrNull(accuracy.constant_mfu);
  object["mape_constant"] = OrNull(accuracy.mape_constant);
  object["oom"] = {{"hits", accuracy.oom_hits},
                   {"misses", accuracy.oom_misses},
                   {"false_alarms", accuracy.oom_false_alarms}};
}

Json SidesOf(double from, double to) {
  return {{"from", from}, {"to", to}, {"difference", to - from}, {"ratio", to / from}};
}

Json PairsOf(const SuiteOutcome& suite) {
  Json pairs = Json::array();
  for (const PairOutcome& pair : suite.pairs) {
    Json one = {{"from", pair.pair.from},
                {"to", pair.pair.to},
                {"what", pair.pair.what},
                {"metric", pair.pair.metric},
                {"verdict", VerdictName(pair.verdict)}};
    if (suite.has_halves) {
      one["half"] = HalfName(pair.is_held_out);
    }
    if (pair.verdict == PairVerdict::kNotJudged) {
      one["skipped"] = pair.reason;
    } else {
      one["measured"] = SidesOf(pair.measured_from, pair.measured_to);
      one["predicted"] = SidesOf(pair.predicted_from, pair.predicted_to);
      one["noise"] = pair.noise;
      one["sign_right"] = pair.is_judged() ? Json(pair.verdict != PairVerdict::kWrongSign) : Json();
      one["within_third"] =
          pair.is_judged() ? Json(pair.verdict == PairVerdict::kWithinThird) : Json();
    }
    pairs.push_back(std::move(one));
  }
  return pairs;
}

Json PairCountsOf(const SuiteOutcome& suite) {
  Json counts = Json::array();
  for (const PairCount& count : suite.pair_counts) {
    counts.push_back({{"name", count.name},
                      {"pairs", count.pairs},
                      {"judged", count.judged},
                      {"sign_right", count.right_sign},
                      {"within_third", count.within_third},
                      {"undecided", count.undecided}});
  }
  return counts;
}

Json OrNull(const std::optional<Seconds>& time) {
  return time ? Json(time->base()) : Json(nullptr);
}

/// Times in seconds; what was not run is null, with the reason.
Json AgreementOf(const SuiteOutcome& suite) {
  Json rows = Json::array();
  for (const AgreementRow& row : suite.agreement) {
    rows.push_back({{"id", row.id},
                    {"what", row.what},
                    {"closed_form", row.closed_form.base()},
                    {"flow", OrNull(row.flow)},
                    {"simgrid", OrNull(row.simgrid)},
                    {"expected_slowdown", row.slowdown},
                    {"or_more", row.or_more},
                    {"because", OrNull(row.because)},
                    {"no_flow", OrNull(row.no_flow)},
                    {"no_simgrid", OrNull(row.no_simgrid)}});
  }
  return rows;
}

Json SharingOf(const SuiteOutcome& suite) {
  Json rows = Json::array();
  for (const SharingRow& row : suite.sharing) {
    rows.push_back({{"at_once", row.beside},
                    {"operation", row.one},
                    {"bytes", row.bytes.base()},
                    {"measured_alone", row.measured_alone.base()},
                    {"measured", row.measured.base()},
                    {"predicted_alone", row.predicted_alone.base()},
                    {"predicted", row.predicted.base()}});
  }
  return rows;
}

Json SuiteOf(const SuiteOutcome& suite) {
  Json object = {{"name", suite.name}, {"source", suite.source}, {"cases", Json::array()}};
  for (const CaseOutcome& c : suite.cases) {
    object["cases"].push_back(CaseOf(suite, c));
  }
  AddAccuracy(suite.accuracy, object);
  object["outside_tolerance"] = suite.CountOutsideTolerance();
  object["groups"] = Json::array();
  for (const Group& group : suite.groups) {
    Json one = {{"name", group.of.name}, {"cases", group.accuracy.cases}};
    if (suite.is_by_metric) {
      one["half"] = group.of.is_held_out ? Json(HalfName(*group.of.is_held_out)) : Json(nullptr);
      one["metric"] = OrNull(group.of.metric);
      one["kind"] = OrNull(group.of.kind);
      one["tags"] = group.of.tags;
    }
    AddAccuracy(group.accuracy, one);
    object["groups"].push_back(std::move(one));
  }
  object["skipped"] = Json::array();
  for (const SkipCount& skip : suite.skipped) {
    object["skipped"].push_back(
        {{"kind", KindName(skip.kind)}, {"reason", skip.reason}, {"cases", skip.cases}});
  }
  if (suite.has_halves) {
    object["half"] = Codec<Half>::Write(suite.half);
  }
  if (!suite.pairs.empty()) {
    object["pairs"] = PairsOf(suite);
    object["pair_counts"] = PairCountsOf(suite);
  }
  if (!suite.agreement.empty() || !suite.sharing.empty()) {
    object["agreement"] = AgreementOf(suite);
    object["sharing"] = SharingOf(suite);
    object["notes"] = suite.notes;
  }
  object["assumed"] = Json::array();
  for (const AssumedCount& one : suite.assumed) {
    object["assumed"].push_back(
        {{"path", one.assumed.path}, {"value", one.assumed.value}, {"cases", one.cases}});
  }
  return object;
}

/// Bad UTF-8 in a user's file must not stop the answer.
std::string Dump(const Json& json, int indent) {
  return json.dump(indent, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace

std::string WriteValidationJson(const ValidationReport& report) {
  Json object = {{"schema", "ridgeline.validation/1"}, {"suites", Json::array()}};
  for (const SuiteOutcome& suite : report.suites) {
    object["suites"].push_back(SuiteOf(suite));
  }
  object["factors"] = Json::array();
  for (const sim::Assumption& factor : report.factors) {
    object["factors"].push_back(
        {{"what", factor.what}, {"value", factor.value}, {"source", factor.source}});
  }
  object["within_tolerance"] = report.IsWithinTolerance();
  object["partial"] = report.is_partial;
  return Dump(object, 2);
}

std::string WriteValidationJsonLines(const ValidationReport& report) {
  std::string text;
  for (const SuiteOutcome& suite : report.suites) {
    for (const CaseOutcome& c : suite.cases) {
      Json line = {{"suite", suite.name}};
      line.update(CaseOf(suite, c));
      text += Dump(line, -1);
    }
  }
  return text;
}

}  // namespace ridgeline::validation
