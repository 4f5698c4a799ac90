#include "provider/controllers/server_names.h"

#include <algorithm>
#include <iterator>
#include <set>

#include "common/base/ip_address.h"
#include "kube/object.h"
#include "provider/controllers/servers.h"

namespace slicelet::provider {
namespace {

/// What every hosts file begins with.
constexpr const char* kOfEveryPod[] = {"localhost",       "ip6-localhost", "ip6-loopback",  "ip6-localnet",
                                       "ip6-mcastprefix", "ip6-allnodes",  "ip6-allrouters"};

std::string OwnAliases(const Json& pod) {
  return kube::TextAt(pod, {"metadata", "annotations", kHostAliasesAnnotation});
}

/// The names that the pod has for something else.
std::set<std::string> NamesOf(const Json& pod) {
  std::set<std::string> names(std::begin(kOfEveryPod), std::end(kOfEveryPod));
  names.insert(kube::TextAt(pod, {"spec", "hostname"}));
  const Json* aliases = kube::Find(pod, {"spec", "hostAliases"});
  if (aliases != nullptr && aliases->is_array()) {
    for (const Json& alias : *aliases) {
      const Json* hostnames = kube::Find(alias, {"hostnames"});
      if (hostnames == nullptr || !hostnames->is_array()) continue;
      for (const Json& name : *hostnames) {
        if (name.is_string()) names.insert(name.get<std::string>());
      }
    }
  }
  // Addresses among them are no server's name.
  const std::string own = OwnAliases(pod);
  constexpr char kSeparators[] = "=,; \t\n";
  for (std::size_t begin = 0; begin < own.size();) {
    const std::size_t end = std::min(own.find_first_of(kSeparators, begin), own.size());
    names.insert(own.substr(begin, end - begin));
    begin = end + 1;
  }
  return names;
}

}  // namespace

void NameServers(const World& world, const std::string& ns, Json& pod) {
  const std::set<std::string> taken = NamesOf(pod);
  std::string text = OwnAliases(pod);
  // More follow, and between two there is one semicolon.
  text.erase(text.find_last_not_of("; \t\n") + 1);
  int count = 0;
  for (const Json* server : world.In(kube::kIotServers, ns)) {
    const std::string mqtt = kube::TextAt(*server, {"status", "mqtt"});
    const std::string address = mqtt.empty() ? "" : HostOfUrl(mqtt);
    if (!IsIpAddress(address) || count == kMostNamedServers) continue;
    const std::string in_namespace = kube::NameOf(*server) + "." + ns;
    std::string names;
    for (const std::string& name :
         {kube::NameOf(*server), in_namespace, in_namespace + ".svc", in_namespace + ".svc.cluster.local"}) {
      if (taken.count(name) == 0) names += (names.empty() ? "" : ",") + name;
    }
    if (names.empty()) continue;
    text += (text.empty() ? "" : "; ") + address + "=" + names;
    ++count;
  }
  if (!text.empty()) pod["metadata"]["annotations"][kHostAliasesAnnotation] = text;
}

}  // namespace slicelet::provider
