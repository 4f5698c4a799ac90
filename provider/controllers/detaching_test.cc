#include <algorithm>

#include "provider/controllers/testing/attachments_fixture.h"

namespace slicelet::provider {
namespace {

using std::chrono::minutes;
using testing::IsEmpty;
using testing::SizeIs;

class DetachingTest : public AttachmentsTest {};

TEST_F(DetachingTest, APageOfAProxyTakesNothingBack) {
  MakeGateway({{"attachTo", "iot"}});
  Advance();
  iot_.SetMaintenance(true);
  Delete(kube::kIotGateways, "north", "press");
  Advance(minutes(10));
  EXPECT_EQ(State(), "Orphaned");
  EXPECT_THAT(Attached(), testing::HasSubstr("False ServerUnreachable: "));
  EXPECT_THAT(Pods("north"), IsEmpty());
  EXPECT_THAT(iot_.things(), SizeIs(1));
  iot_.SetMaintenance(false);
  Advance(minutes(6));
  ExpectGone();
}

/// The API server takes nothing of an attachment on record but its end.
class RefusedRecordTest : public AttachmentsTest {
 protected:
  RefusedRecordTest() {
    MakeGateway({{"attachTo", "iot"}});
    Advance();
    server_.faults().before = [](const kube::KubeCall& call) {
      const Json* records =
          call.body == nullptr ? nullptr : kube::Find(*call.body, {"status", "attachments"});
      const bool ends = records == nullptr || std::ranges::all_of(*records, &Json::is_null);
      return ends ? absl::OkStatus() : absl::InvalidArgumentError("status.attachments: Invalid value");
    };
    Delete(kube::kIotGateways, "north", "press");
    Advance(minutes(10));
    EXPECT_THAT(Attached(), testing::HasSubstr("False StepFailed: status.attachments: Invalid value"));
    EXPECT_THAT(iot_.things(), SizeIs(1)) << "what is done must be known to others";
  }
};

TEST_F(RefusedRecordTest, AGatewayThatIsGivenUpIsTakenBackAndGoes) {
  GiveUp();
  Advance();
  ExpectGone();
}

TEST_F(RefusedRecordTest, AGatewayThatIsGivenUpGoesWithoutItsServerToo) {
  iot_.SetAway(true);
  GiveUp();
  Advance();
  EXPECT_EQ(Gateway(), Json());
  EXPECT_THAT(iot_.things(), SizeIs(1)) << "nobody could ask it";
}

TEST_F(DetachingTest, ARecordWhoseEndIsRefusedIsForgottenLaterAndWithoutHaste) {
  MakeGateway({{"attachTo", "iot"}});
  Advance();
  Delete(kube::kIotServers, "north", "iot");
  Patch(kube::kIotServers, "north", "iot", {{"metadata", {{"annotations", {{kGiveUp, "true"}}}}}});
  Advance();
  Crash();
  int tries = 0;
  server_.faults().before = [&tries](const kube::KubeCall& call) {
    const bool records = call.body != nullptr && kube::Find(*call.body, {"status", "attachments"}) != nullptr;
    if (!records) return absl::OkStatus();
    ++tries;
    return absl::InvalidArgumentError("status.attachments: Invalid value");
  };
  Delete(kube::kIotGateways, "north", "press");
  GiveUp();
  Advance(minutes(10));
  EXPECT_GT(tries, 5);
  EXPECT_LT(tries, 60);
  EXPECT_NE(Gateway(), Json());
  server_.faults().before = nullptr;
  Advance(minutes(2));
  EXPECT_EQ(Gateway(), Json());
}

TEST_F(DetachingTest, APageOfAProxyMakesNothingTwice) {
  iot_.SetMaintenance(true);
  MakeGateway({{"attachTo", "iot"}});
  Advance(minutes(10));
  EXPECT_EQ(State(), "Attaching");
  iot_.SetMaintenance(false);
  Advance(minutes(6));
  ExpectAttached();
  iot_.SetMaintenance(true);
  Advance(minutes(20));
  iot_.SetMaintenance(false);
  Advance(minutes(6));
  ExpectAttached();
}

}  // namespace
}  // namespace slicelet::provider
