#include "replay/capture/byte_source.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <limits>
#include <vector>

#include "absl/strings/str_cat.h"
#include "stack/base/byteorder.h"

namespace tapedeck::capture {
namespace {

constexpr size_t kReadBytes = 1 << 16;

// Closes a file descriptor that it owns; standard input it leaves open.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd_ > STDIN_FILENO) close(fd_);
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

std::string SpoolDirectory() {
  const char* const directory = std::getenv("TMPDIR");
  return directory == nullptr || *directory == '\0' ? "/tmp" : directory;
}

// A file without a name, gone with its descriptor.
absl::StatusOr<int> OpenSpool() {
  const std::string directory = SpoolDirectory();
  const int fd = open(directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
  if (fd >= 0) return fd;
  // The file system has none without a name: one that loses it at once.
  std::string path = directory + "/tapedeck-stream-XXXXXX";
  const int named = mkstemp(path.data());
  if (named < 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat(directory, ": cannot keep a stream there"));
  }
  unlink(path.c_str());
  return named;
}

// False with errno.
bool WriteAll(int fd, std::span<const uint8_t> bytes) {
  while (!bytes.empty()) {
    const ssize_t n = write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno != EINTR) return false;
    if (n > 0) bytes = bytes.subspan(static_cast<size_t>(n));
  }
  return true;
}

// zlib's state for a gzip stream, ended when it goes out of scope.
class GzipStream {
 public:
  explicit GzipStream(std::span<const uint8_t> packed) : rest_(packed) {
    constexpr int kGzipWindow = 15 + 16;  // the largest window, gzip wrapping
    ready_ = inflateInit2(&stream_, kGzipWindow) == Z_OK;
  }
  GzipStream(const GzipStream&) = delete;
  GzipStream& operator=(const GzipStream&) = delete;
  ~GzipStream() {
    if (ready_) inflateEnd(&stream_);
  }

  // Appends at most kReadBytes to `out`. False at the end of the last member or at damage, of which
  // `damage` tells.
  bool Step(std::vector<uint8_t>& out, std::string& damage) {
    if (!ready_) {
      damage = "zlib has no memory";
      return false;
    }
    const size_t old_size = out.size();
    out.resize(old_size + kReadBytes);
    Feed();
    stream_.next_out = out.data() + old_size;
    stream_.avail_out = kReadBytes;
    const int result = inflate(&stream_, Z_NO_FLUSH);
    out.resize(old_size + kReadBytes - stream_.avail_out);
    if (result == Z_STREAM_END) return NextMember();
    if (result == Z_OK) return true;
    damage = result == Z_BUF_ERROR ? "gzip stream is cut short" : "gzip stream is damaged";
    return false;
  }

 private:
  // Hands zlib more input; its counter is narrower than ours.
  void Feed() {
    if (stream_.avail_in != 0 || rest_.empty()) return;
    const size_t n = std::min<size_t>(rest_.size(), std::numeric_limits<uInt>::max());
    stream_.next_in = const_cast<Bytef*>(rest_.data());  // zlib does not write through it
    stream_.avail_in = static_cast<uInt>(n);
    rest_ = rest_.subspan(n);
  }

  // gzip -c a b > c makes two members; what is no gzip header is padding and ends the stream.
  bool NextMember() {
    Feed();
    return stream_.avail_in >= 2 && stream_.next_in[0] == 0x1f && stream_.next_in[1] == 0x8b &&
           inflateReset(&stream_) == Z_OK;
  }

  std::span<const uint8_t> rest_;
  z_stream stream_ = {};
  bool ready_ = false;
};

// zstd's state for a stream of frames, freed when it goes out of scope.
class ZstdStream {
 public:
  explicit ZstdStream(std::span<const uint8_t> packed)
      : input_{packed.data(), packed.size(), 0}, stream_(ZSTD_createDStream(), ZSTD_freeDStream) {}

  // As GzipStream::Step().
  bool Step(std::vector<uint8_t>& out, std::string& damage) {
    if (stream_ == nullptr) {
      damage = "zstd has no memory";
      return false;
    }
    // At the end of a frame nothing is wanted any more; another may follow.
    if (input_.pos == input_.size && !is_within_frame_) return false;
    const size_t old_size = out.size();
    out.resize(old_size + kReadBytes);
    ZSTD_outBuffer output = {out.data() + old_size, kReadBytes, 0};
    const size_t before = input_.pos;
    const size_t wanted = ZSTD_decompressStream(stream_.get(), &output, &input_);
    out.resize(old_size + output.pos);
    if (ZSTD_isError(wanted) != 0) {
      damage = absl::StrCat("zstd stream is damaged: ", ZSTD_getErrorName(wanted));
      return false;
    }
    is_within_frame_ = wanted != 0;
    if (is_within_frame_ && output.pos == 0 && input_.pos == before) {
      damage = "zstd stream is cut short";
      return false;
    }
    return true;
  }

 private:
  ZSTD_inBuffer input_;
  std::unique_ptr<ZSTD_DStream, decltype(&ZSTD_freeDStream)> stream_;
  bool is_within_frame_ = false;
};

// Appends what `stream` unpacks to `out`; what was wrong, empty if nothing.
template <typename Stream>
std::string UnpackAll(Stream&& stream, uint64_t unpacked_bytes_max, std::vector<uint8_t>& out) {
  std::string damage;
  while (stream.Step(out, damage)) {
    if (out.size() > unpacked_bytes_max) {
      return absl::StrCat("stream unpacks to more than ", unpacked_bytes_max,
                          " bytes; unpack it to a file first");
    }
  }
  return damage;
}

}  // namespace

absl::StatusOr<ByteSource> ByteSource::Open(const std::string& path, uint64_t read_bytes_max) {
  const bool is_stdin = path == "-";
  const std::string name = is_stdin ? "(standard input)" : path;
  const Descriptor file(is_stdin ? STDIN_FILENO : open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) return absl::ErrnoToStatus(errno, absl::StrCat(name, ": cannot open"));
  struct stat info = {};
  if (fstat(file.get(), &info) != 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat(name, ": cannot read"));
  }
  if (S_ISDIR(info.st_mode)) {
    return absl::InvalidArgumentError(
        absl::StrCat(name, ": is a directory, expected a capture file"));
  }
  // Standard input may stand anywhere in its file, and the files of /proc claim to be empty.
  if (S_ISREG(info.st_mode) && info.st_size > 0 && !is_stdin) {
    return Map(file.get(), static_cast<size_t>(info.st_size), name);
  }
  return ReadAll(file.get(), read_bytes_max, name);
}

absl::StatusOr<ByteSource> ByteSource::Map(int fd, size_t size, const std::string& name) {
  void* const start = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd, 0);
  if (start == MAP_FAILED) return absl::ErrnoToStatus(errno, absl::StrCat(name, ": cannot map"));
  madvise(start, size, MADV_SEQUENTIAL);  // advice: nothing depends on its being taken
  const auto unmap = [size](const void* p) { munmap(const_cast<void*>(p), size); };
  return ByteSource({static_cast<const uint8_t*>(start), size},
                    std::shared_ptr<const void>(start, unmap));
}

// A stream goes through a file without a name, so that its length costs disk and not memory.
absl::StatusOr<ByteSource> ByteSource::ReadAll(int fd, uint64_t bytes_max,
                                               const std::string& name) {
  absl::StatusOr<int> spool_fd = OpenSpool();
  if (!spool_fd.ok()) return spool_fd.status();
  const Descriptor spool(*spool_fd);
  std::vector<uint8_t> buffer(kReadBytes);
  uint64_t total = 0;
  for (;;) {
    const ssize_t n = read(fd, buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return absl::ErrnoToStatus(errno, absl::StrCat(name, ": cannot read"));
    if (n == 0) break;
    total += static_cast<uint64_t>(n);
    if (total > bytes_max) {
      return absl::ResourceExhaustedError(absl::StrCat(
          name, ": more than ", bytes_max, " bytes in a stream; save it to a file first"));
    }
    const std::span<const uint8_t> chunk(buffer.data(), static_cast<size_t>(n));
    if (!WriteAll(spool.get(), chunk)) {
      return absl::ErrnoToStatus(
          errno, absl::StrCat(name, ": cannot keep the stream in ", SpoolDirectory()));
    }
  }
  if (total == 0) return View({});
  return Map(spool.get(), static_cast<size_t>(total), name);
}

Packing ByteSource::packing() const {
  if (bytes_.size() >= 2 && bytes_[0] == 0x1f && bytes_[1] == 0x8b) return Packing::kGzip;
  const bool is_zstd = bytes_.size() >= 4 && LoadLe32(bytes_.data()) == ZSTD_MAGICNUMBER;
  return is_zstd ? Packing::kZstd : Packing::kNone;
}

absl::Status ByteSource::Unpack(uint64_t unpacked_bytes_max, ByteSource& unpacked) const {
  auto out = std::make_shared<std::vector<uint8_t>>();
  const std::string damage = packing() == Packing::kZstd
                                 ? UnpackAll(ZstdStream(bytes_), unpacked_bytes_max, *out)
                                 : UnpackAll(GzipStream(bytes_), unpacked_bytes_max, *out);
  unpacked = ByteSource(*out, out);
  return damage.empty() ? absl::OkStatus() : absl::DataLossError(damage);
}

}  // namespace tapedeck::capture
