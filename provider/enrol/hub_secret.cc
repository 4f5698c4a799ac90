#include "provider/enrol/hub_secret.h"

#include <cstdint>
#include <nlohmann/json.hpp>

#include "common/base/encoding.h"
#include "provider/enrol/hub_directory.h"

namespace slicelet::provider {
namespace {

constexpr std::uint64_t kMaxFile = std::uint64_t{1024} * 1024;

}  // namespace

absl::StatusOr<std::string> HubSecret(const std::string& directory, const std::string& name,
                                      const std::string& ns, FileSystem& files) {
  SLICELET_RETURN_IF_ERROR(CheckDnsLabel("secret", name));
  SLICELET_RETURN_IF_ERROR(CheckDnsLabel("namespace", ns));
  if (!files.Stat(directory + "/hub.json").ok()) {
    return absl::NotFoundError(directory + " holds no hub: make one with 'slicectl hub init --dir " +
                               directory + "'");
  }
  nlohmann::json data = nlohmann::json::object();
  for (const char* file : {"ca.crt", "manifest.key", "manifest.cert", "tag.key", "provider.crt",
                           "provider.key", "shim.crt", "shim.key"}) {
    SLICELET_ASSIGN_OR_RETURN(const std::string content, files.Read(directory + "/" + file, kMaxFile));
    data[file] = Base64Encode(content);
  }
  const nlohmann::json secret = {{"apiVersion", "v1"},
                                 {"kind", "Secret"},
                                 {"metadata", {{"name", name}, {"namespace", ns}}},
                                 {"type", "Opaque"},
                                 {"data", std::move(data)}};
  return secret.dump(2) + "\n";
}

}  // namespace slicelet::provider
