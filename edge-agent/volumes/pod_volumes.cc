#include "edge-agent/volumes/pod_volumes.h"

#include <algorithm>
#include <map>

#include "edge-agent/volumes/atomic_files.h"
#include "edge-agent/volumes/safe_path.h"

namespace slicelet::agent {
namespace {

constexpr std::uint64_t kVolatileSize = 256ULL * 1024 * 1024;
constexpr std::uint64_t kRunSize = 4ULL * 1024 * 1024;
/// metav1: a termination message has at most 4096 bytes; what is larger than this was not meant to be one.
constexpr std::uint64_t kLargestTerminationFile = std::uint64_t{1024} * 1024;
constexpr std::size_t kTerminationMessage = 4096;
constexpr std::uint64_t kLargestHostsFile = std::uint64_t{1024} * 1024;
constexpr std::uint32_t kDefaultFileMode = 0644;

std::string Volatile(const std::string& root) { return root + "/volatile"; }
/// Where former agents kept all pods' termination messages; containers that they started still write there.
std::string FormerTermination(const std::string& root) { return root + "/termination"; }

absl::Status AddContent(const v1::Projection::Content& content, const PodVolumes::Sources& sources,
                        std::uint32_t default_mode, std::map<std::string, ProjectedFile>& files) {
  const absl::StatusOr<v1::FileSet> set = sources.content(content.content_id());
  if (!set.ok()) {
    if (absl::IsNotFound(set.status()) && content.optional()) return absl::OkStatus();
    return set.status();
  }
  if (content.items().empty()) {
    for (const auto& file : set->files()) files[file.key()] = {file.data(), default_mode};
    return absl::OkStatus();
  }
  for (const auto& item : content.items()) {
    const auto it = std::find_if(set->files().begin(), set->files().end(),
                                 [&](const v1::FileSet::File& file) { return file.key() == item.key(); });
    if (it == set->files().end()) {
      if (content.optional()) continue;
      return absl::NotFoundError("references non-existent key: " + item.key() + " of " +
                                 content.content_id());
    }
    files[item.path()] = {it->data(),
                          item.has_mode() ? static_cast<std::uint32_t>(item.mode()) : default_mode};
  }
  return absl::OkStatus();
}

absl::Status CheckHostPathType(const v1::HostPath& host_path, const absl::StatusOr<FileSystem::Info>& info) {
  using Kind = FileSystem::Kind;
  static const std::map<std::string, std::pair<Kind, std::string>> kKinds = {
      {"Directory", {Kind::kDirectory, "directory"}},
      {"DirectoryOrCreate", {Kind::kDirectory, "directory"}},
      {"File", {Kind::kFile, "file"}},
      {"FileOrCreate", {Kind::kFile, "file"}},
      {"Socket", {Kind::kSocket, "socket"}},
      {"CharDevice", {Kind::kCharDevice, "character device"}},
      {"BlockDevice", {Kind::kBlockDevice, "block device"}}};
  const auto it = kKinds.find(host_path.type());
  if (it == kKinds.end()) {
    return absl::InvalidArgumentError("hostPath type " + host_path.type() + " is unknown");
  }
  if (!info.ok() || info->kind != it->second.first) {
    return absl::FailedPreconditionError("hostPath type check failed: " + host_path.path() + " is not a " +
                                         it->second.second);
  }
  return absl::OkStatus();
}

absl::Status MountVolatile(FileSystem& files, const std::string& root) {
  SLICELET_RETURN_IF_ERROR(files.MakeDirectories(Volatile(root), 0700));
  SLICELET_RETURN_IF_ERROR(files.MountTmpfs(Volatile(root), kVolatileSize));
  return files.SetMode(Volatile(root), 0700);
}

}  // namespace

absl::Status PodVolumes::MountRoots(FileSystem& files, const std::string& root) {
  SLICELET_RETURN_IF_ERROR(files.MakeDirectories(root + "/pods", 0755));
  return MountVolatile(files, root);
}

PodVolumes::PodVolumes(FileSystem& files, std::string root, PodUid uid)
    : files_(files), root_(std::move(root)), uid_(std::move(uid)) {}

std::string PodVolumes::PathOf(const v1::Volume& volume) const {
  if (volume.has_projection()) return Volatile(root_) + "/" + uid_.value() + "/" + volume.name();
  if (volume.has_host_path()) return volume.host_path().path();
  return root_ + "/pods/" + uid_.value() + "/volumes/" + volume.name();
}

absl::Status PodVolumes::Prepare(const v1::Workload& workload, const Sources& sources) {
  // Before anything is made below it: it may have failed so far, or somebody unmounted it.
  const absl::Status in_memory = MountVolatile(files_, root_);
  SLICELET_RETURN_IF_ERROR(files_.MakeDirectories(Volatile(root_) + "/" + uid_.value(), 0755));
  for (const auto& volume : workload.volumes()) {
    absl::Status status;
    if (volume.has_empty_dir()) status = PrepareEmptyDir(workload, volume);
    if (volume.has_host_path()) status = PrepareHostPath(volume, sources.host_path_prefixes);
    if (volume.has_projection()) {
      status = in_memory.ok() ? WriteVolume(workload, volume, sources)
                              : WithContext(in_memory, "its content must not be written to a disk");
    }
    SLICELET_RETURN_IF_ERROR(
        WithContext(status, "MountVolume.SetUp failed for volume \"" + volume.name() + "\""));
  }
  return absl::OkStatus();
}

absl::Status PodVolumes::Refresh(const v1::Workload& workload, const Sources& sources) {
  for (const auto& volume : workload.volumes()) {
    if (!volume.has_projection()) continue;
    absl::Status status =
        WithContext(MountVolatile(files_, root_), "its content must not be written to a disk");
    if (status.ok()) status = WriteVolume(workload, volume, sources);
    SLICELET_RETURN_IF_ERROR(
        WithContext(status, "MountVolume.SetUp failed for volume \"" + volume.name() + "\""));
  }
  return absl::OkStatus();
}

absl::Status PodVolumes::PrepareEmptyDir(const v1::Workload& workload, const v1::Volume& volume) {
  const std::string path = PathOf(volume);
  const bool fresh = !files_.Stat(path).ok();
  SLICELET_RETURN_IF_ERROR(files_.MakeDirectories(path, 0777));
  if (volume.empty_dir().memory()) {
    SLICELET_RETURN_IF_ERROR(
        files_.MountTmpfs(path, static_cast<std::uint64_t>(volume.empty_dir().size_limit_bytes())));
  }
  if (!fresh && !volume.empty_dir().memory()) return absl::OkStatus();
  std::uint32_t mode = 0777;
  if (workload.security().has_fs_group()) {
    SLICELET_RETURN_IF_ERROR(files_.SetOwner(path, 0, workload.security().fs_group()));
    mode |= 02000;
  }
  return files_.SetMode(path, mode);
}

absl::StatusOr<std::string> PodVolumes::ResolveHostPath(const v1::HostPath& host_path,
                                                        const std::vector<std::string>& prefixes) const {
  SLICELET_ASSIGN_OR_RETURN(const std::string clean, CleanPath(host_path.path()));
  SLICELET_ASSIGN_OR_RETURN(std::string real, ResolveLinks(files_, clean));
  const bool allowed = std::any_of(prefixes.begin(), prefixes.end(), [&](const std::string& prefix) {
    const auto clean_prefix = CleanPath(prefix);
    if (!clean_prefix.ok() || !IsBelow(clean, *clean_prefix)) return false;
    const auto real_prefix = ResolveLinks(files_, *clean_prefix);
    return real_prefix.ok() && IsBelow(real, *real_prefix);
  });
  if (!allowed)
    return absl::PermissionDeniedError("hostPath " + host_path.path() + " is not allowed on this host");
  return real;
}

absl::Status PodVolumes::PrepareHostPath(const v1::Volume& volume, const std::vector<std::string>& prefixes) {
  const v1::HostPath& host_path = volume.host_path();
  SLICELET_ASSIGN_OR_RETURN(const std::string real, ResolveHostPath(host_path, prefixes));
  if (host_path.type().empty()) return absl::OkStatus();
  absl::StatusOr<FileSystem::Info> info = files_.Stat(real);
  if (!info.ok() && !absl::IsNotFound(info.status())) return info.status();
  if (!info.ok() && host_path.type() == "DirectoryOrCreate") {
    SLICELET_RETURN_IF_ERROR(files_.MakeDirectories(real, 0755));
    info = files_.Stat(real);
  }
  if (!info.ok() && host_path.type() == "FileOrCreate") {
    SLICELET_RETURN_IF_ERROR(files_.WriteAtomically(real, "", kDefaultFileMode));
    info = files_.Stat(real);
  }
  return CheckHostPathType(host_path, info);
}

absl::Status PodVolumes::WriteVolume(const v1::Workload& workload, const v1::Volume& volume,
                                     const Sources& sources) {
  const v1::Projection& projection = volume.projection();
  const std::uint32_t default_mode = projection.default_mode() != 0
                                         ? static_cast<std::uint32_t>(projection.default_mode())
                                         : kDefaultFileMode;
  std::map<std::string, ProjectedFile> files;
  for (const auto& source : projection.sources()) {
    if (source.has_content()) {
      SLICELET_RETURN_IF_ERROR(AddContent(source.content(), sources, default_mode, files));
    } else if (source.has_downward()) {
      const auto& file = source.downward();
      absl::StatusOr<std::string> value = file.has_resource()
                                              ? ResolveResource(workload, file.resource(), "", sources.facts)
                                              : ResolveField(workload, file.field(), sources.facts);
      if (!value.ok()) return value.status();
      files[file.path()] = {*std::move(value),
                            file.has_mode() ? static_cast<std::uint32_t>(file.mode()) : default_mode};
    } else if (source.has_token()) {
      SLICELET_ASSIGN_OR_RETURN(std::string token, sources.token(source.token().credential()));
      files[source.token().path()] = {std::move(token), default_mode};
    }
  }
  std::optional<std::int64_t> group;
  if (workload.security().has_fs_group()) group = workload.security().fs_group();
  return WriteProjection(files_, PathOf(volume), files, group);
}

absl::StatusOr<std::string> PodVolumes::MountSource(const v1::Workload& workload, const v1::Mount& mount,
                                                    const std::string& sub_path,
                                                    const std::vector<std::string>& host_path_prefixes) {
  const auto it = std::find_if(workload.volumes().begin(), workload.volumes().end(),
                               [&](const v1::Volume& volume) { return volume.name() == mount.volume(); });
  if (it == workload.volumes().end()) {
    return absl::InvalidArgumentError("volume mount names an unknown volume \"" + mount.volume() + "\"");
  }
  std::string path = PathOf(*it);
  if (it->has_host_path()) {
    SLICELET_ASSIGN_OR_RETURN(path, ResolveHostPath(it->host_path(), host_path_prefixes));
  }
  if (sub_path.empty()) return path;
  if (sub_path[0] == '/') return absl::InvalidArgumentError("subPath \"" + sub_path + "\" must be relative");
  absl::StatusOr<std::string> resolved = ResolveBelow(files_, path, sub_path);
  if (!resolved.ok()) {
    return WithContext(resolved.status(),
                       "failed to prepare subPath for volumeMount \"" + mount.volume() + "\"");
  }
  const absl::StatusOr<FileSystem::Info> info = files_.Stat(*resolved);
  if (info.ok()) return resolved;
  if (!absl::IsNotFound(info.status())) return info.status();
  if (it->has_projection()) {
    return absl::NotFoundError("subPath \"" + sub_path + "\" does not exist in volume \"" + mount.volume() +
                               "\"");
  }
  SLICELET_RETURN_IF_ERROR(files_.MakeDirectories(*resolved, 0755));
  if (workload.security().has_fs_group() && it->has_empty_dir()) {
    SLICELET_RETURN_IF_ERROR(files_.SetOwner(*resolved, 0, workload.security().fs_group()));
    SLICELET_RETURN_IF_ERROR(files_.SetMode(*resolved, 02775));
  }
  return resolved;
}

absl::StatusOr<std::string> PodVolumes::WriteHosts(const v1::Workload& workload, const std::string& hostname,
                                                   const std::vector<std::string>& pod_ips) {
  if (workload.host_network() && workload.host_aliases().empty()) return "";
  std::string text;
  if (workload.host_network()) {
    text = "# Kubernetes-managed hosts file (host network).\n";
    const auto own = files_.Read("/etc/hosts", kLargestHostsFile);
    if (own.ok()) text += *own;
  } else {
    text =
        "# Kubernetes-managed hosts file.\n"
        "127.0.0.1\tlocalhost\n"
        "::1\tlocalhost ip6-localhost ip6-loopback\n"
        "fe00::0\tip6-localnet\n"
        "fe00::0\tip6-mcastprefix\n"
        "fe00::1\tip6-allnodes\n"
        "fe00::2\tip6-allrouters\n";
    for (const auto& ip : pod_ips) text += ip + "\t" + hostname + "\n";
  }
  if (!workload.host_aliases().empty()) text += "\n# Entries added by HostAliases.\n";
  for (const auto& alias : workload.host_aliases()) {
    text += alias.ip();
    for (const auto& name : alias.hostnames()) text += "\t" + name;
    text += "\n";
  }
  SLICELET_ASSIGN_OR_RETURN(std::string path, RunDirectory());
  path += "/etc-hosts";
  // A container holds a bind mount of this file: a replaced file would not be seen, the same content need not
  // be.
  const auto present = files_.Read(path, kLargestHostsFile);
  if (present.ok() && *present == text) return path;
  SLICELET_RETURN_IF_ERROR(files_.WriteAtomically(path, text, kDefaultFileMode));
  return path;
}

absl::StatusOr<std::string> PodVolumes::RunDirectory() {
  const std::string directory = root_ + "/pods/" + uid_.value() + "/run";
  SLICELET_RETURN_IF_ERROR(files_.MakeDirectories(directory, 0755));
  SLICELET_RETURN_IF_ERROR(files_.MountTmpfs(directory, kRunSize));
  SLICELET_RETURN_IF_ERROR(files_.SetMode(directory, 0700));
  return directory;
}

absl::StatusOr<std::string> PodVolumes::MakeTerminationLog(const std::string& container,
                                                           std::uint32_t attempt) {
  SLICELET_ASSIGN_OR_RETURN(std::string directory, RunDirectory());
  directory += "/termination/" + container;
  SLICELET_RETURN_IF_ERROR(files_.MakeDirectories(directory, 0755));
  const std::string path = directory + "/" + std::to_string(attempt);
  SLICELET_RETURN_IF_ERROR(files_.WriteAtomically(path, "", 0666));
  SLICELET_RETURN_IF_ERROR(files_.SetMode(path, 0666));
  if (attempt > 1) {
    // Its message is in the pod's record.
    SLICELET_RETURN_IF_ERROR(files_.RemoveAll(directory + "/" + std::to_string(attempt - 2)));
  }
  return path;
}

std::string PodVolumes::ReadTerminationLog(const std::string& container, std::uint32_t attempt) {
  const std::string name = "/" + container + "/" + std::to_string(attempt);
  absl::StatusOr<std::string> text =
      files_.Read(root_ + "/pods/" + uid_.value() + "/run/termination" + name, kLargestTerminationFile);
  if (absl::IsNotFound(text.status()))
    text = files_.Read(FormerTermination(root_) + "/" + uid_.value() + name, kLargestTerminationFile);
  if (!text.ok()) return "";
  if (text->size() > kTerminationMessage) text->erase(0, text->size() - kTerminationMessage);
  return *std::move(text);
}

absl::StatusOr<bool> PodVolumes::Remove() {
  // What is secret goes first: the rest may take its time.
  SLICELET_RETURN_IF_ERROR(files_.RemoveAll(Volatile(root_) + "/" + uid_.value()));
  SLICELET_RETURN_IF_ERROR(files_.RemoveAll(FormerTermination(root_) + "/" + uid_.value()));
  const std::string directory = root_ + "/pods/" + uid_.value();
  const auto volumes = files_.List(directory + "/volumes");
  if (volumes.ok()) {
    for (const auto& name : *volumes) {
      // Only tmpfs are mounted here; what is not a mount point is not an error.
      SLICELET_RETURN_IF_ERROR(files_.Unmount(directory + "/volumes/" + name));
    }
  }
  SLICELET_RETURN_IF_ERROR(files_.Unmount(directory + "/run"));
  return files_.RemoveSome(directory, kRemovedAtOnce);
}

}  // namespace slicelet::agent
