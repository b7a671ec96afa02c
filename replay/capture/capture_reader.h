// Reads a capture file of any kind the project knows: pcap and pcapng, plain or packed by gzip or
// zstd, from a file, a pipe or memory.
//
//   absl::StatusOr<CaptureReader> reader = CaptureReader::Open(path);
//   if (!reader.ok()) ...                           // no such file, no capture, unreadable header
//   Record record;
//   while (reader->Next(record) == ReadResult::kRecord) Use(record);
//   if (!reader->damage().ok()) ...                 // what came before was still good
#ifndef TAPEDECK_REPLAY_CAPTURE_CAPTURE_READER_H_
#define TAPEDECK_REPLAY_CAPTURE_CAPTURE_READER_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "replay/capture/byte_feed.h"
#include "replay/capture/byte_source.h"
#include "replay/capture/findings.h"
#include "replay/capture/pcap_reader.h"
#include "replay/capture/pcapng_reader.h"
#include "replay/capture/record.h"
#include "replay/capture/record_filter.h"

namespace tapedeck::capture {

struct CaptureReaderOptions {
  // How much a packed stream or a pipe may hold; it is kept in memory.
  uint64_t unpacked_bytes_max = uint64_t{1} << 30;
  // Collect the pcapng blocks without frames in other_blocks(), for writing them out again.
  bool keep_other_blocks = false;
  // Records that it does not admit are not handed out; the others keep their numbers. Null: all.
  std::shared_ptr<RecordFilter> filter = nullptr;
};

class CaptureReader {
 public:
  // Opens the file `path`, or standard input for "-". An error is one line that names the file, and
  // the offset if the file could be read: missing, a directory, empty, no capture, a header of an
  // unknown version.
  static absl::StatusOr<CaptureReader> Open(const std::string& path,
                                            const CaptureReaderOptions& options = {});

  // The same over bytes in memory, which must outlive the reader. `name` is what messages call
  // them.
  static absl::StatusOr<CaptureReader> FromBytes(std::span<const uint8_t> bytes, std::string name,
                                                 const CaptureReaderOptions& options = {});

  // The same over a feed: in constant memory, however long that is.
  static absl::StatusOr<CaptureReader> FromFeed(std::unique_ptr<ByteFeed> feed, std::string name,
                                                const CaptureReaderOptions& options = {});

  // Whether a record's bytes live as long as the reader, and not only until the next is read.
  bool stable() const { return feed_->stable(); }

  // Reads the next record, in file order and without copying: its spans live as long as the reader,
  // or, where it is not stable(), until the next call.
  // At kEnd and kDamaged `record` holds nothing of use, and every later call returns the same.
  ReadResult Next(Record& record) {
    ReadResult result = NextOfFile(record);
    while (filter_ != nullptr && result == ReadResult::kRecord && !filter_->Admits(record)) {
      result = NextOfFile(record);
    }
    if (result == ReadResult::kRecord) [[likely]] {
      if (record.time_ns < last_time_ns_) [[unlikely]] {
        NoteDisorder(record.time_ns);
      }
      last_time_ns_ = record.time_ns;
      return result;
    }
    return AtEnd(result);
  }

  // Why Next() returned kDamaged: "file:offset: what". OK before that, and at a clean end.
  const absl::Status& damage() const { return findings_->damage(); }
  // What was odd but could be used, one line each as for damage(). The first of each kind; at most
  // a hundred. Losses that the capturing program reported are told at the end of the section.
  const std::vector<std::string>& warnings() const { return findings_->warnings(); }
  // How often something of this kind was found.
  uint64_t count(Oddity oddity) const { return findings_->count(oddity); }
  // Records whose time lies before that of the record ahead of them.
  const TimeDisorder& disorder() const { return disorder_; }

  // What messages call the file. Offsets into a packed file count unpacked bytes, and its name
  // says so.
  const std::string& name() const { return findings_->name(); }
  // All interfaces seen so far, over all sections; Record::interface_index counts in here. A pcap
  // file has one.
  std::span<const CaptureInterface> interfaces() const;
  // Empty for pcap.
  std::span<const CaptureSection> sections() const;
  // Empty unless CaptureReaderOptions::keep_other_blocks.
  std::span<const OtherBlock> other_blocks() const;
  // Custom blocks stepped over so far. They are no frames, though tshark numbers them as if they
  // were.
  uint64_t custom_blocks() const;
  // For progress: how far the reading has come, and the size of what is read, 0 where that is not
  // known.
  uint64_t offset_bytes() const;
  uint64_t size_bytes() const { return feed_->size_bytes(); }

 private:
  using Format = std::variant<PcapReader, PcapngReader>;

  CaptureReader(std::unique_ptr<ByteFeed> feed, std::unique_ptr<Findings> findings,
                absl::Status source_damage, Format format, std::shared_ptr<RecordFilter> filter)
      : feed_(std::move(feed)),
        findings_(std::move(findings)),
        source_damage_(std::move(source_damage)),
        format_(std::move(format)),
        filter_(std::move(filter)) {}

  static absl::StatusOr<CaptureReader> FromSource(ByteSource source, std::string name,
                                                  const CaptureReaderOptions& options);
  // `source_damage`: why the feed holds less than what it was made of.
  static absl::StatusOr<CaptureReader> Make(std::unique_ptr<ByteFeed> feed, std::string name,
                                            absl::Status source_damage,
                                            const CaptureReaderOptions& options);
  ReadResult NextOfFile(Record& record) {
    return std::holds_alternative<PcapReader>(format_)
               ? std::get_if<PcapReader>(&format_)->Next(record)
               : std::get_if<PcapngReader>(&format_)->Next(record);
  }
  void NoteDisorder(int64_t time_ns);
  // A gzip stream that broke off makes even a clean end of its records a damaged one.
  ReadResult AtEnd(ReadResult result);

  std::unique_ptr<ByteFeed> feed_;
  std::unique_ptr<Findings> findings_;  // on the heap, so that the reader can move
  absl::Status source_damage_;
  Format format_;
  std::shared_ptr<RecordFilter> filter_;
  int64_t last_time_ns_ = INT64_MIN;
  TimeDisorder disorder_;
};

}  // namespace tapedeck::capture

#endif  // TAPEDECK_REPLAY_CAPTURE_CAPTURE_READER_H_
