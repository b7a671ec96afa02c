#include "replay/capture/unpack.h"

#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <limits>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "stack/base/byteorder.h"

namespace tapedeck::capture {
namespace {

constexpr size_t kFeedStepBytes = 1 << 16;

// The part of an unpacking stream that is about its input.
class UnpackStream : public ByteStream {
 public:
  size_t Read(std::span<uint8_t> out) final {
    size_t unpacked = 0;
    while (unpacked == 0 && !ended_ && damage_.ok()) unpacked = Step(out);
    return unpacked;
  }
  absl::Status damage() const final { return damage_; }

 protected:
  explicit UnpackStream(std::unique_ptr<ByteFeed> packed) : packed_(std::move(packed)) {}

  // Packed bytes that were not taken yet: `bytes_min` unless the input ends before.
  std::span<const uint8_t> Input(size_t bytes_min) {
    const std::span<const uint8_t> all = packed_->From(taken_bytes_, bytes_min);
    return all.first(std::min(all.size(), std::max(bytes_min, kFeedStepBytes)));
  }
  void Take(size_t bytes) { taken_bytes_ += bytes; }
  // Unpacks some into `out`; how many bytes.
  virtual size_t Step(std::span<uint8_t> out) = 0;
  // The stream ends here, as it should.
  void End() { ended_ = true; }
  // The stream ends here, improperly: as its input did, or by itself.
  void Break(std::string what) {
    damage_ = packed_->damage().ok() ? absl::DataLossError(std::move(what)) : packed_->damage();
  }

 private:
  std::unique_ptr<ByteFeed> packed_;
  uint64_t taken_bytes_ = 0;
  bool ended_ = false;
  absl::Status damage_;
};

class GzipStream final : public UnpackStream {
 public:
  explicit GzipStream(std::unique_ptr<ByteFeed> packed) : UnpackStream(std::move(packed)) {
    constexpr int kGzipWindow = 15 + 16;  // the largest window, gzip wrapping
    ready_ = inflateInit2(&stream_, kGzipWindow) == Z_OK;
    if (!ready_) Break("zlib has no memory");
  }
  GzipStream(const GzipStream&) = delete;
  GzipStream& operator=(const GzipStream&) = delete;
  ~GzipStream() override {
    if (ready_) inflateEnd(&stream_);
  }

 private:
  size_t Step(std::span<uint8_t> out) override {
    const std::span<const uint8_t> input = Input(1);
    // zlib does not write through it, and its counters are narrower than ours.
    stream_.next_in = const_cast<Bytef*>(input.data());
    stream_.avail_in = static_cast<uInt>(input.size());
    const size_t room = std::min<size_t>(out.size(), std::numeric_limits<uInt>::max());
    stream_.next_out = out.data();
    stream_.avail_out = static_cast<uInt>(room);
    const int result = inflate(&stream_, Z_NO_FLUSH);
    Take(input.size() - stream_.avail_in);
    if (result == Z_STREAM_END) {
      if (!NextMember()) End();
    } else if (result == Z_BUF_ERROR) {
      Break("gzip stream is cut short");
    } else if (result != Z_OK) {
      Break("gzip stream is damaged");
    }
    return room - stream_.avail_out;
  }

  // gzip -c a b > c makes two members; what is no gzip header is padding and ends the stream.
  bool NextMember() {
    return PackingOf(Input(2)) == Packing::kGzip && inflateReset(&stream_) == Z_OK;
  }

  z_stream stream_ = {};
  bool ready_ = false;
};

class ZstdStream final : public UnpackStream {
 public:
  explicit ZstdStream(std::unique_ptr<ByteFeed> packed)
      : UnpackStream(std::move(packed)), stream_(ZSTD_createDStream(), ZSTD_freeDStream) {
    if (stream_ == nullptr) Break("zstd has no memory");
  }

 private:
  size_t Step(std::span<uint8_t> out) override {
    const std::span<const uint8_t> bytes = Input(1);
    // At the end of a frame nothing is wanted any more; another may follow.
    if (bytes.empty() && !is_within_frame_) {
      End();
      return 0;
    }
    ZSTD_inBuffer input = {bytes.data(), bytes.size(), 0};
    ZSTD_outBuffer output = {out.data(), out.size(), 0};
    const size_t wanted = ZSTD_decompressStream(stream_.get(), &output, &input);
    Take(input.pos);
    if (ZSTD_isError(wanted) != 0) {
      Break(absl::StrCat("zstd stream is damaged: ", ZSTD_getErrorName(wanted)));
      return output.pos;
    }
    is_within_frame_ = wanted != 0;
    if (is_within_frame_ && output.pos == 0 && bytes.empty()) Break("zstd stream is cut short");
    return output.pos;
  }

  std::unique_ptr<ZSTD_DStream, decltype(&ZSTD_freeDStream)> stream_;
  bool is_within_frame_ = false;
};

}  // namespace

Packing PackingOf(std::span<const uint8_t> bytes) {
  if (bytes.size() >= 2 && bytes[0] == 0x1f && bytes[1] == 0x8b) return Packing::kGzip;
  const bool is_zstd = bytes.size() >= 4 && LoadLe32(bytes.data()) == ZSTD_MAGICNUMBER;
  return is_zstd ? Packing::kZstd : Packing::kNone;
}

std::unique_ptr<ByteStream> MakeUnpackStream(Packing packing, std::unique_ptr<ByteFeed> packed) {
  if (packing == Packing::kZstd) return std::make_unique<ZstdStream>(std::move(packed));
  return std::make_unique<GzipStream>(std::move(packed));
}

}  // namespace tapedeck::capture
