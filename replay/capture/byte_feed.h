// Bytes that a reader goes through once, from the first to the last, without their all being in
// memory: a mapped file whose pages are let go behind the reader, a pipe, a stream that is unpacked
// on the way.
#ifndef TAPEDECK_REPLAY_CAPTURE_BYTE_FEED_H_
#define TAPEDECK_REPLAY_CAPTURE_BYTE_FEED_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "replay/capture/byte_source.h"

namespace tapedeck::capture {

class ByteFeed {
 public:
  // The most that can be asked for at once of a feed whose bytes are not all there: as much as it
  // may ever keep.
  static constexpr size_t kWindowBytesMax = size_t{256} << 20;

  virtual ~ByteFeed() = default;

  // The bytes from `offset` on: at least `bytes_min`, and fewer only where the input ends before.
  // What lies ahead of `offset` need not be had again. REQUIRES: `offset` is not below that of the
  // call before, and within what was returned then or at its end.
  virtual std::span<const uint8_t> From(uint64_t offset, size_t bytes_min) = 0;
  // Why there is no more: a disk that cannot be read, a stream that is damaged or cut short. OK
  // until then and at a proper end.
  virtual absl::Status damage() const { return absl::OkStatus(); }
  // What was returned stays readable while the feed lives.
  virtual bool stable() const = 0;
  // How many bytes there are; 0 where that is not known ahead.
  virtual uint64_t size_bytes() const = 0;
};

// Bytes of a source, which stay; of a long one, pages that were passed leave memory and come back
// when they are touched.
class SourceFeed final : public ByteFeed {
 public:
  explicit SourceFeed(ByteSource source) : source_(std::move(source)) {}
  std::span<const uint8_t> From(uint64_t offset, size_t bytes_min) override;
  bool stable() const override { return true; }
  uint64_t size_bytes() const override { return source_.bytes().size(); }

 private:
  ByteSource source_;
  uint64_t released_bytes_ = 0;
};

// Bytes as they come.
class ByteStream {
 public:
  virtual ~ByteStream() = default;
  // Fills the beginning of `out`, which is not empty; waits for a byte at least. 0 at the end,
  // however it came.
  virtual size_t Read(std::span<uint8_t> out) = 0;
  virtual absl::Status damage() const = 0;
};

// Keeps of a stream what the reader has not passed yet.
class StreamFeed final : public ByteFeed {
 public:
  explicit StreamFeed(std::unique_ptr<ByteStream> stream) : stream_(std::move(stream)) {}
  std::span<const uint8_t> From(uint64_t offset, size_t bytes_min) override;
  absl::Status damage() const override { return stream_->damage(); }
  bool stable() const override { return false; }
  uint64_t size_bytes() const override { return 0; }

 private:
  std::unique_ptr<ByteStream> stream_;
  std::vector<uint8_t> buffer_;
  size_t begin_ = 0;  // of what the buffer holds
  size_t end_ = 0;
  uint64_t offset_ = 0;  // of the byte at begin_
  bool ended_ = false;
};

// The bytes of `path` ("-" is standard input), unpacked where they are packed: a regular file is
// mapped, all else is read as it comes, until `stop` says that it ends here (InputFile::Read).
// Errors are one line that begins with the path.
absl::StatusOr<std::unique_ptr<ByteFeed>> OpenByteFeed(const std::string& path,
                                                       std::function<bool()> stop = {});

}  // namespace tapedeck::capture

#endif  // TAPEDECK_REPLAY_CAPTURE_BYTE_FEED_H_
