// A file that gets its name only when it is complete.
#ifndef TAPEDECK_REPLAY_CAPTURE_OUTPUT_FILE_H_
#define TAPEDECK_REPLAY_CAPTURE_OUTPUT_FILE_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace tapedeck::capture {

// Buffered bytes on their way to a file. They go to a file without a name in its directory
// (O_TMPFILE), which Close() puts in its place; without Close(), however the program ends, nothing
// stays behind. Where the file system has no such files they go to one with a temporary name, which
// the destructor removes. So nothing half-written ever bears the name. What is no regular file ("-"
// for standard output, a pipe, /dev/null) cannot be renamed over and is written to directly.
//
// An error of the disk is kept: every later call returns it, and so does Close().
class OutputFile {
 public:
  // Errors are one line that begins with the path.
  static absl::StatusOr<OutputFile> Create(const std::string& path);
  // The same for what is written over a long time and of use before it is whole: until Close() it
  // is called `path`.part, and stays so where the program ends without. An error where that exists.
  static absl::StatusOr<OutputFile> CreatePartial(const std::string& path);
  // Writes into `bytes`, which must outlive the file, instead of a file.
  static OutputFile InMemory(std::vector<uint8_t>& bytes);

  OutputFile(OutputFile&& other) noexcept;
  OutputFile& operator=(OutputFile&&) = delete;
  ~OutputFile();

  absl::Status Append(std::span<const uint8_t> bytes);
  // Hands what was appended to the system: it is in the file even if the program is killed.
  absl::Status Flush();
  // Writes what is left and gives the file its name. Nothing may be appended after it.
  absl::Status Close();

 private:
  OutputFile() = default;
  // Opens a file without a name in the directory of path_. False where there are none.
  bool OpenUnnamed();
  // Opens a file under a temporary name beside path_. False with errno.
  bool OpenTemporary();
  // Gives a file without a name a temporary one.
  absl::Status Name();
  absl::Status Fail(const char* what);

  std::string path_;            // where the file goes; empty for memory
  std::string temporary_path_;  // what it is called until then; empty when it has no name yet
  bool is_unnamed_ = false;  // a file without a name; else and without temporary, written directly
  bool keep_partial_ = false;  // without Close() it stays under its temporary name
  int fd_ = -1;
  std::vector<uint8_t> buffer_;
  std::vector<uint8_t>* memory_ = nullptr;
  absl::Status status_;
};

}  // namespace tapedeck::capture

#endif  // TAPEDECK_REPLAY_CAPTURE_OUTPUT_FILE_H_
