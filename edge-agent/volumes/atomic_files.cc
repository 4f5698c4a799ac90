#include "edge-agent/volumes/atomic_files.h"

#include <algorithm>
#include <cstdlib>
#include <set>
#include <vector>

#include "common/base/names.h"

namespace slicelet::agent {
namespace {

constexpr char kData[] = "..data";
constexpr std::uint32_t kDirectoryMode = 0755;
constexpr std::uint32_t kGroupDirectoryMode = 02775;
constexpr std::uint32_t kGroupRead = 0440;

absl::Status CheckName(const std::string& path) {
  if (path.empty() || path[0] == '/')
    return absl::InvalidArgumentError("path \"" + path + "\" is not relative");
  if (path.rfind("..", 0) == 0) return absl::InvalidArgumentError("path \"" + path + "\" begins with \"..\"");
  if (!IsInnerPath(path))
    return absl::InvalidArgumentError("path \"" + path + "\" contains \"..\" or a zero byte");
  return absl::OkStatus();
}

std::string TopLevel(const std::string& path) { return path.substr(0, path.find('/')); }

std::string Parent(const std::string& path) {
  const auto slash = path.rfind('/');
  return slash == std::string::npos ? "" : path.substr(0, slash);
}

/// Every regular file below `directory`, relative.
absl::Status Collect(FileSystem& file_system, const std::string& directory, const std::string& prefix,
                     std::set<std::string>& found) {
  SLICELET_ASSIGN_OR_RETURN(const std::vector<std::string> names, file_system.List(directory));
  for (const auto& name : names) {
    const std::string path = directory + "/" + name;
    SLICELET_ASSIGN_OR_RETURN(const FileSystem::Info info, file_system.Stat(path));
    if (info.kind == FileSystem::Kind::kDirectory) {
      SLICELET_RETURN_IF_ERROR(Collect(file_system, path, prefix + name + "/", found));
    } else {
      found.insert(prefix + name);
    }
  }
  return absl::OkStatus();
}

bool IsCurrent(FileSystem& file_system, const std::string& directory,
               const std::map<std::string, ProjectedFile>& files) {
  std::set<std::string> found;
  if (!Collect(file_system, directory, "", found).ok() || found.size() != files.size()) return false;
  return std::all_of(files.begin(), files.end(), [&](const auto& file) {
    if (found.count(file.first) == 0) return false;
    const std::string path = directory + "/" + file.first;
    const auto info = file_system.Stat(path);
    if (!info.ok() || info->kind != FileSystem::Kind::kFile) return false;
    if ((info->mode & 07777) != file.second.mode) return false;
    const auto data = file_system.Read(path, file.second.data.size() + 1);
    return data.ok() && *data == file.second.data;
  });
}

}  // namespace

absl::Status WriteProjection(FileSystem& file_system, const std::string& directory,
                             const std::map<std::string, ProjectedFile>& wanted,
                             std::optional<std::int64_t> group) {
  std::map<std::string, ProjectedFile> files = wanted;
  for (auto& [path, file] : files) {
    SLICELET_RETURN_IF_ERROR(CheckName(path));
    if (group) file.mode |= kGroupRead;
  }
  SLICELET_RETURN_IF_ERROR(file_system.MakeDirectories(directory, kDirectoryMode));

  const absl::StatusOr<std::string> old = file_system.ReadSymlink(directory + "/" + kData);
  if (old.ok() && IsCurrent(file_system, directory + "/" + *old, files)) return absl::OkStatus();

  const std::uint64_t number =
      old.ok() && old->size() > 2 ? std::strtoull(old->c_str() + 2, nullptr, 10) + 1 : 1;
  const std::string fresh = ".." + std::to_string(number);
  const std::string root = directory + "/" + fresh;
  // What an interrupted update left behind.
  SLICELET_RETURN_IF_ERROR(file_system.RemoveAll(root));
  std::set<std::string> directories{""};
  for (const auto& [path, file] : files) {
    for (std::string parent = Parent(path); !parent.empty(); parent = Parent(parent))
      directories.insert(parent);
  }
  for (const auto& name : directories) {
    const std::string path = name.empty() ? root : root + "/" + name;
    SLICELET_RETURN_IF_ERROR(file_system.MakeDirectories(path, kDirectoryMode));
    if (group) {
      SLICELET_RETURN_IF_ERROR(file_system.SetOwner(path, 0, *group));
      SLICELET_RETURN_IF_ERROR(file_system.SetMode(path, kGroupDirectoryMode));
    }
  }
  for (const auto& [path, file] : files) {
    SLICELET_RETURN_IF_ERROR(file_system.WriteAtomically(root + "/" + path, file.data, file.mode));
    if (group) SLICELET_RETURN_IF_ERROR(file_system.SetOwner(root + "/" + path, 0, *group));
    SLICELET_RETURN_IF_ERROR(file_system.SetMode(root + "/" + path, file.mode));
  }

  SLICELET_RETURN_IF_ERROR(file_system.SwapSymlink(fresh, directory + "/" + kData));
  std::set<std::string> names;
  for (const auto& [path, file] : files) names.insert(TopLevel(path));
  for (const auto& name : names) {
    SLICELET_RETURN_IF_ERROR(
        file_system.SwapSymlink(std::string(kData) + "/" + name, directory + "/" + name));
  }
  SLICELET_ASSIGN_OR_RETURN(const std::vector<std::string> present, file_system.List(directory));
  for (const auto& name : present) {
    if (name == kData || name == fresh || names.count(name) != 0) continue;
    SLICELET_RETURN_IF_ERROR(file_system.RemoveAll(directory + "/" + name));
  }
  return absl::OkStatus();
}

}  // namespace slicelet::agent
