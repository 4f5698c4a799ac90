#include "provider/link/blob_sender.h"

#include <algorithm>
#include <utility>

#include "common/base/encoding.h"
#include "common/log/log.h"

namespace slicelet::provider {

void BlobSender::Fetch(const v1::Fetch& fetch) {
  const bool idle = wants_.empty();
  std::deque<Want> next;
  for (const v1::Fetch::Want& want : fetch.wants()) {
    if (next.size() == kMaxWants) break;
    const Digest digest(want.digest());
    // What is being sent goes on where it is, or each repeated request would send it anew.
    const auto same =
        std::find_if(wants_.begin(), wants_.end(), [&](const Want& w) { return w.digest == digest; });
    const bool sending = !idle && same == wants_.begin() && same->offset > want.offset() && loaded_ == digest;
    next.push_back({digest, sending ? same->offset : want.offset()});
  }
  wants_ = std::move(next);
  if (!timer_.armed()) Turn();
}

void BlobSender::Clear() {
  wants_.clear();
  timer_.Cancel();
  loaded_ = {};
  bytes_.clear();
}

void BlobSender::Turn() {
  for (int i = 0; i < kChunksPerTurn && !wants_.empty(); ++i) {
    if (!SendChunk(wants_.front())) wants_.pop_front();
  }
  if (wants_.empty()) {
    Clear();
  } else {
    timer_.Set(kTurn, [this] { Turn(); });
  }
}

bool BlobSender::SendChunk(Want& want) {
  v1::Blob blob;
  blob.set_digest(want.digest.value());
  if (loaded_ != want.digest) {
    absl::StatusOr<std::string> read = read_(want.digest);
    if (!read.ok()) {
      LogWarning("blob asked for is not there",
                 {{"digest", Short(want.digest)}, {"why", Describe(read.status())}});
      blob.set_missing(true);
      send_(std::move(blob));
      return false;
    }
    loaded_ = want.digest;
    bytes_ = std::move(*read);
  }
  const std::uint64_t offset = std::min<std::uint64_t>(want.offset, bytes_.size());
  blob.set_offset(offset);
  blob.set_total(bytes_.size());
  blob.set_data(bytes_.substr(offset, kChunkBytes));
  want.offset = offset + blob.data().size();
  const bool more = want.offset < bytes_.size();
  send_(std::move(blob));
  return more;
}

}  // namespace slicelet::provider
