#include "kube/http/kube_config.h"

#include <nlohmann/json.hpp>

#include "common/base/encoding.h"
#include "common/json/json.h"
#include "common/json/yaml.h"
#include "kube/http/server_address.h"
#include "kube/object.h"

namespace slicelet::kube {
namespace {

constexpr std::uint64_t kMaxConfigBytes = std::uint64_t{1} << 20;
constexpr std::uint64_t kMaxTokenBytes = std::uint64_t{64} << 10;
constexpr char kAccountDirectory[] = "/var/run/secrets/kubernetes.io/serviceaccount";

std::string Trimmed(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' ')) text.pop_back();
  return text;
}

class Reader {
 public:
  /// `files` null: everything must be in the text itself.
  Reader(FileSystem* files, std::string path) : files_(files), path_(std::move(path)) {}

  absl::StatusOr<KubeConfig> Read(std::string context_name) {
    SLICELET_ASSIGN_OR_RETURN(const std::string text, files_->Read(path_, kMaxConfigBytes));
    return Parse(text, std::move(context_name));
  }

  absl::StatusOr<KubeConfig> Parse(std::string_view text, std::string context_name) {
    const auto parsed = ParseYaml(text);
    if (!parsed.ok()) return WithContext(parsed.status(), path_);
    const Json& root = *parsed;
    if (!root.is_object()) return Error("is no kubeconfig: a mapping is needed");
    if (context_name.empty()) context_name = TextAt(root, {"current-context"});
    if (context_name.empty()) return Error("current-context is not set");
    SLICELET_ASSIGN_OR_RETURN(const Json context, Named(root, "contexts", "context", context_name));
    SLICELET_ASSIGN_OR_RETURN(const Json cluster,
                              Named(root, "clusters", "cluster", TextAt(context, {"cluster"})));
    SLICELET_ASSIGN_OR_RETURN(const Json user, Named(root, "users", "user", TextAt(context, {"user"})));

    KubeConfig config;
    if (const std::string ns = TextAt(context, {"namespace"}); !ns.empty()) config.ns = ns;
    SLICELET_RETURN_IF_ERROR(ReadCluster(cluster, config));
    SLICELET_RETURN_IF_ERROR(ReadUser(user, config));
    return config;
  }

 private:
  [[nodiscard]] absl::Status Error(const std::string& why) const {
    return absl::InvalidArgumentError(path_ + ": " + why);
  }

  absl::StatusOr<Json> Named(const Json& root, const std::string& list, const std::string& member,
                             const std::string& name) const {
    for (const Json& entry : GetArray(root, "/" + list)) {
      if (TextAt(entry, {"name"}) == name) return GetObject(entry, "/" + member);
    }
    return Error(list + " has no entry \"" + name + "\"");
  }

  absl::Status ReadCluster(const Json& cluster, KubeConfig& config) {
    for (const char* key : {"proxy-url", "tls-server-name"}) {
      if (!TextAt(cluster, {key}).empty()) return Error(std::string("cluster.") + key + " is not supported");
    }
    config.server = TextAt(cluster, {"server"});
    const absl::Status address = CheckServerAddress(config.server);
    if (!address.ok()) return Error("cluster.server is " + Message(address));
    while (config.server.back() == '/') config.server.pop_back();
    config.insecure_skip_tls_verify = GetBool(cluster, "/insecure-skip-tls-verify");
    SLICELET_ASSIGN_OR_RETURN(config.ca_pem, Material(cluster, "certificate-authority"));
    if (config.ca_pem.empty() && !config.insecure_skip_tls_verify) {
      return Error(
          "cluster.certificate-authority is needed: slicelet does not trust the system's authorities");
    }
    return absl::OkStatus();
  }

  absl::Status ReadUser(const Json& user, KubeConfig& config) {
    for (const char* key : {"exec", "auth-provider", "username", "as"}) {
      if (user.contains(key)) return Error(std::string("user.") + key + " is not supported");
    }
    SLICELET_ASSIGN_OR_RETURN(const std::string certificate, Material(user, "client-certificate"));
    SLICELET_ASSIGN_OR_RETURN(const std::string key, Material(user, "client-key"));
    if (certificate.empty() != key.empty())
      return Error("user: client-certificate and client-key belong together");
    if (!certificate.empty()) {
      config.certificate = std::make_shared<ClientCertificate>();
      config.certificate->Set(certificate, key);
    }
    config.token = TextAt(user, {"token"});
    if (const std::string file = TextAt(user, {"tokenFile"}); !file.empty()) {
      if (files_ == nullptr) return Error("user.tokenFile names a file: give user.token");
      config.token_file = Absolute(file);
    }
    return absl::OkStatus();
  }

  /// KEY-data inline in base64, else the file that KEY names, else nothing.
  absl::StatusOr<std::string> Material(const Json& object, const std::string& key) {
    if (const std::string inline_data = TextAt(object, {key + "-data"}); !inline_data.empty()) {
      auto decoded = Base64Decode(inline_data);
      if (!decoded.ok()) return Error(key + "-data: " + Message(decoded.status()));
      return decoded;
    }
    const std::string file = TextAt(object, {key});
    if (file.empty()) return std::string();
    if (files_ == nullptr) return Error(key + " names a file: give " + key + "-data");
    auto read = files_->Read(Absolute(file), kMaxConfigBytes);
    if (!read.ok()) return Error(key + ": " + Message(read.status()));
    return read;
  }

  [[nodiscard]] std::string Absolute(const std::string& file) const {
    if (file.front() == '/') return file;
    return path_.substr(0, path_.rfind('/') + 1) + file;
  }

  FileSystem* const files_;
  const std::string path_;
};

}  // namespace

absl::StatusOr<KubeConfig> ReadKubeConfig(FileSystem& files, const std::string& path,
                                          const std::string& context) {
  return Reader(&files, path).Read(context);
}

absl::StatusOr<KubeConfig> ParseKubeConfig(std::string_view text, const std::string& name,
                                           const std::string& context) {
  if (text.size() > kMaxConfigBytes) return absl::InvalidArgumentError(name + ": is longer than 1 MiB");
  return Reader(nullptr, name).Parse(text, context);
}

absl::StatusOr<KubeConfig> InClusterConfig(FileSystem& files, const std::string& host,
                                           const std::string& port) {
  if (host.empty() || port.empty()) {
    return absl::InvalidArgumentError(
        "KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set: this is no pod; give a kubeconfig");
  }
  KubeConfig config;
  const bool v6 = host.find(':') != std::string::npos;
  config.server = "https://" + (v6 ? "[" + host + "]" : host) + ":" + port;
  const absl::Status address = CheckServerAddress(config.server);
  if (!address.ok()) {
    return absl::InvalidArgumentError("KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT make " +
                                      Message(address));
  }
  const std::string directory = kAccountDirectory;
  SLICELET_ASSIGN_OR_RETURN(config.ca_pem, files.Read(directory + "/ca.crt", kMaxConfigBytes));
  config.token_file = directory + "/token";
  const auto ns = files.Read(directory + "/namespace", kMaxConfigBytes);
  if (ns.ok()) config.ns = Trimmed(*ns);
  return config;
}

absl::StatusOr<std::string> ReadToken(const KubeConfig& config, FileSystem& files) {
  if (config.token_file.empty()) return config.token;
  auto text = files.Read(config.token_file, kMaxTokenBytes);
  if (!text.ok()) return absl::UnavailableError(config.token_file + ": " + Message(text.status()));
  return Trimmed(*std::move(text));
}

KubeConfig WithCertificate(const KubeConfig& config, std::shared_ptr<ClientCertificate> certificate) {
  KubeConfig other = config;
  other.certificate = std::move(certificate);
  other.token.clear();
  other.token_file.clear();
  return other;
}

}  // namespace slicelet::kube
