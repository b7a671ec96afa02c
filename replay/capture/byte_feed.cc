#include "replay/capture/byte_feed.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "replay/capture/input_file.h"
#include "replay/capture/unpack.h"

namespace tapedeck::capture {
namespace {

// How much of a mapped file is read before what lies behind is let go.
constexpr size_t kMappedStepBytes = size_t{16} << 20;
// What a stream's buffer begins with. It grows with records that are longer.
constexpr size_t kStreamBufferBytes = size_t{1} << 20;

// What a file descriptor gives.
class DescriptorStream final : public ByteStream {
 public:
  DescriptorStream(InputFile file, std::function<bool()> stop)
      : file_(std::move(file)), stop_(std::move(stop)) {}

  size_t Read(std::span<uint8_t> out) override {
    const ssize_t n = file_.Read(out, stop_);
    if (n < 0) damage_ = absl::ErrnoToStatus(errno, absl::StrCat(file_.name(), ": cannot read"));
    return n > 0 ? static_cast<size_t>(n) : 0;
  }
  absl::Status damage() const override { return damage_; }

 private:
  InputFile file_;
  std::function<bool()> stop_;
  absl::Status damage_;
};

std::unique_ptr<ByteFeed> UnpackedOf(std::unique_ptr<ByteFeed> feed) {
  const Packing packing = PackingOf(feed->From(0, 4));
  if (packing == Packing::kNone) return feed;
  return std::make_unique<StreamFeed>(MakeUnpackStream(packing, std::move(feed)));
}

}  // namespace

std::span<const uint8_t> SourceFeed::From(uint64_t offset, size_t bytes_min) {
  const std::span<const uint8_t> all = source_.bytes();
  if (offset >= released_bytes_ + 2 * kMappedStepBytes) {
    source_.Release(released_bytes_, kMappedStepBytes);
    released_bytes_ += kMappedStepBytes;
  }
  const size_t left_bytes = all.size() - static_cast<size_t>(offset);
  return all.subspan(static_cast<size_t>(offset),
                     std::min(left_bytes, std::max(bytes_min, kMappedStepBytes)));
}

std::span<const uint8_t> StreamFeed::From(uint64_t offset, size_t bytes_min) {
  begin_ += static_cast<size_t>(offset - offset_);
  offset_ = offset;
  bytes_min = std::min(bytes_min, kWindowBytesMax);
  if (end_ - begin_ < bytes_min && !ended_) {
    if (begin_ != end_) std::memmove(&buffer_[0], &buffer_[begin_], end_ - begin_);
    end_ -= std::exchange(begin_, 0);
  }
  while (end_ - begin_ < bytes_min && !ended_) {
    // What is promised for later may never come: room is made for what has come.
    if (end_ == buffer_.size()) {
      buffer_.resize(std::max(kStreamBufferBytes, std::min(2 * end_, kWindowBytesMax)));
    }
    const size_t n = stream_->Read(std::span(buffer_).subspan(end_));
    end_ += n;
    ended_ = n == 0;
  }
  return std::span<const uint8_t>(buffer_).subspan(begin_, end_ - begin_);
}

absl::StatusOr<std::unique_ptr<ByteFeed>> OpenByteFeed(const std::string& path,
                                                       std::function<bool()> stop) {
  absl::StatusOr<InputFile> file = InputFile::Open(path);
  if (!file.ok()) return file.status();
  if (file->mappable_bytes() == 0) {
    return UnpackedOf(std::make_unique<StreamFeed>(
        std::make_unique<DescriptorStream>(*std::move(file), std::move(stop))));
  }
  absl::StatusOr<ByteSource> source = ByteSource::Map(*file);
  if (!source.ok()) return source.status();
  return UnpackedOf(std::make_unique<SourceFeed>(*std::move(source)));
}

}  // namespace tapedeck::capture
