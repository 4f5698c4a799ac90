#pragma once

#include <optional>
#include <string>

#include "common/base/file_system.h"
#include "common/base/time.h"
#include "common/tls/pki.h"

namespace slicelet::shim {

/// The nodes' certificates on disk (directory 0700, files 0600), so that a restarted shim works at once
/// instead of waiting for new ones. Only a cache: what is missing, damaged or old is asked for again.
class CertificateCache {
 public:
  enum class Use { kClient, kServing };
  /// What is valid for less than this is not used.
  static constexpr auto kLeastValidity = std::chrono::minutes(10);

  CertificateCache(std::string directory, FileSystem& files, const Clock& clock)
      : directory_(std::move(directory)), files_(files), clock_(clock) {}

  [[nodiscard]] std::optional<CertificateAndKey> Load(const std::string& node, Use use) const;
  /// A failure is logged: the next start is slower.
  void Store(const std::string& node, Use use, const CertificateAndKey& certificate);
  void Remove(const std::string& node);

 private:
  [[nodiscard]] std::string PathOf(const std::string& node, Use use) const;

  const std::string directory_;
  FileSystem& files_;
  const Clock& clock_;
};

}  // namespace slicelet::shim
