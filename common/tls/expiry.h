#pragma once

#include <optional>
#include <string>

#include "common/base/file_system.h"
#include "common/base/time.h"

namespace slicelet {

/// A certificate that ends sooner is told of when a program starts.
inline constexpr Duration kCertificateEndsSoon = std::chrono::hours(24 * 30);

/// What renews a certificate of the hub's own programs.
inline constexpr char kHubRenewal[] = "see Certificates in docs/operations.md";

/// When the first certificate of a PEM file ends; nullopt when it can not be read.
std::optional<WallTime> CertificateEnd(const std::string& file, FileSystem& files);

/// Logs a warning when the first certificate of `pem` has ended or does so within `kCertificateEndsSoon`.
/// `what` is the file it comes from; `remedy` what renews it. What is no certificate is for others to refuse.
void WarnIfCertificateEnds(const std::string& pem, const std::string& what, const std::string& remedy,
                           WallTime now);
/// The same for a file.
void WarnIfCertificateFileEnds(const std::string& file, const std::string& remedy, FileSystem& files,
                               WallTime now);

}  // namespace slicelet
