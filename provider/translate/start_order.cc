#include <algorithm>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "common/base/shown_text.h"
#include "provider/translate/parts.h"

namespace slicelet::provider {
namespace {

class StartOrder {
 public:
  StartOrder(FieldReader& annotations, v1::Workload& workload) : annotations_(annotations) {
    for (auto& container : *workload.mutable_init_containers()) {
      positions_[container.name()] = containers_.size();
      containers_.push_back(&container);
    }
    init_count_ = containers_.size();
    for (auto& container : *workload.mutable_containers()) {
      positions_[container.name()] = containers_.size();
      containers_.push_back(&container);
    }
  }

  void Read(const std::string& text) {
    text_ = text;
    const std::vector<std::string> entries = SplitList(text, ';');
    if (entries.empty()) Refuse("should be NAME=NAME[,NAME...], several separated by semicolons");
    for (const std::string& entry : entries) ReadEntry(entry);
    RefuseCircles();
  }

 private:
  void Refuse(const std::string& why) {
    annotations_.Refuse(kDependsOn, "is \"" + ShownText(text_) + "\": " + why, kInvalidAnnotation);
  }

  v1::Container* Known(const std::string& name) {
    const auto found = positions_.find(name);
    if (found != positions_.end()) return containers_[found->second];
    std::string names;
    for (const v1::Container* container : containers_)
      names += (names.empty() ? "" : ", ") + container->name();
    Refuse("\"" + ShownText(name) + "\" is no container of this pod, which has " + names);
    return nullptr;
  }

  void ReadEntry(const std::string& entry) {
    const auto equals = entry.find('=');
    const std::string name = TrimBlanks(entry.substr(0, equals));
    const std::vector<std::string> others =
        equals == std::string::npos ? std::vector<std::string>{} : SplitList(entry.substr(equals + 1), ',');
    if (name.empty() || others.empty() || std::ranges::count(others, "") > 0 ||
        entry.find('=', equals + 1) != std::string::npos) {
      Refuse("\"" + ShownText(entry) + "\" should be NAME=NAME[,NAME...]");
      return;
    }
    v1::Container* container = Known(name);
    if (container == nullptr) return;
    if (!container->depends_on().empty()) Refuse("\"" + name + "\" has two entries");
    for (const std::string& other : others) {
      if (Known(other) == nullptr) return;
      const std::size_t at = positions_[name];
      if (at < init_count_ && positions_[other] > at) {
        Refuse("init container \"" + name + "\" can not wait for \"" + other + "\", which starts after it");
      }
      if (std::ranges::count(container->depends_on(), other) == 0) container->add_depends_on(other);
    }
  }

  /// Depth first; the path is the circle's message.
  void RefuseCircles() {
    enum class Mark { kNew, kOnPath, kDone };
    std::map<std::string, Mark> marks;
    std::vector<std::string> path;
    const std::function<bool(const std::string&)> visit = [&](const std::string& name) {
      if (marks[name] == Mark::kDone) return true;
      path.push_back(name);
      if (marks[name] == Mark::kOnPath) {
        std::string circle;
        for (auto at = std::ranges::find(path, name); at != path.end(); ++at) {
          circle += (circle.empty() ? "" : " -> ") + *at;
        }
        Refuse("nothing could start, because they wait for each other: " + circle);
        return false;
      }
      marks[name] = Mark::kOnPath;
      for (const std::string& other : containers_[positions_[name]]->depends_on()) {
        if (!visit(other)) return false;
      }
      marks[name] = Mark::kDone;
      path.pop_back();
      return true;
    };
    for (const v1::Container* container : containers_) {
      if (!visit(container->name())) return;
    }
  }

  FieldReader& annotations_;
  std::string text_;
  /// Init containers first, in spec order.
  std::vector<v1::Container*> containers_;
  std::map<std::string, std::size_t> positions_;
  std::size_t init_count_ = 0;
};

}  // namespace

void TranslateStartOrder(FieldReader& annotations, v1::Workload& workload) {
  if (annotations.Has(kDependsOn)) StartOrder(annotations, workload).Read(annotations.String(kDependsOn));
}

}  // namespace slicelet::provider
