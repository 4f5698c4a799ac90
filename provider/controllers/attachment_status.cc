#include "provider/controllers/attachment_status.h"

#include <algorithm>
#include <utility>

#include "kube/object.h"

namespace slicelet::provider {
namespace {

/// How people see one attachment.
struct Shown {
  std::string state;
  AttachView view;
};

/// What keeps the gateway from being attached, before anything is asked of the server.
Finding WhyNotBegun(const World& world, const Json& gateway, const std::string& name) {
  if (const auto problem = ExporterProblem(gateway)) return *problem;
  const std::string ns = kube::NamespaceOf(gateway);
  const Json* server = world.Find(kube::kIotServers, ns, name);
  if (server == nullptr) {
    return {"ServerNotFound", "spec.attachTo: there is no IotServer " + name + " in namespace " + ns +
                                  ": make it, or name another"};
  }
  if (kube::BeingDeleted(*server)) return {"ServerTerminating", "IotServer " + name + " is being deleted"};
  if (TakesGateways(*server)) return {"Attaching", "begins"};
  if (kube::TextAt(*server, {"status", "credentialsSecret"}).empty() &&
      kube::TextAt(*server, {"spec", "profile"}) == "external") {
    return {"CredentialsNotFound", "IotServer " + name +
                                       " has no spec.credentialsSecret: name a Secret with email "
                                       "and password of a user there"};
  }
  return {"ServerNotReady",
          "IotServer " + name + " is not ready: it does not tell its endpoints, or has no user yet"};
}

std::string StateText(const Json& gateway, const AttachView& view, bool leaves) {
  const std::string state = NameOf(view.record.state);
  if (leaves) return view.record.state == AttachState::kOrphaned ? state : "Detaching";
  if (state != "Degraded" || view.record.reason != "ExporterNotPublishing") return state;
  // Its exporter has not published anything yet.
  const bool starts = IsOfFleet(gateway)
                          ? view.record.message.find(kNotStarted) != std::string::npos
                          : kube::TextAt(gateway, {"status", "attachment", "state"}) == "Attaching";
  return starts ? "Attaching" : state;
}

Finding WhyNotAttached(const Shown& shown) {
  const AttachRecord& record = shown.view.record;
  if (shown.state == "Detaching" && record.state != AttachState::kDetaching) {
    return {"ExporterRuns",
            std::string("waits until the host says that nothing is sent any more; if it never will, "
                        "annotate the gateway with ") +
                kGiveUp + ": \"true\""};
  }
  if (record.reason.empty()) {
    return {shown.state, shown.state == "Detaching" ? "is being detached" : "is being attached"};
  }
  return {record.reason, record.message};
}

/// The one that tells most about why not all are attached; null without any.
const Shown* Worst(const std::vector<Shown>& all) {
  for (const char* state : {"Degraded", "Attaching", "Detached", "Detaching", "Orphaned"}) {
    const auto it = std::ranges::find(all, state, &Shown::state);
    if (it != all.end()) return &*it;
  }
  return all.empty() ? nullptr : &all.front();
}

std::string HostCount(std::size_t count) { return std::to_string(count) + (count == 1 ? " host" : " hosts"); }

/// The attachments of one gateway, sorted: those that it asks for, and those that leave.
class Sum {
 public:
  Sum(Plan& plan, const World& world, const Json& gateway, const GatewayAttachments& attachments,
      const std::optional<Finding>& barred)
      : plan_(plan), gateway_(gateway), server_(kube::TextAt(gateway, {"spec", "attachTo"})) {
    const auto wanted = AttachServerOf(gateway);
    const auto is_own = [&](const AttachView& view) {
      return wanted && view.server == *wanted &&
             (!attachments.hosts || attachments.hosts->count(view.host) != 0);
    };
    std::set<std::string> there;
    for (const AttachView& view : attachments.views) {
      const bool own = is_own(view);
      (own ? own_ : leaving_).push_back({StateText(gateway, view, !own), view});
      if (own) there.insert(view.host);
    }
    if (server_.empty() || kube::BeingDeleted(gateway)) return;
    why_not_begun_ = barred ? *barred : WhyNotBegun(world, gateway, server_);
    if (!IsOfFleet(gateway)) {
      if (own_.empty() && leaving_.empty()) own_.push_back(NotBegun("Detached", ""));
      return;
    }
    const bool begins = why_not_begun_.reason == "Attaching";
    if (begins && attachments.views.size() >= Attachments::kMaxHosts) {
      why_not_begun_ = {"TooManyHosts", "a gateway is attached on " + std::to_string(Attachments::kMaxHosts) +
                                            " hosts at most: make another one for the others"};
    }
    if (!wanted || !attachments.hosts) return;
    for (const std::string& host : *attachments.hosts) {
      if (there.count(host) == 0) own_.push_back(NotBegun(begins ? "Attaching" : "Detached", host));
    }
  }

  [[nodiscard]] bool empty() const { return own_.empty() && leaving_.empty(); }

  /// Of a gateway with one host.
  void ShowOne() {
    const Shown& shown = own_.empty() ? leaving_.front() : own_.front();
    Tell(shown.state, shown.view,
         shown.state == "Attached"
             ? Finding{"Attached", "readings go to channel " + shown.view.record.channel + " of IotServer " +
                                       shown.view.server}
             : WhyNotAttached(shown),
         nullptr);
  }

  void ShowFleet() {
    const bool asks = !server_.empty() && !kube::BeingDeleted(gateway_);
    const bool moves = std::ranges::any_of(
        leaving_, [&](const Shown& one) { return one.view.server != server_ && one.state == "Detaching"; });
    if (!asks || moves) return ShowLeaving();
    const auto attached = std::ranges::count(own_, "Attached", &Shown::state);
    const std::string hosts = std::to_string(attached) + "/" + std::to_string(own_.size());
    AttachView view{.host = "", .server = server_, .record = {}};
    if (own_.empty() && why_not_begun_.reason != "Attaching")
      return Tell("Detached", view, why_not_begun_, hosts);
    if (own_.empty()) return Tell("Attaching", view, {"NoHost", "its pod is for no host yet"}, hosts);
    const Shown& worst = *Worst(own_);
    if (worst.state == "Attached") {
      std::string message = "readings of " + HostCount(own_.size()) + " go to IotServer " + server_;
      if (const Shown* left = Worst(leaving_))
        message += "; " + HostCount(leaving_.size()) + " left, " + left->view.host + " is " + left->state;
      return Tell("Attached", view, {"Attached", message}, hosts);
    }
    const Finding why = WhyNotAttached(worst);
    Tell(worst.state, view,
         {why.reason,
          hosts + " hosts are attached; " + worst.view.host + " is " + worst.state + ": " + why.message},
         hosts);
  }

 private:
  [[nodiscard]] Shown NotBegun(const std::string& state, const std::string& host) const {
    AttachView view{.host = host, .server = server_, .record = {}};
    view.record.reason = why_not_begun_.reason;
    view.record.message = why_not_begun_.message;
    return {state, std::move(view)};
  }

  void ShowLeaving() {
    const Shown& worst = *Worst(leaving_);
    const Finding why = WhyNotAttached(worst);
    AttachView view{.host = "", .server = worst.view.server, .record = {}};
    Tell(worst.state, view,
         {why.reason, HostCount(leaving_.size()) + " yet to leave; " + worst.view.host + ": " + why.message},
         nullptr);
  }

  void Tell(const std::string& state, const AttachView& view, const Finding& finding, const Json& hosts) {
    plan_.Condition("Attached", state == "Attached" ? "True" : "False", finding);
    const Json* former = kube::Find(gateway_, {"status", "attachment"});
    const bool same = former != nullptr && kube::TextAt(*former, {"state"}) == state;
    Json attachment = {{"state", state},
                       {"server", view.server},
                       {"host", view.host},
                       {"channel", view.record.channel},
                       {"since", same ? kube::TextAt(*former, {"since"}) : plan_.now()}};
    // A patch would keep it otherwise.
    if (!hosts.is_null() || (former != nullptr && former->contains("hosts"))) attachment["hosts"] = hosts;
    plan_.Set("attachment", std::move(attachment));
  }

  Plan& plan_;
  const Json& gateway_;
  const std::string server_;
  Finding why_not_begun_;
  std::vector<Shown> own_, leaving_;
};

}  // namespace

void ShowAttachments(Plan& plan, const World& world, const Json& gateway,
                     const GatewayAttachments& attachments, const std::optional<Finding>& barred) {
  Sum sum(plan, world, gateway, attachments, barred);
  const bool asks = !kube::TextAt(gateway, {"spec", "attachTo"}).empty() && !kube::BeingDeleted(gateway);
  if (sum.empty() && !(asks && IsOfFleet(gateway))) return plan.Set("attachment", nullptr);
  if (IsOfFleet(gateway)) return sum.ShowFleet();
  sum.ShowOne();
}

std::string WhyNotDetached(const GatewayAttachments& attachments) {
  for (const AttachView& view : attachments.views) {
    if (view.record.state == AttachState::kOrphaned) {
      return "IotServer " + view.server +
             " does not take back what it holds of this gateway: " + view.record.message +
             "; annotate the gateway with " + kGiveUp + ": \"true\" to leave it behind";
    }
  }
  return "is being detached";
}

}  // namespace slicelet::provider
