#include "cli/import/old_file.h"

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>
#include <set>

#include "common/json/json.h"
#include "kube/paths.h"

namespace slicelet::cli {
namespace {

constexpr std::size_t kMaxLabel = 63;
/// What the former orchestrator gave each resource of a device.
constexpr double kOldMinimum = 0, kOldMaximum = 500;

constexpr char kReachedOtherwise[] =
    "the hub reaches its own cluster; another one needs a kubeconfig in a Secret ('slicectl cluster set NAME "
    "--kubeconfig-secret SECRET')";
constexpr char kNoTiller[] = "there is no Tiller any more";
constexpr char kNoCharts[] = "the hub runs it by a profile, not by a chart";
constexpr char kBySlice[] = "it runs where its slice and its target say";

/// A DNS label made of an old name, which could be anything.
std::string LabelOf(const std::string& name) {
  std::string label;
  for (const char c : name) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) != 0) {
      label += static_cast<char>(std::tolower(byte));
    } else if (!label.empty() && label.back() != '-') {
      label += '-';
    }
  }
  if (label.size() > kMaxLabel) label.resize(kMaxLabel);
  while (!label.empty() && label.back() == '-') label.pop_back();
  return label;
}

bool IsSecret(const std::string& key) {
  static const std::vector<std::string> parts = {"password", "key", "token", "secret"};
  return std::any_of(parts.begin(), parts.end(),
                     [&](const std::string& part) { return key.find(part) != std::string::npos; });
}

/// Nothing is said: null, or an empty text.
bool SaysNothing(const Json& value) {
  return value.is_null() || (value.is_string() && value.get_ref<const std::string&>().empty());
}

std::string Text(const Json& value) { return value.is_string() ? value.get<std::string>() : value.dump(); }

/// One entry of a table; whoever reads a key has dealt with it.
class Entry {
 public:
  Entry(std::string from, const Json& members, ImportPlan& plan)
      : from_(std::move(from)), members_(members), plan_(plan) {}

  [[nodiscard]] const std::string& from() const { return from_; }

  /// The first of these keys that is there and not empty; null otherwise.
  const Json* Find(std::initializer_list<const char*> keys) {
    const Json* found = nullptr;
    for (const char* key : keys) {
      const auto it = members_.find(key);
      if (it == members_.end()) continue;
      read_.insert(key);
      if (found == nullptr && !SaysNothing(*it)) found = &*it;
    }
    return found;
  }
  std::string Take(std::initializer_list<const char*> keys) {
    const Json* found = Find(keys);
    return found == nullptr ? "" : Text(*found);
  }
  void Ignore(std::initializer_list<const char*> keys, const std::string& why) {
    for (const char* key : keys) {
      const auto it = members_.find(key);
      if (it == members_.end() || read_.count(key) != 0) continue;
      read_.insert(key);
      if (!SaysNothing(*it)) Say(key, *it, why);
    }
  }
  /// After all that is known: the rest.
  void IgnoreTheRest() {
    for (const auto& [key, value] : members_.items()) {
      if (read_.count(key) == 0) Say(key, value, "slicelet knows nothing like it");
    }
  }
  void Note(const std::string& text) { plan_.notes.push_back(from_ + ": " + text); }
  void Problem(const std::string& text) { plan_.problems.push_back(from_ + ": " + text); }

 private:
  void Say(const std::string& key, const Json& value, const std::string& why) {
    Note(key + (IsSecret(key) ? " (a secret)" : " = " + Text(value)) + " is ignored: " + why);
  }

  const std::string from_;
  const Json& members_;
  ImportPlan& plan_;
  std::set<std::string> read_;
};

class Importer {
 public:
  Importer(const Json& file, const ImportOptions& options) : options_(options) {
    static const std::vector<std::pair<std::string, std::string>> tables = {{"k8sclusters", "k8scluster"},
                                                                            {"iotslices", "iotslice"},
                                                                            {"iotservers", "iotserver"},
                                                                            {"iotgateways", "iotgateway"},
                                                                            {"iotdevices", "iotdevice"}};
    std::set<std::string> known;
    for (const auto& [plural, singular] : tables) {
      known.insert({plural, singular});
      for (const std::string& spelling : {plural, singular}) Collect(file, plural, spelling);
    }
    for (const auto& [name, value] : file.items()) {
      if (known.count(name) == 0) plan_.notes.push_back(name + ": is ignored: slicelet knows no such table");
    }
  }

  ImportPlan Plan() {
    Each("k8sclusters", [this](const std::string& name, Entry& entry) { Cluster(name, entry); });
    std::stable_sort(plan_.objects.begin(), plan_.objects.end(), [](const auto& a, const auto& b) {
      return a.object["spec"]["role"] < b.object["spec"]["role"];  // the cloud comes first
    });
    Each("iotslices", [this](const std::string& name, Entry& entry) { Slice(name, entry); });
    Each("iotservers", [this](const std::string& name, Entry& entry) { Server(name, entry); });
    Each("iotgateways", [this](const std::string& name, Entry& entry) { Gateway(name, entry); });
    Each("iotdevices", [this](const std::string& name, Entry& entry) { Device(name, entry); });
    return std::move(plan_);
  }

 private:
  void Collect(const Json& file, const std::string& plural, const std::string& spelling) {
    const auto table = file.find(spelling);
    if (table == file.end()) return;
    if (!table->is_object()) {
      plan_.problems.push_back(spelling + ": is no table of entries");
      return;
    }
    for (const auto& [name, members] : table->items()) {
      std::string from = spelling;
      from.append(".").append(name);
      if (!members.is_object()) {
        plan_.problems.push_back(from + ": is no table of its own");
        continue;
      }
      const auto [it, fresh] = entries_[plural].emplace(name, std::pair(from, members));
      if (!fresh && it->second.second != members) {
        plan_.problems.push_back(from + ": stands in [" + it->second.first +
                                 "] too, and otherwise: keep one of them");
      }
    }
  }

  template <typename Function>
  void Each(const std::string& table, const Function& function) {
    std::map<std::string, std::string> labels;
    for (const auto& [name, found] : entries_[table]) {
      Entry entry(found.first, found.second, plan_);
      entry.Find({"name"});
      const std::string label = LabelOf(name);
      const auto [it, fresh] = labels.emplace(label, found.first);
      if (label.empty()) {
        entry.Problem("the name has no letter or digit: rename it");
      } else if (!fresh) {
        entry.Problem("would be named " + label + ", as would " + it->second + ": rename one of them");
      } else {
        if (label != name) entry.Note("is named " + label + ": a name is a DNS label now");
        function(name, entry);
        entry.IgnoreTheRest();
      }
    }
  }

  [[nodiscard]] bool Has(const std::string& table, const std::string& name) const {
    const auto it = entries_.find(table);
    return it != entries_.end() && it->second.count(name) != 0;
  }
  /// What an entry says under a key, wherever it stands.
  [[nodiscard]] std::string Told(const std::string& table, const std::string& name,
                                 const std::string& key) const {
    const auto it = entries_.find(table);
    if (it == entries_.end()) return "";
    const auto entry = it->second.find(name);
    return entry == it->second.end() ? "" : GetString(entry->second.second, "/" + key);
  }
  [[nodiscard]] bool Any(const std::string& table, const std::string& key, const std::string& value) const {
    const auto it = entries_.find(table);
    return it != entries_.end() && std::any_of(it->second.begin(), it->second.end(), [&](const auto& entry) {
             return GetString(entry.second.second, "/" + key) == value;
           });
  }

  void Add(const kube::Resource& resource, const std::string& ns, const std::string& name, Json object,
           const std::string& from) {
    object["apiVersion"] = kube::ApiVersion(resource);
    object["kind"] = resource.kind;
    object["metadata"] = {{"name", name}, {"namespace", ns}};
    plan_.objects.push_back({resource, std::move(object), from});
  }

  void Cluster(const std::string& name, Entry& entry) {
    const bool cloud = Any("iotslices", "cloud", name);
    entry.Ignore({"ip", "k8scontext", "context"}, kReachedOtherwise);
    entry.Ignore({"k8shelmip", "k8shelmport", "helmip", "helmport"}, kNoTiller);
    Add(kube::kIotClusters, options_.hub_ns, LabelOf(name), {{"spec", {{"role", cloud ? "cloud" : "edge"}}}},
        entry.from());
  }

  void Slice(const std::string& name, Entry& entry) {
    Json spec = Json::object();
    for (const char* side : {"edge", "cloud"}) {
      const std::string cluster = entry.Take({side});
      if (cluster.empty()) continue;
      if (!Has("k8sclusters", cluster)) {
        entry.Problem(std::string(side) + " = " + cluster +
                      ": the file has no such cluster: add it, or take " + side + " away");
        return;
      }
      spec[side]["cluster"] = LabelOf(cluster);
    }
    entry.Note("gets the nodes of the hub that no slice names: 'slicectl slice set " + LabelOf(name) +
               " --node NODE' names its own");
    Add(kube::kIotSlices, options_.hub_ns, LabelOf(name), {{"spec", spec}}, entry.from());
  }

  /// The slice that something belongs to, as a label; empty (and a problem) when there is none.
  std::string SliceOf(Entry& entry) {
    const std::string slice = entry.Take({"slice"});
    entry.Ignore({"cluster"}, kBySlice);
    entry.Ignore({"helmpath", "helm"}, kNoCharts);
    if (Has("iotslices", slice)) return LabelOf(slice);
    entry.Problem(slice.empty() ? "names no slice: add slice = \"NAME\""
                                : "slice = " + slice + ": the file has no such slice: add it");
    return "";
  }

  void Server(const std::string& name, Entry& entry) {
    const std::string slice = SliceOf(entry);
    if (slice.empty()) return;
    const std::string label = LabelOf(name);
    Json spec = {{"slice", slice}};
    const std::string address = entry.Take({"url", "address", "ip", "host"});
    if (!address.empty()) {
      spec["profile"] = "external";
      spec["url"] = address.find("://") == std::string::npos ? "http://" + address : address;
      entry.Note("is the server that runs at " + spec["url"].get<std::string>() +
                 ", adopted and not run by the hub");
    } else {
      entry.Note("is run by the hub, on the cloud node of its slice: 'slicectl slice set " + slice +
                 " --cloud-node NODE' names one, or 'slicectl server set " + label + " --host HOST'");
    }
    const std::string user = entry.Take({"user", "email"}), password = entry.Take({"password"});
    if (!user.empty() && !password.empty()) {
      const std::string secret = label + "-credentials";
      Add(kube::kSecrets, slice, secret, {{"stringData", {{"email", user}, {"password", password}}}},
          entry.from());
      spec["credentialsSecret"] = secret;
      // A server that is run anew does not know its old user.
      if (address.empty()) spec["createUser"] = true;
      entry.Note("user and password are in Secret " + secret + " of namespace " + slice +
                 "; they stand in the file in clear text: remove it when you are done");
    } else if (!user.empty() || !password.empty()) {
      entry.Problem("user and password belong together: give both or neither");
      return;
    }
    Add(kube::kIotServers, slice, label, {{"spec", spec}}, entry.from());
  }

  void Gateway(const std::string& name, Entry& entry) {
    const std::string slice = SliceOf(entry);
    const std::string server = entry.Take({"server", "iotserver"});
    entry.Ignore(
        {"id", "thing", "thingid", "thing_id", "key", "thingkey", "thing_key", "topic", "channel"},
        "attaching makes an identity of its own; delete the old thing and its channel at the server");
    entry.Ignore({"export", "exporter", "exportaddress", "exporteraddress"},
                 "readings leave by senml-export");
    if (slice.empty()) return;
    Json spec = {{"slice", slice}};
    auto host = options_.hosts.find(name);
    if (host == options_.hosts.end()) host = options_.hosts.find("");
    if (host == options_.hosts.end()) {
      entry.Problem("the file does not say which host it runs on: give --host " + name +
                    "=HOST, or --host HOST for all");
      return;
    }
    spec["target"]["host"] = host->second;
    if (!server.empty()) {
      if (Has("iotservers", server) && LabelOf(Told("iotservers", server, "slice")) == slice) {
        spec["attachTo"] = LabelOf(server);
      } else {
        entry.Note("server = " + server +
                   " is ignored: its slice has no such server: attach it to one with "
                   "'slicectl gateway attach'");
      }
    }
    // The file knew no other protocol.
    if (Any("iotdevices", "gateway", name)) spec["deviceService"] = "mqtt";
    Add(kube::kIotGateways, slice, LabelOf(name), {{"spec", spec}}, entry.from());
    gateways_.insert(name);
  }

  void Device(const std::string& name, Entry& entry) {
    const std::string gateway = entry.Take({"gateway"});
    std::string protocol = entry.Take({"protocol"});
    const Json* resources = entry.Find({"resources", "resource"});
    std::transform(protocol.begin(), protocol.end(), protocol.begin(),
                   [](unsigned char c) { return std::tolower(c); });
    if (!Has("iotgateways", gateway)) {
      return entry.Problem("gateway = " + gateway + ": the file has no such gateway: add it");
    }
    if (gateways_.count(gateway) == 0) return entry.Problem("its gateway " + gateway + " is not imported");
    if (protocol != "mqtt") {
      return entry.Problem("protocol = " + (protocol.empty() ? "\"\"" : protocol) +
                           ": the old file speaks mqtt alone; make it with 'slicectl device create'");
    }
    const Json measured = resources == nullptr ? Json::array() : Resources(*resources);
    if (measured.empty()) return entry.Problem("names no resource: add resources = [\"NAME\"]");
    Add(kube::kIotDevices, LabelOf(Told("iotgateways", gateway, "slice")), LabelOf(name),
        {{"spec", {{"gateway", LabelOf(gateway)}, {"protocol", protocol}, {"resources", measured}}}},
        entry.from());
  }

  /// ["temperature"], [{name = "temperature", units = "Cel"}] or {temperature = "Cel"}.
  static Json Resources(const Json& resources) {
    Json list = Json::array();
    const auto add = [&](const std::string& name, const std::string& units) {
      if (name.empty()) return;
      Json one = {{"name", name},
                  {"valueType", "Float64"},
                  {"readWrite", "R"},
                  {"minimum", kOldMinimum},
                  {"maximum", kOldMaximum}};
      if (!units.empty()) one["units"] = units;
      list.push_back(std::move(one));
    };
    if (resources.is_string()) add(resources.get<std::string>(), "");
    if (resources.is_object()) {
      for (const auto& [name, units] : resources.items())
        add(name, units.is_string() ? units.get<std::string>() : "");
    }
    if (resources.is_array()) {
      for (const Json& one : resources) {
        if (one.is_string()) add(one.get<std::string>(), "");
        if (one.is_object()) add(GetString(one, "/name"), GetString(one, "/units"));
      }
    }
    return list;
  }

  const ImportOptions& options_;
  /// By table and name: where it stands, and what stands there.
  std::map<std::string, std::map<std::string, std::pair<std::string, Json>>> entries_;
  std::set<std::string> gateways_;
  ImportPlan plan_;
};

}  // namespace

ImportPlan PlanImport(const Json& file, const ImportOptions& options) {
  return Importer(file, options).Plan();
}

}  // namespace slicelet::cli
