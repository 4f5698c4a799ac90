#include "cli/kinds/kind.h"

#include <algorithm>
#include <cctype>

namespace slicelet::cli {
namespace {

/// "credentialsSecret" -> "credentials-secret"
std::string Kebab(const std::string& path) {
  std::string text;
  for (const char c : path) {
    if (c == '.') {
      text += '-';
    } else if (std::isupper(static_cast<unsigned char>(c)) != 0) {
      text += '-';
      text += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    } else {
      text += c;
    }
  }
  return text;
}

std::vector<Kind> MakeKinds() {
  return {
      {.noun = "cluster",
       .resource = kube::kIotClusters,
       .about = "Kubernetes clusters that slices may use (IotCluster)",
       .of_hub = true,
       // --context chooses the cluster that slicectl speaks with.
       .options = {{"context", "--cluster-context"}},
       .give_up = "also while slices or edge clusters use it",
       .secret = KindSecret{"kubeconfigSecret", "--kubeconfig-secret", "-kubeconfig", "slicelet.io/cluster"},
       .examples = {{"create",
                     "  slicectl cluster create here --role cloud --description 'the hub is in it'\n"
                     "  slicectl cluster create plant --role edge --kubeconfig-file plant.yaml "
                     "--cluster-context plant"},
                    {"set",
                     "  slicectl cluster set here --description 'plant 7'\n"
                     "  slicectl cluster set plant --kubeconfig-file renewed.yaml"}}},
      {.noun = "slice",
       .resource = kube::kIotSlices,
       .about = "Named shares of edge and cloud, each with a namespace of its own (IotSlice)",
       .of_hub = true,
       .options = {{"namespace", "--slice-namespace"}, {"edge.nodes", "--node"}},
       .refers = {{"edge.cluster", "cluster"}, {"cloud.cluster", "cluster"}},
       .give_up = "leave behind what is in clusters that cannot be reached",
       .examples = {{"create",
                     "  slicectl slice create north --node gw-1,gw-2 --wait\n"
                     "  slicectl slice create south --node gw-3 --quota-pods 20 --quota-memory 4Gi"},
                    {"set",
                     "  slicectl slice set north --quota-memory 8Gi\n"
                     "  slicectl slice set north --unset quota"}}},
      {.noun = "host",
       .resource = kube::kEdgeHosts,
       .about = "Edge machines that run the agent (EdgeHost)",
       .of_hub = true,
       .options = {{"tags", "--tag"}},
       .give_up = "also while it has workloads: for a host that never comes back",
       .examples = {{"set",
                     "  slicectl host set gw-1 --maintenance\n"
                     "  slicectl host set gw-1 --maintenance=false --approved=false"}}},
      {.noun = "gateway",
       .resource = kube::kIotGateways,
       .about = "EdgeX gateways of a slice (IotGateway)",
       // Where it runs is asked for so often that these options are short.
       .options = {{"attachTo", "--server"},
                   {"images", "--image"},
                   {"imagePullSecrets", "--image-pull-secret"},
                   {"target.host", "--host"},
                   {"target.node", "--node"},
                   {"target.targetCondition", "--target-condition"},
                   {"target.placement", "--placement"},
                   {"target.hosts", "--hosts"}},
       .displaces = {{"target.host",
                      {"target.node", "target.targetCondition", "target.placement", "target.hosts"}},
                     {"target.node", {"target.host"}}},
       .refers = {{"attachTo", "server"}},
       .not_set = {"attachTo"},
       .give_up = "do not wait for a host or a server that never comes back",
       .examples =
           {{"create",
             "  slicectl gateway create press --slice north --host gw-1 --wait\n"
             "  slicectl gateway create fleet --slice north --node fleet --target-condition \"tags.site = "
             "'north'\"\n"
             "  slicectl gateway create plc --slice north --host gw-2 --device-service modbus "
             "--serial-device /dev/ttyUSB0"},
            {"set",
             "  slicectl gateway set press --slice north --suspended\n"
             "  slicectl gateway set press --slice north --image "
             "core-data=registry.example.com/core-data:4.0.1"}}},
      {.noun = "server",
       .resource = kube::kIotServers,
       .about = "IoT servers that gateways export to (IotServer)",
       .options = {{"images", "--image"},
                   {"imagePullSecrets", "--image-pull-secret"},
                   {"target.host", "--host"},
                   {"target.node", "--node"}},
       .displaces = {{"target.host", {"target.node"}}, {"target.node", {"target.host"}}},
       .give_up = "do not wait for a host that never comes back",
       .secret = KindSecret{"credentialsSecret", "--credentials-secret", "-user", "slicelet.io/server"},
       .examples =
           {{"create",
             "  slicectl server create iot --slice north --host gw-1 --wait --timeout 10m\n"
             "  slicectl server create hall --slice north --profile external --url https://iot.example.com "
             "--user ann@example.com --password-file hall.password"},
            {"set",
             "  slicectl server set hall --slice north --url https://iot2.example.com\n"
             "  slicectl server set hall --slice north --user ben@example.com --password-file hall.password\n"
             "  slicectl server set hall --slice north --suspended=false"}}},
      {.noun = "device",
       .resource = kube::kIotDevices,
       .about = "Sensors and actuators behind a gateway (IotDevice)",
       .options = {{"resources", "--resource"}, {"labels", "--label"}, {"protocolProperties", "--property"}},
       .refers = {{"gateway", "gateway"}},
       .examples =
           {{"create",
             "  slicectl device create oven --slice north --gateway press --protocol virtual "
             "--resource temperature:Float32:Cel:5s\n"
             "  slicectl device create meter --slice north --gateway plc --protocol modbus --property "
             "Address=/dev/ttyUSB0 --property UnitID=1 "
             "--resource power:Int16:W:10s,primaryTable=HOLDING_REGISTERS,startingAddress=0"},
            {"set", "  slicectl device set oven --slice north --locked"}}},
  };
}

}  // namespace

const std::vector<Kind>& Kinds() {
  static const std::vector<Kind> kinds = MakeKinds();
  return kinds;
}

const Kind* FindKind(const std::string& noun) {
  const auto it = std::find_if(Kinds().begin(), Kinds().end(), [&](const Kind& k) { return k.noun == noun; });
  return it == Kinds().end() ? nullptr : &*it;
}

std::string OptionOf(const Kind& kind, const Field& field) {
  const auto it = kind.options.find(field.path);
  return it != kind.options.end() ? it->second : "--" + Kebab(field.path);
}

const Field* FieldOf(const Kind& kind, const std::string& option) {
  const auto& fields = SchemaOf(kind.resource).fields;
  const auto it = std::find_if(fields.begin(), fields.end(),
                               [&](const Field& field) { return OptionOf(kind, field) == option; });
  return it == fields.end() ? nullptr : &*it;
}

std::string NameFor(const Kind& kind, const std::string& name) {
  std::string text = kind.resource.kind;
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text + "." + kind.resource.group + "/" + name;
}

}  // namespace slicelet::cli
