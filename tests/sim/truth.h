#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "kube/testing/memory_kube_api.h"
#include "tests/sim/story.h"

namespace slicelet::sim {

/// Knows what users asked for, and judges what the API server shows and what hosts do by it.
class Truth {
 public:
  /// What has to become of a pod in the end.
  enum class Outcome { kRuns, kSucceeds, kFails, kPends };

  struct Pod {
    std::string uid, ns, name, node;
    Outcome outcome = Outcome::kRuns;
    /// "Always", "OnFailure", "Never".
    std::string policy;
    /// What each container is to run now.
    std::map<std::string, std::string> images;
    /// How often that was changed and has not been used as a reason to stop a container.
    std::map<std::string, int> changes;
    /// Somebody asked to delete it, or an operator to remove it: it may be stopped.
    bool deleting = false;
    bool forced = false;
    /// The API server forgot it without anybody's asking: it has to go on.
    bool lost = false;
    /// The API server was restored to a state from before its deletion or end: what it was before does not
    /// count.
    bool returned = false;
    bool begins_anew = false;
    /// As the API server showed it last.
    bool in_api = false;
    std::string phase;
    std::map<std::string, std::int64_t> restarts;
  };

  /// `api` and `story` must outlive it. `running` tells the containers of a pod that run on a host.
  Truth(kube::MemoryApiServer& api, Story& story,
        std::function<std::map<std::string, std::string>(const std::string& node, const std::string& uid)>
            running);

  void Created(Pod pod);
  void DeletionAsked(const std::string& uid, bool forced);
  void ImageChanged(const std::string& uid, const std::string& container, const std::string& image);
  /// An operator decided that this pod is to be removed.
  void OperatorRemoved(const std::string& uid);
  /// The API server's state was replaced by an older one.
  void Restored();

  /// Looks at every pod that the API server shows, if anything changed: phases and restart counts only go
  /// forward, nothing vanishes that nobody deleted, no object goes before its containers.
  void CheckApi();
  /// An agent stops a container that runs. Without a reason that is a violation.
  void CheckStop(const std::string& host, const std::string& uid, const std::string& container,
                 const std::string& container_id, const std::string& image);
  /// A container was started. What ended for good must not start again.
  void CheckStart(const std::string& host, const std::string& uid, const std::string& container,
                  int earlier_starts, bool earlier_success);
  /// A status write came back from the API server.
  void CheckStatusWrite(const kube::KubeCall& call, const absl::Status& outcome);

  [[nodiscard]] const std::map<std::string, Pod>& pods() const { return pods_; }
  [[nodiscard]] const Pod* Find(const std::string& uid) const;
  [[nodiscard]] bool restored() const { return restored_; }

 private:
  void CheckPod(const kube::Json& object);

  kube::MemoryApiServer& api_;
  Story& story_;
  std::function<std::map<std::string, std::string>(const std::string&, const std::string&)> running_;
  std::map<std::string, Pod> pods_;
  /// Containers whose stop had a reason: an agent may ask again, also in its next life.
  std::set<std::string> may_stop_;
  bool changed_ = false;
  bool restored_ = false;
};

}  // namespace slicelet::sim
