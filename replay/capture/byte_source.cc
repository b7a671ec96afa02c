#include "replay/capture/byte_source.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <vector>

#include "absl/strings/str_cat.h"
#include "replay/capture/byte_feed.h"
#include "replay/capture/unpack.h"

namespace tapedeck::capture {
namespace {

constexpr size_t kReadBytes = 1 << 16;

// Where a stream is kept; closed, and so gone, once it is mapped.
class OwnedSpool {
 public:
  explicit OwnedSpool(int fd) : fd_(fd) {}
  OwnedSpool(const OwnedSpool&) = delete;
  OwnedSpool& operator=(const OwnedSpool&) = delete;
  ~OwnedSpool() { close(fd_); }
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

}  // namespace

absl::StatusOr<ByteSource> ByteSource::Open(const std::string& path, uint64_t read_bytes_max) {
  const absl::StatusOr<InputFile> file = InputFile::Open(path);
  if (!file.ok()) return file.status();
  return file->mappable_bytes() != 0 ? Map(*file) : ReadAll(*file, read_bytes_max);
}

absl::StatusOr<ByteSource> ByteSource::Map(const InputFile& file) {
  return Map(file.fd(), static_cast<size_t>(file.mappable_bytes()), file.name());
}

absl::StatusOr<ByteSource> ByteSource::Map(int fd, size_t size, const std::string& name) {
  void* const start = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd, 0);
  if (start == MAP_FAILED) return absl::ErrnoToStatus(errno, absl::StrCat(name, ": cannot map"));
  madvise(start, size, MADV_SEQUENTIAL);  // advice: nothing depends on its being taken
  const auto unmap = [size](const void* p) { munmap(const_cast<void*>(p), size); };
  ByteSource mapped({static_cast<const uint8_t*>(start), size},
                    std::shared_ptr<const void>(start, unmap));
  mapped.is_mapped_ = true;
  return mapped;
}

void ByteSource::Release(size_t offset, size_t bytes) const {
  if (is_mapped_) madvise(const_cast<uint8_t*>(bytes_.data() + offset), bytes, MADV_DONTNEED);
}

// A stream goes through a file without a name, so that its length costs disk and not memory.
absl::StatusOr<ByteSource> ByteSource::ReadAll(const InputFile& file, uint64_t bytes_max) {
  const std::string& name = file.name();
  absl::StatusOr<int> spool_fd = OpenSpool();
  if (!spool_fd.ok()) return spool_fd.status();
  const OwnedSpool spool(*spool_fd);
  std::vector<uint8_t> buffer(kReadBytes);
  uint64_t total = 0;
  for (;;) {
    const ssize_t n = file.Read(buffer);
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

absl::Status ByteSource::Unpack(uint64_t unpacked_bytes_max, ByteSource& unpacked) const {
  auto out = std::make_shared<std::vector<uint8_t>>();
  const std::unique_ptr<ByteStream> stream =
      MakeUnpackStream(PackingOf(bytes_), std::make_unique<SourceFeed>(*this));
  std::vector<uint8_t> buffer(kReadBytes);
  absl::Status status;
  while (const size_t n = stream->Read(buffer)) {
    out->insert(out->end(), buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(n));
    if (out->size() <= unpacked_bytes_max) continue;
    status = absl::DataLossError(absl::StrCat("stream unpacks to more than ", unpacked_bytes_max,
                                              " bytes; unpack it to a file first"));
    break;
  }
  status.Update(stream->damage());
  unpacked = ByteSource(*out, out);
  return status;
}

}  // namespace tapedeck::capture
