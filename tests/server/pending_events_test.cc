#include "service/server/pending_events.h"

#include <gtest/gtest.h>
#include <ridgeline/v1/services.pb.h>

#include "service/server/event_sink.h"

namespace ridgeline::server {
namespace {

v1::PlanEvent ProgressAt(double done) {
  v1::PlanEvent event;
  event.mutable_progress()->set_done(done);
  return event;
}

v1::PlanEvent Incumbent(const std::string& tp) {
  v1::PlanEvent event;
  (*event.mutable_incumbent()->mutable_settings())["tp"] = tp;
  return event;
}

TEST(PendingEventsTest, NewestProgressReplacesUnsentProgress) {
  PendingEvents<v1::PlanEvent> pending;
  pending.Add(ProgressAt(1));
  pending.Add(ProgressAt(2));
  EXPECT_EQ(pending.Take()->progress().done(), 2);
  EXPECT_FALSE(pending.Take().has_value());
}

TEST(PendingEventsTest, ResultsAreKeptInOrderAndDropOlderProgress) {
  PendingEvents<v1::PlanEvent> pending;
  pending.Add(ProgressAt(1));
  pending.Add(Incumbent("1"));
  pending.Add(Incumbent("2"));
  pending.Add(ProgressAt(3));
  EXPECT_EQ(pending.Take()->incumbent().settings().at("tp"), "1");
  EXPECT_EQ(pending.Take()->incumbent().settings().at("tp"), "2");
  EXPECT_EQ(pending.Take()->progress().done(), 3);
  EXPECT_TRUE(pending.empty());
}

TEST(PendingEventsTest, NoProgressFollowsTheResult) {
  PendingEvents<v1::PlanEvent> pending;
  pending.Add(ProgressAt(1));
  v1::PlanEvent result;
  result.mutable_result();
  pending.Add(result);
  EXPECT_TRUE(pending.Take()->has_result());
  EXPECT_TRUE(pending.empty());
}

class CountingSink final : public EventSink<v1::PlanEvent> {
 public:
  void Send(v1::PlanEvent event) override { events.push_back(std::move(event)); }
  std::vector<v1::PlanEvent> events;
};

TEST(EventProgressTest, ReportsWithinATenthOfASecondAreOneEvent) {
  CountingSink sink;
  EventProgress<v1::PlanEvent> progress(sink);
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < 1000; ++i) {
    progress.Report("search", i, 1000, "candidates");
  }
  const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - begin;
  EXPECT_LE(static_cast<double>(sink.events.size()), 1 + 10 * spent.count());
  EXPECT_EQ(sink.events.at(0).progress().unit(), "candidates");
  EXPECT_EQ(sink.events.at(0).progress().total(), 1000);
}

}  // namespace
}  // namespace ridgeline::server
