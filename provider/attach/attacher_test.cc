#include "provider/attach/attacher.h"

#include <gmock/gmock.h>

#include "common/loop/testing/sim_loop.h"
#include "provider/attach/testing/fake_iot_server.h"
#include "provider/attach/testing/memory_attach_store.h"

namespace slicelet::provider {
namespace {

using Fault = FakeIotServer::Fault;
using std::chrono::minutes;
using testing::HasSubstr;
using testing::SizeIs;

constexpr char kName[] = "slicelet-gw-1-host-1-0af3";
/// Many of the longest waits.
constexpr auto kPatience = std::chrono::hours(2);

/// One attachment; the server and the store outlive its processes.
struct Attachment {
  Attachment(SimLoop& the_loop, FakeIotServer& the_server, std::string the_name)
      : loop(the_loop), server(the_server), store(loop), name(std::move(the_name)) {}

  /// A process begins.
  void Boot(bool wanted) {
    attacher.reset();
    // Nothing of the former process arrives any more; a connection of the new one logs in again.
    api = MakeIotServer(ServerDialect::kClassic, loop, server, FakeIotServer::Address(),
                        FakeIotServer::Login());
    server.ClearCrash();
    store.ClearCrash();
    attacher = std::make_unique<Attacher>(Attacher::Dependencies{loop, random, *api, store}, name,
                                          store.record(), [this] { ++changes; });
    attacher->Want(wanted);
  }
  [[nodiscard]] AttachState state() const { return attacher->record().state; }
  [[nodiscard]] bool crashed() const { return server.crashed() || store.crashed(); }
  /// Until then, or until the process has crashed.
  bool RunUntil(AttachState wanted) {
    return loop.RunUntil([&] { return crashed() || (state() == wanted && attacher->settled()); }, kPatience);
  }
  bool BootUntil(AttachState wanted) {
    Boot(wanted != AttachState::kDetached);
    return RunUntil(wanted);
  }

  SimLoop& loop;
  FakeIotServer& server;
  SeededRandom random{7};
  MemoryAttachStore store;
  std::string name;
  std::unique_ptr<IotServer> api;
  std::unique_ptr<Attacher> attacher;
  int changes = 0;
};

class AttacherTest : public testing::Test {
 protected:
  void ExpectAttached() {
    EXPECT_EQ(one_.state(), AttachState::kAttached) << one_.attacher->record().message;
    ASSERT_THAT(server_.things(), SizeIs(1));
    ASSERT_THAT(server_.channels(), SizeIs(1));
    EXPECT_THAT(server_.connections(), SizeIs(1));
    const AttachRecord& record = one_.store.record();
    EXPECT_EQ(record.identity, server_.things().begin()->first);
    EXPECT_EQ(record.channel, server_.channels().begin()->first);
    EXPECT_EQ(record.key, server_.things().begin()->second.key);
  }
  void ExpectNothing() {
    EXPECT_EQ(one_.store.record(), AttachRecord{});
    EXPECT_THAT(server_.things(), SizeIs(0));
    EXPECT_THAT(server_.channels(), SizeIs(0));
    EXPECT_THAT(server_.connections(), SizeIs(0));
  }
  /// Whatever happened before: a new process gets it right, and detaching leaves nothing.
  void ExpectItEndsWell() {
    ASSERT_TRUE(one_.BootUntil(AttachState::kAttached));
    ExpectAttached();
    ASSERT_TRUE(one_.BootUntil(AttachState::kDetached));
    ExpectNothing();
  }

  SimLoop loop_;
  FakeIotServer server_{loop_};
  Attachment one_{loop_, server_, kName};
};

TEST_F(AttacherTest, AttachesAndDetaches) {
  ASSERT_TRUE(one_.BootUntil(AttachState::kAttached));
  ExpectAttached();
  EXPECT_EQ(server_.things().begin()->second.name, kName);
  EXPECT_EQ(one_.api->TopicFor(one_.store.record().channel),
            "channels/" + server_.channels().begin()->first + "/messages");
  const int calls = server_.calls();
  one_.attacher->Want(true);
  loop_.RunReady();
  EXPECT_EQ(server_.calls(), calls);

  one_.attacher->Want(false);
  ASSERT_TRUE(one_.RunUntil(AttachState::kDetached));
  ExpectNothing();
  // And nothing goes on.
  const int after = server_.calls();
  loop_.Advance(minutes(60));
  EXPECT_EQ(server_.calls(), after);
}

TEST_F(AttacherTest, ANewProcessKeepsWhatIsThere) {
  ASSERT_TRUE(one_.BootUntil(AttachState::kAttached));
  const AttachRecord before = one_.store.record();
  const int saves = one_.store.saves();
  one_.Boot(true);
  EXPECT_EQ(one_.state(), AttachState::kAttached);
  loop_.Advance(minutes(1));
  ExpectAttached();
  EXPECT_EQ(one_.store.record(), before);
  EXPECT_EQ(one_.store.saves(), saves);
}

TEST_F(AttacherTest, GatewaysDoNotShareAnything) {
  Attachment other(loop_, server_, std::string(kName) + "-2");
  ASSERT_TRUE(one_.BootUntil(AttachState::kAttached));
  ASSERT_TRUE(other.BootUntil(AttachState::kAttached));
  // The name of the first is a part of the other's, which the server's search takes for the same.
  one_.Boot(true);
  loop_.Advance(minutes(1));
  EXPECT_THAT(server_.things(), SizeIs(2));
  EXPECT_THAT(server_.channels(), SizeIs(2));
  EXPECT_NE(one_.store.record().identity, other.store.record().identity);
  one_.attacher->Want(false);
  ASSERT_TRUE(one_.RunUntil(AttachState::kDetached));
  EXPECT_THAT(server_.things(), SizeIs(1));
  EXPECT_EQ(server_.things().begin()->first, other.store.record().identity);
}

/// What goes wrong with one request.
class RequestFaultTest : public AttacherTest, public testing::WithParamInterface<Fault> {};

TEST_P(RequestFaultTest, NothingLeaksWhereverItStrikesWhileAttaching) {
  int call = 1;
  for (bool struck = true; struck; ++call) {
    ASSERT_LT(call, 100);
    one_.Boot(true);
    const int before = server_.calls();
    server_.SetFault(call, GetParam());
    ASSERT_TRUE(one_.RunUntil(AttachState::kAttached)) << "call " << call;
    struck = server_.calls() - before >= call;
    if (!one_.crashed()) ExpectAttached();
    ExpectItEndsWell();
    if (HasFailure()) FAIL() << "call " << call;
  }
  EXPECT_GT(call, 8);
}

TEST_P(RequestFaultTest, NothingLeaksWhereverItStrikesWhileDetaching) {
  int call = 1;
  for (bool struck = true; struck; ++call) {
    ASSERT_LT(call, 100);
    ASSERT_TRUE(one_.BootUntil(AttachState::kAttached));
    one_.Boot(false);
    const int before = server_.calls();
    server_.SetFault(call, GetParam());
    ASSERT_TRUE(one_.RunUntil(AttachState::kDetached)) << "call " << call;
    struck = server_.calls() - before >= call;
    ASSERT_TRUE(one_.BootUntil(AttachState::kDetached));
    ExpectNothing();
    if (HasFailure()) FAIL() << "call " << call;
  }
  EXPECT_GT(call, 6);
}

TEST_P(RequestFaultTest, ChangingOnesMindAnywhereLeavesNothing) {
  for (int call = 0; call < 10; ++call) {
    one_.Boot(true);
    server_.SetFault(call + 2, GetParam());
    const int begun = server_.calls();
    ASSERT_TRUE(loop_.RunUntil([&] { return one_.crashed() || server_.calls() - begun >= call; }, kPatience));
    if (one_.crashed()) one_.Boot(true);
    one_.attacher->Want(false);
    ASSERT_TRUE(one_.RunUntil(AttachState::kDetached));
    if (one_.crashed()) {
      ASSERT_TRUE(one_.BootUntil(AttachState::kDetached));
    }
    loop_.Advance(minutes(30));
    ExpectNothing();
    if (HasFailure()) FAIL() << "call " << call;
  }
}

std::string NameOfFault(const testing::TestParamInfo<Fault>& info) {
  static const char* const kNames[] = {"None", "Error", "Lost", "LostBefore", "Crash", "CrashBefore"};
  return kNames[static_cast<int>(info.param)];
}

INSTANTIATE_TEST_SUITE_P(Faults, RequestFaultTest,
                         testing::Values(Fault::kError, Fault::kLost, Fault::kLostBefore, Fault::kCrash,
                                         Fault::kCrashBefore),
                         NameOfFault);

TEST_F(AttacherTest, NothingLeaksWhereverARecordIsNotWritten) {
  const std::vector<void (MemoryAttachStore::*)(int)> faults = {
      &MemoryAttachStore::CrashBefore, &MemoryAttachStore::CrashAfter, &MemoryAttachStore::Fail};
  for (const auto fault : faults) {
    for (int save = 1; save <= 8; ++save) {
      one_.Boot(true);
      (one_.store.*fault)(save);
      ASSERT_TRUE(one_.RunUntil(AttachState::kAttached));
      if (one_.crashed()) {
        ASSERT_TRUE(one_.BootUntil(AttachState::kAttached));
      }
      ExpectAttached();
      one_.Boot(false);
      (one_.store.*fault)(save);
      ASSERT_TRUE(one_.RunUntil(AttachState::kDetached));
      if (one_.crashed()) {
        ASSERT_TRUE(one_.BootUntil(AttachState::kDetached));
      }
      ExpectNothing();
      if (HasFailure()) FAIL() << "save " << save;
    }
  }
}

TEST_F(AttacherTest, WhatIsThereTwiceIsThereOnce) {
  server_.DoubleNext();
  ASSERT_TRUE(one_.BootUntil(AttachState::kAttached));
  EXPECT_THAT(server_.things(), SizeIs(2));
  ExpectItEndsWell();
}

TEST_F(AttacherTest, AFailedStepUndoesThoseBeforeItAndIsExplained) {
  one_.Boot(true);
  // Log in, look for things, thing, look for channels, channel, connect.
  server_.SetFault(6, Fault::kError);
  ASSERT_TRUE(loop_.RunUntil([&] { return one_.attacher->record().reason == "StepFailed"; }, kPatience));
  EXPECT_EQ(one_.state(), AttachState::kDetached);
  EXPECT_THAT(one_.attacher->record().message, HasSubstr("500"));
  EXPECT_THAT(server_.things(), SizeIs(0));
  EXPECT_THAT(server_.channels(), SizeIs(0));
  ASSERT_TRUE(one_.RunUntil(AttachState::kAttached));
  ExpectAttached();
  EXPECT_EQ(one_.attacher->record().reason, "");
}

TEST_F(AttacherTest, AnAuthOutageIsNeverCalledWrongCredentials) {
  server_.SetAuthDown(true);
  one_.Boot(true);
  bool rejected = false;
  EXPECT_FALSE(loop_.RunUntil(
      [&] { return rejected = one_.attacher->record().reason == "CredentialsRejected"; }, minutes(60)));
  EXPECT_FALSE(rejected);
  EXPECT_EQ(one_.attacher->record().reason, "ServerUnreachable");
  EXPECT_THAT(one_.attacher->record().message, HasSubstr("auth"));
  server_.SetAuthDown(false);
  ASSERT_TRUE(one_.RunUntil(AttachState::kAttached));

  // Attached, and the token ends during the outage.
  server_.SetAuthDown(true);
  server_.ForgetTokens();
  one_.Boot(true);
  EXPECT_FALSE(
      loop_.RunUntil([&] { return one_.attacher->record().reason == "CredentialsRejected"; }, minutes(60)));
  EXPECT_EQ(one_.state(), AttachState::kDegraded);
  server_.SetAuthDown(false);
  ASSERT_TRUE(one_.RunUntil(AttachState::kAttached));
  ExpectAttached();
}

TEST_F(AttacherTest, WrongCredentialsAreCalledThatAndMakeNothing) {
  server_.SetPassword("another");
  one_.Boot(true);
  ASSERT_TRUE(
      loop_.RunUntil([&] { return one_.attacher->record().reason == "CredentialsRejected"; }, minutes(5)));
  EXPECT_THAT(one_.attacher->record().message, HasSubstr("password"));
  EXPECT_EQ(one_.attacher->record().message.find("12345678"), std::string::npos);
  EXPECT_THAT(server_.things(), SizeIs(0));
  server_.SetPassword(FakeIotServer::Login().password);
  ASSERT_TRUE(one_.RunUntil(AttachState::kAttached));
}

TEST_F(AttacherTest, ATokenThatEndsIsRenewed) {
  ASSERT_TRUE(one_.BootUntil(AttachState::kAttached));
  server_.ForgetTokens();
  one_.attacher->Want(false);
  ASSERT_TRUE(one_.RunUntil(AttachState::kDetached));
  ExpectNothing();
}

TEST_F(AttacherTest, DetachingFromAServerThatIsAwayIsATombstone) {
  ASSERT_TRUE(one_.BootUntil(AttachState::kAttached));
  server_.SetAway(true);
  one_.attacher->Want(false);
  ASSERT_TRUE(one_.loop.RunUntil([&] { return one_.state() == AttachState::kOrphaned; }, minutes(1)));
  loop_.Advance(minutes(20));
  EXPECT_EQ(one_.store.record().state, AttachState::kOrphaned);
  EXPECT_NE(one_.store.record().identity, "");
  // Over a restart too.
  one_.Boot(false);
  loop_.Advance(minutes(20));
  server_.SetAway(false);
  ASSERT_TRUE(one_.RunUntil(AttachState::kDetached));
  ExpectNothing();
}

TEST_F(AttacherTest, AServerThatIsGoneForGoodCanBeGivenUp) {
  ASSERT_TRUE(one_.BootUntil(AttachState::kAttached));
  one_.attacher->GiveUp();
  loop_.RunReady();
  EXPECT_EQ(one_.state(), AttachState::kAttached);
  server_.SetAway(true);
  one_.attacher->Want(false);
  loop_.Advance(minutes(5));
  EXPECT_EQ(one_.state(), AttachState::kOrphaned);
  one_.attacher->GiveUp();
  ASSERT_TRUE(one_.RunUntil(AttachState::kDetached));
  EXPECT_EQ(one_.store.record(), AttachRecord{});
  EXPECT_THAT(server_.things(), SizeIs(1));
}

TEST_F(AttacherTest, WhoIsGivenUpIsAskedOnceMore) {
  ASSERT_TRUE(one_.BootUntil(AttachState::kAttached));
  server_.SetAway(true);
  one_.attacher->Want(false);
  loop_.Advance(minutes(30));
  EXPECT_EQ(one_.state(), AttachState::kOrphaned);
  server_.SetAway(false);
  one_.attacher->GiveUp();
  loop_.RunReady();
  ExpectNothing();
}

TEST_F(AttacherTest, WhatSomebodyElseDeletedIsMadeAgain) {
  ASSERT_TRUE(one_.BootUntil(AttachState::kAttached));
  const AttachRecord before = one_.store.record();
  server_.things().clear();
  server_.connections().clear();
  bool degraded = false;
  ASSERT_TRUE(loop_.RunUntil(
      [&] {
        degraded = degraded || one_.state() == AttachState::kDegraded;
        return degraded && one_.state() == AttachState::kAttached;
      },
      kPatience));
  ExpectAttached();
  EXPECT_NE(one_.store.record().key, before.key);
  EXPECT_EQ(one_.store.record().channel, before.channel);

  server_.connections().clear();
  ASSERT_TRUE(loop_.RunUntil([&] { return !server_.connections().empty(); }, kPatience));
  ASSERT_TRUE(one_.RunUntil(AttachState::kAttached));
  ExpectAttached();
}

TEST_F(AttacherTest, AnExporterThatCannotPublishMakesItDegraded) {
  ASSERT_TRUE(one_.BootUntil(AttachState::kAttached));
  one_.attacher->Report(absl::UnavailableError("the server took nothing"));
  loop_.RunReady();
  EXPECT_EQ(one_.state(), AttachState::kDegraded);
  EXPECT_EQ(one_.attacher->record().reason, "ExporterNotPublishing");
  EXPECT_EQ(one_.store.record().state, AttachState::kDegraded);
  loop_.Advance(minutes(30));
  EXPECT_EQ(one_.state(), AttachState::kDegraded);
  one_.attacher->Report(absl::OkStatus());
  loop_.RunReady();
  EXPECT_EQ(one_.state(), AttachState::kAttached);
  EXPECT_EQ(one_.attacher->record().message, "");
  ExpectAttached();
}

TEST_F(AttacherTest, NothingHappensBeforeAWishAndWithoutNeed) {
  one_.Boot(false);
  loop_.Advance(minutes(30));
  EXPECT_EQ(server_.calls(), 0);
  EXPECT_EQ(one_.store.saves(), 0);
}

}  // namespace
}  // namespace slicelet::provider
