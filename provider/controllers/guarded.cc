#include "provider/controllers/guarded.h"

#include "common/log/log.h"

namespace slicelet::provider {

bool Guarded(const std::string& what, const ObjectName& name, const std::function<void()>& look,
             const std::function<void(const std::string& why)>& failed) {
  try {
    look();
    return true;
  } catch (const std::exception& error) {
    LogError("a rule has failed on an object, which is left as it is",
             {{"what", what}, {"namespace", name.ns}, {"object", name.name}, {"why", error.what()}});
    if (failed) failed(error.what());
    return false;
  }
}

}  // namespace slicelet::provider
