#include "edge-agent/volumes/safe_path.h"

#include <deque>
#include <vector>

namespace slicelet::agent {
namespace {

/// As the kernel's.
constexpr int kMaxLinks = 40;

std::vector<std::string> Split(const std::string& path) {
  std::vector<std::string> parts;
  std::string part;
  for (const char c : path + "/") {
    if (c != '/') {
      part.push_back(c);
    } else if (!part.empty()) {
      if (part != ".") parts.push_back(part);
      part.clear();
    }
  }
  return parts;
}

std::string Join(const std::vector<std::string>& parts) {
  std::string path;
  for (const auto& part : parts) path += "/" + part;
  return path.empty() ? "/" : path;
}

}  // namespace

absl::StatusOr<std::string> CleanPath(const std::string& path) {
  if (path.empty() || path[0] != '/')
    return absl::InvalidArgumentError("path \"" + path + "\" is not absolute");
  const std::vector<std::string> parts = Split(path);
  for (const auto& part : parts) {
    if (part == "..") return absl::InvalidArgumentError("path \"" + path + "\" contains \"..\"");
  }
  return Join(parts);
}

bool IsBelow(const std::string& path, const std::string& root) {
  if (root == "/" || path == root) return true;
  return path.size() > root.size() && path.compare(0, root.size(), root) == 0 && path[root.size()] == '/';
}

absl::StatusOr<std::string> ResolveLinks(FileSystem& files, const std::string& path) {
  const std::vector<std::string> parts = Split(path);
  std::deque<std::string> todo(parts.begin(), parts.end());
  std::vector<std::string> done;
  int links = 0;
  while (!todo.empty()) {
    const std::string part = todo.front();
    todo.pop_front();
    if (part == "..") {
      if (!done.empty()) done.pop_back();
      continue;
    }
    done.push_back(part);
    const std::string here = Join(done);
    const absl::StatusOr<FileSystem::Info> info = files.Stat(here);
    if (!info.ok()) {
      if (absl::IsNotFound(info.status())) continue;
      return info.status();
    }
    if (info->kind != FileSystem::Kind::kSymlink) continue;
    if (++links > kMaxLinks) return absl::InvalidArgumentError("too many symbolic links in \"" + path + "\"");
    SLICELET_ASSIGN_OR_RETURN(const std::string target, files.ReadSymlink(here));
    done.pop_back();
    if (!target.empty() && target[0] == '/') done.clear();
    const std::vector<std::string> inserted = Split(target);
    todo.insert(todo.begin(), inserted.begin(), inserted.end());
  }
  return Join(done);
}

absl::StatusOr<std::string> ResolveBelow(FileSystem& files, const std::string& root,
                                         const std::string& relative) {
  SLICELET_ASSIGN_OR_RETURN(const std::string wanted, CleanPath(root + "/" + relative));
  SLICELET_ASSIGN_OR_RETURN(const std::string real_root, ResolveLinks(files, root));
  SLICELET_ASSIGN_OR_RETURN(std::string resolved, ResolveLinks(files, wanted));
  if (!IsBelow(resolved, real_root)) {
    return absl::PermissionDeniedError("\"" + relative + "\" leads out of " + root + " to " + resolved);
  }
  return resolved;
}

}  // namespace slicelet::agent
