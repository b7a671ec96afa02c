// The bytes of a capture, wherever they come from: a mapped file, a pipe read to its end, a gzip
// or zstd stream unpacked, memory.
#ifndef TAPEDECK_REPLAY_CAPTURE_BYTE_SOURCE_H_
#define TAPEDECK_REPLAY_CAPTURE_BYTE_SOURCE_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "replay/capture/input_file.h"

namespace tapedeck::capture {

// Read-only bytes that stay where they are while any copy of the source lives.
class ByteSource {
 public:
  // Maps the regular file `path`, or reads anything else ("-" is standard input) to its end. Errors
  // are one line that begins with the path. A mapped file must not be shortened by others while the
  // source lives. REQUIRES: nothing else is reading standard input when `path` is "-". What has to
  // be read rather than mapped may have `read_bytes_max` bytes.
  static absl::StatusOr<ByteSource> Open(const std::string& path, uint64_t read_bytes_max);
  // REQUIRES: file.mappable_bytes() is not 0.
  static absl::StatusOr<ByteSource> Map(const InputFile& file);

  // Bytes that the caller keeps alive.
  static ByteSource View(std::span<const uint8_t> bytes) { return ByteSource(bytes, nullptr); }

  std::span<const uint8_t> bytes() const { return bytes_; }

  // Lets these bytes leave memory until they are touched again, where they are a mapped file's.
  // REQUIRES: `offset` is a multiple of the page size.
  void Release(size_t offset, size_t bytes) const;

  // Unpacks all members of a gzip stream, or all frames of a zstd one, into `unpacked`. When the
  // stream is damaged or longer than `unpacked_bytes_max`, `unpacked` gets what came before and the
  // status says why there is no more. REQUIRES: PackingOf(bytes()) is not kNone.
  absl::Status Unpack(uint64_t unpacked_bytes_max, ByteSource& unpacked) const;

 private:
  ByteSource(std::span<const uint8_t> bytes, std::shared_ptr<const void> owner)
      : bytes_(bytes), owner_(std::move(owner)) {}
  static absl::StatusOr<ByteSource> Map(int fd, size_t size, const std::string& name);
  static absl::StatusOr<ByteSource> ReadAll(const InputFile& file, uint64_t bytes_max);

  std::span<const uint8_t> bytes_;
  std::shared_ptr<const void> owner_;
  bool is_mapped_ = false;
};

}  // namespace tapedeck::capture

#endif  // TAPEDECK_REPLAY_CAPTURE_BYTE_SOURCE_H_
