#pragma once

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/file_system.h"

namespace slicelet {

/// `FileSystem` in memory, with a switch that fills the disk and a record of mounts and owners. Follows
/// symbolic links as the kernel does, so that a swapped `..data` link behaves as on disk. Single-threaded.
class FakeFileSystem : public FileSystem {
 public:
  struct Node {
    Kind kind = Kind::kFile;
    std::uint32_t mode = 0;
    std::int64_t user = 0;
    std::int64_t group = 0;
    /// A file's content or a link's target.
    std::string data = {};
    bool mounted = false;
    std::uint64_t mount_size = 0;
  };

  FakeFileSystem() { nodes_["/"] = {.kind = Kind::kDirectory, .mode = 0755}; }

  /// While set, everything that would take space answers ResourceExhausted.
  void set_disk_full(bool full) { disk_full_ = full; }
  /// Only paths below `prefix` are on the full disk.
  void set_disk_full_below(const std::string& prefix) {
    disk_full_ = true;
    full_prefix_ = prefix;
  }
  void set_space(Space space) { space_ = space; }
  /// What mounting answers, where nothing is mounted yet.
  void set_mount_error(absl::Status error) { mount_error_ = std::move(error); }
  /// What looking at `path`, and at what is below it, answers: a dying disk, a dead mount.
  void set_stat_error(const std::string& path, absl::Status error) {
    dead_path_ = path;
    stat_error_ = std::move(error);
  }
  /// How many calls changed the disk.
  [[nodiscard]] int writes() const { return writes_; }
  /// nullptr when nothing is there. Does not follow links.
  [[nodiscard]] const Node* Find(const std::string& path) const {
    const auto it = nodes_.find(Clean(path));
    return it == nodes_.end() ? nullptr : &it->second;
  }
  /// Puts a socket, a device or a file there, with its parents.
  void Put(const std::string& path, Node node) {
    const std::string clean = Clean(path);
    MakeParents(Parent(clean), 0755);
    nodes_[clean] = std::move(node);
  }

  absl::StatusOr<std::string> Read(const std::string& path, std::uint64_t limit) override {
    SLICELET_ASSIGN_OR_RETURN(const std::string real, Resolve(path, true));
    const auto it = nodes_.find(real);
    if (it == nodes_.end()) return absl::NotFoundError("cannot read " + path + ": No such file or directory");
    if (it->second.kind != Kind::kFile) return absl::InternalError("cannot read " + path + ": not a file");
    if (it->second.data.size() > limit) {
      return absl::InternalError("cannot read " + path + ": larger than " + std::to_string(limit) + " bytes");
    }
    return it->second.data;
  }

  absl::Status WriteAtomically(const std::string& path, std::string_view data, std::uint32_t mode) override {
    SLICELET_ASSIGN_OR_RETURN(const std::string real, Resolve(path, false));
    SLICELET_RETURN_IF_ERROR(CheckParent(real));
    SLICELET_RETURN_IF_ERROR(CheckSpace(real));
    if (Is(real, Kind::kDirectory))
      return absl::AlreadyExistsError("cannot replace " + path + ": is a directory");
    nodes_[real] = {.kind = Kind::kFile, .mode = mode, .data = std::string(data)};
    return absl::OkStatus();
  }

  absl::Status MakeDirectories(const std::string& path, std::uint32_t mode) override {
    SLICELET_ASSIGN_OR_RETURN(const std::string real, Resolve(path, true));
    if (Is(real, Kind::kDirectory)) return absl::OkStatus();
    SLICELET_RETURN_IF_ERROR(CheckSpace(real));
    for (std::string part = real; part != "/"; part = Parent(part)) {
      const auto it = nodes_.find(part);
      if (it != nodes_.end() && it->second.kind != Kind::kDirectory) {
        return absl::AlreadyExistsError("cannot create directory " + part + ": something else is there");
      }
    }
    MakeParents(real, mode);
    return absl::OkStatus();
  }

  absl::Status RemoveAll(const std::string& path) override {
    const auto real = Resolve(path, false);
    if (!real.ok()) return absl::IsNotFound(real.status()) ? absl::OkStatus() : real.status();
    ++writes_;
    nodes_.erase(*real);
    const std::string prefix = *real + "/";
    for (auto it = nodes_.lower_bound(prefix); it != nodes_.end() && it->first.rfind(prefix, 0) == 0;) {
      it = nodes_.erase(it);
    }
    return absl::OkStatus();
  }

  absl::StatusOr<bool> RemoveSome(const std::string& path, std::uint64_t most) override {
    const auto real = Resolve(path, false);
    if (!real.ok() && !absl::IsNotFound(real.status())) return real.status();
    if (!real.ok() || nodes_.count(*real) == 0) return true;
    const std::string prefix = *real + "/";
    for (; most > 0; --most) {
      // What lies deepest stands last.
      const auto it = std::prev(nodes_.lower_bound(*real + "0"));
      if (!it->first.starts_with(prefix)) break;
      ++writes_;
      nodes_.erase(it);
    }
    if (most == 0) return false;
    ++writes_;
    nodes_.erase(*real);
    return true;
  }

  absl::Status SwapSymlink(const std::string& target, const std::string& path) override {
    SLICELET_ASSIGN_OR_RETURN(const std::string real, Resolve(path, false));
    SLICELET_RETURN_IF_ERROR(CheckParent(real));
    SLICELET_RETURN_IF_ERROR(CheckSpace(real));
    if (Is(real, Kind::kDirectory))
      return absl::AlreadyExistsError("cannot replace " + path + ": is a directory");
    nodes_[real] = {.kind = Kind::kSymlink, .mode = 0777, .data = target};
    return absl::OkStatus();
  }

  absl::StatusOr<std::string> ReadSymlink(const std::string& path) override {
    SLICELET_ASSIGN_OR_RETURN(const std::string real, Resolve(path, false));
    const auto it = nodes_.find(real);
    if (it == nodes_.end())
      return absl::NotFoundError("cannot read link " + path + ": No such file or directory");
    if (it->second.kind != Kind::kSymlink)
      return absl::InternalError("cannot read link " + path + ": not a link");
    return it->second.data;
  }

  absl::Status Rename(const std::string& from, const std::string& to) override {
    SLICELET_ASSIGN_OR_RETURN(const std::string source, Resolve(from, false));
    SLICELET_ASSIGN_OR_RETURN(const std::string target, Resolve(to, false));
    if (nodes_.find(source) == nodes_.end()) {
      return absl::NotFoundError("cannot rename " + from + " to " + to + ": No such file or directory");
    }
    SLICELET_RETURN_IF_ERROR(CheckParent(target));
    if (Is(target, Kind::kDirectory) && HasChildren(target)) {
      return absl::AlreadyExistsError("cannot rename " + from + " to " + to + ": Directory not empty");
    }
    ++writes_;
    std::map<std::string, Node> moved;
    const std::string prefix = source + "/";
    for (auto it = nodes_.lower_bound(source); it != nodes_.end();) {
      if (it->first == source || it->first.rfind(prefix, 0) == 0) {
        moved[target + it->first.substr(source.size())] = std::move(it->second);
        it = nodes_.erase(it);
      } else if (it->first > prefix && it->first.rfind(source, 0) != 0) {
        break;
      } else {
        ++it;
      }
    }
    for (auto& [path, node] : moved) nodes_[path] = std::move(node);
    return absl::OkStatus();
  }

  absl::Status SetOwner(const std::string& path, std::int64_t user, std::int64_t group) override {
    SLICELET_ASSIGN_OR_RETURN(Node * node, Existing(path, false));
    if (user >= 0) node->user = user;
    if (group >= 0) node->group = group;
    return absl::OkStatus();
  }

  absl::Status SetMode(const std::string& path, std::uint32_t mode) override {
    SLICELET_ASSIGN_OR_RETURN(Node * node, Existing(path, true));
    node->mode = mode;
    return absl::OkStatus();
  }

  absl::StatusOr<Info> Stat(const std::string& path) override {
    if (path == dead_path_ || path.starts_with(dead_path_ + "/")) SLICELET_RETURN_IF_ERROR(stat_error_);
    SLICELET_ASSIGN_OR_RETURN(Node * node, Existing(path, false));
    return Info{.kind = node->kind, .size = node->data.size(), .mode = node->mode};
  }

  absl::StatusOr<std::vector<std::string>> List(const std::string& path) override {
    SLICELET_ASSIGN_OR_RETURN(const std::string real, Resolve(path, true));
    if (!Is(real, Kind::kDirectory))
      return absl::NotFoundError("cannot list " + path + ": No such directory");
    const std::string prefix = real == "/" ? real : real + "/";
    std::vector<std::string> names;
    for (auto it = nodes_.upper_bound(prefix); it != nodes_.end() && it->first.rfind(prefix, 0) == 0; ++it) {
      const std::string name = it->first.substr(prefix.size());
      if (name.find('/') == std::string::npos) names.push_back(name);
    }
    return names;
  }

  absl::StatusOr<Space> FreeSpace(const std::string&) override {
    return Space{.total = space_.total, .available = disk_full_ ? 0 : space_.available};
  }

  absl::Status MountTmpfs(const std::string& path, std::uint64_t size) override {
    SLICELET_ASSIGN_OR_RETURN(Node * node, Existing(path, true));
    if (!node->mounted) SLICELET_RETURN_IF_ERROR(mount_error_);
    node->mounted = true;
    node->mount_size = size;
    return absl::OkStatus();
  }

  absl::Status Unmount(const std::string& path) override {
    const auto node = Existing(path, true);
    if (node.ok()) (*node)->mounted = false;
    return absl::OkStatus();
  }

 private:
  static std::string Parent(const std::string& path) {
    const auto slash = path.find_last_of('/');
    return slash == 0 || slash == std::string::npos ? "/" : path.substr(0, slash);
  }

  /// Without doubled slashes, ".", ".." and a slash at the end.
  static std::string Clean(const std::string& path) {
    std::vector<std::string> parts;
    for (const std::string& part : Split(path)) {
      if (part == "..") {
        if (!parts.empty()) parts.pop_back();
      } else {
        parts.push_back(part);
      }
    }
    std::string clean;
    for (const std::string& part : parts) clean += "/" + part;
    return clean.empty() ? "/" : clean;
  }

  static std::vector<std::string> Split(const std::string& path) {
    std::vector<std::string> parts;
    std::size_t at = 0;
    while (at < path.size()) {
      const std::size_t end = std::min(path.find('/', at), path.size());
      if (end > at && path.substr(at, end - at) != ".") parts.push_back(path.substr(at, end - at));
      at = end + 1;
    }
    return parts;
  }

  /// Where the path leads through links. NotFound only for a link loop; the last part need not exist.
  absl::StatusOr<std::string> Resolve(const std::string& path, bool follow_last) const {
    static constexpr int kMaxLinks = 40;
    std::vector<std::string> rest = Split(path);
    std::string at = "/";
    int links = 0;
    for (std::size_t i = 0; i < rest.size(); ++i) {
      if (rest[i] == "..") {
        at = Parent(at);
        continue;
      }
      const std::string next = at == "/" ? "/" + rest[i] : at + "/" + rest[i];
      const auto it = nodes_.find(next);
      const bool last = i + 1 == rest.size();
      if (it == nodes_.end() || it->second.kind != Kind::kSymlink || (last && !follow_last)) {
        at = next;
        continue;
      }
      if (++links > kMaxLinks) return absl::InternalError(path + ": too many levels of symbolic links");
      std::vector<std::string> target = Split(it->second.data);
      if (!it->second.data.empty() && it->second.data[0] == '/') at = "/";
      target.insert(target.end(), rest.begin() + static_cast<std::ptrdiff_t>(i) + 1, rest.end());
      rest = std::move(target);
      i = static_cast<std::size_t>(-1);
    }
    return at;
  }

  absl::StatusOr<Node*> Existing(const std::string& path, bool follow) {
    SLICELET_ASSIGN_OR_RETURN(const std::string real, Resolve(path, follow));
    const auto it = nodes_.find(real);
    if (it == nodes_.end())
      return absl::NotFoundError("cannot look at " + path + ": No such file or directory");
    return &it->second;
  }

  [[nodiscard]] bool Is(const std::string& real, Kind kind) const {
    const auto it = nodes_.find(real);
    return it != nodes_.end() && it->second.kind == kind;
  }

  [[nodiscard]] bool HasChildren(const std::string& real) const {
    const auto it = nodes_.upper_bound(real + "/");
    return it != nodes_.end() && it->first.rfind(real + "/", 0) == 0;
  }

  [[nodiscard]] absl::Status CheckParent(const std::string& real) const {
    if (Is(Parent(real), Kind::kDirectory)) return absl::OkStatus();
    return absl::NotFoundError("cannot create " + real + ": No such file or directory");
  }

  absl::Status CheckSpace(const std::string& real) {
    if (disk_full_ && real.rfind(full_prefix_, 0) == 0) {
      return absl::ResourceExhaustedError("cannot write " + real + ": No space left on device");
    }
    ++writes_;
    return absl::OkStatus();
  }

  void MakeParents(const std::string& path, std::uint32_t mode) {
    for (std::string part = path; nodes_.find(part) == nodes_.end(); part = Parent(part)) {
      nodes_[part] = {.kind = Kind::kDirectory, .mode = mode};
    }
  }

  std::map<std::string, Node> nodes_;
  bool disk_full_ = false;
  std::string full_prefix_;
  absl::Status mount_error_;
  std::string dead_path_;
  absl::Status stat_error_;
  Space space_{.total = 10'000'000'000, .available = 8'000'000'000};
  int writes_ = 0;
};

}  // namespace slicelet
