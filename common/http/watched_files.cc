#include "common/http/watched_files.h"

#include <utility>

#include "common/log/log.h"

namespace slicelet {

WatchedFiles::WatchedFiles(Loop& loop, FileSystem& files, std::vector<std::string> paths, Take take,
                           Duration interval)
    : files_(files), paths_(std::move(paths)), take_(std::move(take)), interval_(interval), next_(loop) {}

absl::Status WatchedFiles::Start() {
  std::vector<std::string> contents;
  SLICELET_RETURN_IF_ERROR(Read(contents));
  SLICELET_RETURN_IF_ERROR(WithContext(take_(contents), paths_.front()));
  taken_ = std::move(contents);
  next_.Set(interval_, [this] { Look(); });
  return absl::OkStatus();
}

void WatchedFiles::Look() {
  next_.Set(interval_, [this] { Look(); });
  std::vector<std::string> contents;
  absl::Status status = Read(contents);
  if (status.ok() && contents == taken_) return;
  if (status.ok()) status = take_(contents);
  if (!status.ok()) {
    LogWarning("changed certificate files not taken", {{"file", paths_.front()}, {"why", Message(status)}});
    return;
  }
  LogInfo("changed certificate files taken", {{"file", paths_.front()}});
  taken_ = std::move(contents);
}

absl::Status WatchedFiles::Read(std::vector<std::string>& contents) const {
  for (const auto& path : paths_) {
    SLICELET_ASSIGN_OR_RETURN(auto text, files_.Read(path, kMaxBytes));
    contents.push_back(std::move(text));
  }
  return absl::OkStatus();
}

}  // namespace slicelet
