#include "replay/normalise/normalise.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "replay/capture/options.h"
#include "replay/normalise/checksums.h"
#include "replay/normalise/duplicates.h"
#include "replay/normalise/layout.h"
#include "replay/normalise/super_frames.h"
#include "stack/wire/ethernet.h"
#include "stack/wire/ipv4.h"
#include "stack/wire/ipv6.h"

namespace tapedeck::normalise {
namespace {

constexpr uint64_t kMemoryFloorBytes = uint64_t{64} << 20;
constexpr Duration kBackwardsTolerated = Duration::Milliseconds(1);

// PPPoE sessions within Ethernet (RFC 2516 4): version and type, code, session, length, and the
// PPP protocol behind.
constexpr uint16_t kEtherTypePppoeSession = 0x8864;
constexpr size_t kPppoeHeaderBytes = 8;

IpAddress SenderOf(const Frame& frame) {
  if (frame.kind == FrameKind::kIpv4) {
    return wire::Overlay<wire::Ipv4Header>(frame.network())->saddr;
  }
  return wire::Overlay<wire::Ipv6Header>(frame.network())->saddr;
}

// The passes over one capture.
class Normaliser {
 public:
  Normaliser(capture::CaptureReader& reader, const NormaliseOptions& options)
      : reader_(reader), options_(options) {
    frame_bytes_ += options.caller_bytes_per_frame;
    memory_bytes_max_ = options.memory_bytes_max != 0 ? options.memory_bytes_max
                                                      : 3 * reader.size_bytes() + kMemoryFloorBytes;
    // Address space, not memory: growing would need old and new at once. No usable record is
    // shorter.
    out_.frames.reserve(reader.size_bytes() / kUsableRecordBytesMin);
  }

  NormalisedCapture Run() {
    ReadRecords();
    SortByTime();
    DropDuplicates();
    out_.mtu_bytes =
        options_.mtu_bytes != 0 ? std::min(options_.mtu_bytes, kMtuBytesMax) : MtuOf(out_.frames);
    SplitSuperFrames();
    JudgeChecksums();
    Finish();
    return std::move(out_);
  }

 private:
  // A pcap record header and an IPv4 header.
  static constexpr size_t kUsableRecordBytesMin = 36;
  // Linux's GSO_MAX_SIZE, and room for a link's header: no device hands on more than that.
  static constexpr size_t kFrameBytesMax = size_t{8} * 65'535 + 256;

  void ReadRecords() {
    capture::Record record;
    while (reader_.Next(record) == capture::ReadResult::kRecord) {
      ++out_.counts.records;
      Take(record);
      if (!record.options.empty()) TakeOrders(record);
    }
  }

  void Take(const capture::Record& record) {
    capture::EthernetFrame ethernet;
    const capture::SkipReason skip = capture::ToEthernet(record, ethernet);
    if (skip != capture::SkipReason::kNone) {
      sightings_.AddUnusable();
      out_.unused.push_back({record.index, 0, UnusedReason::kLinkLayer, skip});
      return;
    }
    sightings_.Add(record, ethernet);
    if (const auto reason = TakeFrame(record, ethernet)) Refuse(record.index, *reason);
  }

  void TakeOrders(const capture::Record& record) {
    constexpr std::string_view kOrders = "replay:";
    for (const std::string_view comment : capture::MetadataOf(record).comments) {
      if (!comment.starts_with(kOrders) || out_.orders.size() >= kOrderingCommentsMax) continue;
      out_.orders.push_back({record.index, comment.substr(kOrders.size())});
    }
  }

  std::optional<UnusedReason> TakeFrame(const capture::Record& record,
                                        const capture::EthernetFrame& ethernet) {
    if (!HasRoomFor(ethernet.size_bytes() + frame_bytes_)) return UnusedReason::kTooMuchMemory;
    Frame frame;
    frame.time_ns = record.time_ns;
    frame.record = record.index;
    frame.interface_index = record.interface_index;
    frame.direction = ethernet.direction;
    frame.link_synthesised = ethernet.synthesised;
    frame.bytes = ethernet.payload;
    size_t wire_bytes = std::max<size_t>(ethernet.original_length_bytes, ethernet.size_bytes());
    if (ethernet.synthesised) {
      const std::span<uint8_t> bytes = out_.pool.Allocate(ethernet.size_bytes());
      ethernet.CopyTo(bytes);
      frame.bytes = bytes;
    }
    wire_bytes -= StripPppoe(frame);
    Layout layout;
    const size_t captured_bytes = frame.bytes.size();
    if (const auto reason = FindLayout(wire_bytes, frame, layout)) return reason;
    if (layout.frame_bytes > std::max(kFrameBytesMax, frame.bytes.size())) {
      return UnusedReason::kTooMuchMemory;
    }
    frame.filler_bytes = static_cast<uint32_t>(layout.frame_bytes - frame.bytes.size());
    out_.counts.padded += frame.bytes.size() < captured_bytes;
    out_.counts.lengths_filled += layout.length_filled;
    out_.counts.links_synthesised += frame.link_synthesised;
    out_.frames.push_back(frame);
    return std::nullopt;
  }

  // Takes a PPPoE session header out of an Ethernet frame that has IP in it. Returns how many bytes
  // that were.
  size_t StripPppoe(Frame& frame) {
    const wire::Parsed<wire::EthernetView> ethernet = wire::ParseEthernet(frame.bytes);
    if (!ethernet || ethernet->proto != kEtherTypePppoeSession ||
        ethernet->payload.size() < kPppoeHeaderBytes) {
      return 0;
    }
    const uint16_t ethertype =
        capture::EthertypeOfPpp(LoadBe16(ethernet->payload.data() + kPppoeHeaderBytes - 2));
    if (ethertype == 0) return 0;
    const size_t offset = frame.bytes.size() - ethernet->payload.size();
    const std::span<uint8_t> bytes = out_.pool.Allocate(frame.bytes.size() - kPppoeHeaderBytes);
    std::memcpy(bytes.data(), frame.bytes.data(), offset);
    StoreBe16(bytes.data() + offset - 2, ethertype);
    const std::span<const uint8_t> packet = ethernet->payload.subspan(kPppoeHeaderBytes);
    if (!packet.empty()) std::memcpy(bytes.data() + offset, packet.data(), packet.size());
    frame.bytes = bytes;
    ++out_.counts.pppoe_stripped;
    return kPppoeHeaderBytes;
  }

  bool HasRoomFor(uint64_t bytes) const {
    const uint64_t used = out_.pool.allocated_bytes() + out_.frames.size() * frame_bytes_ +
                          out_.unused.capacity() * sizeof(UnusedRecord) +
                          sightings_.allocated_bytes();
    return used + bytes <= memory_bytes_max_;
  }

  void Refuse(uint64_t record, UnusedReason reason, uint64_t duplicate_of = 0) {
    out_.unused.push_back({record, duplicate_of, reason, capture::SkipReason::kNone});
  }

  void SortByTime() {
    out_.counts.backwards = reader_.disorder().count;
    out_.counts.backwards_max = Duration::Nanoseconds(reader_.disorder().max_ns);
    if (reader_.disorder().count == 0) return;
    // Records have different numbers, so the order is total.
    std::sort(out_.frames.begin(), out_.frames.end(), [](const Frame& a, const Frame& b) {
      return std::pair(a.time_ns, a.record) < std::pair(b.time_ns, b.record);
    });
  }

  void DropDuplicates() {
    if (!sightings_.is_single()) {
      DropCopies(FindDuplicates(out_.frames, sightings_, options_.duplicate_window));
    }
    DropCopies(FindRepeats(out_.frames, options_.duplicate_window));
  }

  // `originals`: of each frame, the index of the one that it is a copy of.
  void DropCopies(std::span<const uint32_t> originals) {
    std::vector<Frame>& frames = out_.frames;
    std::vector<uint64_t> records(frames.size());
    for (size_t i = 0; i < frames.size(); ++i) records[i] = frames[i].record;
    size_t kept = 0;
    for (size_t i = 0; i < originals.size(); ++i) {
      if (originals[i] == i) {
        frames[kept++] = frames[i];
      } else {
        Refuse(records[i], UnusedReason::kDuplicate, records[originals[i]]);
      }
    }
    frames.resize(kept);
  }

  void SplitSuperFrames() {
    const std::vector<SuperFrame> supers = FindSuperFrames(out_.frames, out_.mtu_bytes);
    if (supers.empty()) return;
    size_t added = 0;
    std::vector<uint32_t> pieces(supers.size());  // 0: the record is of no use
    for (size_t i = 0; i < supers.size(); ++i) {
      pieces[i] = PiecesOf(supers[i], added);
      added += pieces[i];
    }
    std::vector<Frame>& frames = out_.frames;
    const size_t before = frames.size();
    frames.resize(before + added);
    // From the back, so that no frame is overwritten before it has been moved.
    size_t to = frames.size();
    size_t from = before;
    for (size_t i = supers.size(); i-- > 0;) {
      while (from > size_t{supers[i].frame} + 1) frames[--to] = frames[--from];
      const Frame whole = frames[--from];
      for (uint32_t piece = pieces[i]; piece-- > 0;) {
        frames[--to] = CutPiece(whole, supers[i], piece, out_.pool);
      }
    }
    // What lies ahead of the first super-frame stays; the gap that refused ones leave goes.
    frames.erase(frames.begin() + static_cast<std::ptrdiff_t>(from),
                 frames.begin() + static_cast<std::ptrdiff_t>(to));
  }

  // Into how many pieces a super-frame is cut, 0 where it is refused. `added` so far.
  uint32_t PiecesOf(const SuperFrame& super, size_t added) {
    const Frame& frame = out_.frames[super.frame];
    if (super.piece_bytes == 0 || super.payload_bytes == 0) {
      Refuse(frame.record, UnusedReason::kSuperFrame);
      return 0;
    }
    const uint64_t headers = frame.bytes.size() + frame.filler_bytes - super.payload_bytes;
    planned_bytes_ += super.pieces() * (headers + frame_bytes_) + frame.bytes.size();
    if (!HasRoomFor(planned_bytes_ + added * frame_bytes_)) {
      planned_bytes_ -= super.pieces() * (headers + frame_bytes_) + frame.bytes.size();
      Refuse(frame.record, UnusedReason::kTooMuchMemory);
      return 0;
    }
    ++out_.counts.super_frames;
    out_.counts.super_frame_pieces += super.pieces();
    out_.counts.split_by_guess += super.is_guess;
    return super.pieces();
  }

  struct SenderChecksums {
    uint64_t judged = 0;
    uint64_t offloaded = 0;
  };

  void JudgeChecksums() {
    std::vector<Frame>& frames = out_.frames;
    std::map<IpAddress, SenderChecksums> senders;
    std::vector<bool> looks_offloaded(frames.size());
    for (size_t i = 0; i < frames.size(); ++i) {
      if (!frames[i].is_ip() || frames[i].pieces != 0) continue;
      const ChecksumFinding finding = ExamineChecksums(frames[i]);
      frames[i].checksum = finding.state;
      looks_offloaded[i] = finding.looks_offloaded;
      if (finding.looks_offloaded) senders.try_emplace(SenderOf(frames[i]));
    }
    for (size_t i = 0; i < frames.size() && !senders.empty(); ++i) {
      if (!IsJudged(frames[i])) continue;
      const auto found = senders.find(SenderOf(frames[i]));
      if (found == senders.end()) continue;
      ++found->second.judged;
      found->second.offloaded += looks_offloaded[i];
    }
    for (size_t i = 0; i < frames.size(); ++i) {
      Frame& frame = frames[i];
      if (looks_offloaded[i]) {
        const SenderChecksums& sender = senders.at(SenderOf(frame));
        if (2 * sender.offloaded > sender.judged) Repair(frame, ChecksumState::kRepaired);
      } else if (frame.checksum == ChecksumState::kUnknowable && frame.pieces == 0) {
        Repair(frame, ChecksumState::kUnknowable);
      }
    }
  }

  static bool IsJudged(const Frame& frame) {
    return frame.is_ip() && frame.pieces == 0 &&
           (frame.checksum == ChecksumState::kRight || frame.checksum == ChecksumState::kWrong);
  }

  // Where there is no memory left the checksum stays wrong, and the frame is expected to be
  // dropped.
  void Repair(Frame& frame, ChecksumState state) {
    if (!HasRoomFor(frame.bytes.size())) {
      frame.checksum = ChecksumState::kWrong;
      return;
    }
    const std::span<uint8_t> bytes = out_.pool.Allocate(frame.bytes.size());
    std::memcpy(bytes.data(), frame.bytes.data(), bytes.size());
    RepairChecksums(frame, bytes);
    frame.bytes = bytes;
    frame.checksum = state;
  }

  void Finish() {
    std::sort(out_.unused.begin(), out_.unused.end(),
              [](const UnusedRecord& a, const UnusedRecord& b) { return a.record < b.record; });
    NormaliseCounts& counts = out_.counts;
    for (const UnusedRecord& unused : out_.unused) {
      ++counts.unused[static_cast<size_t>(unused.reason)];
    }
    for (const Frame& frame : out_.frames) {
      counts.filled += frame.filler_bytes != 0;
      counts.checksums_repaired += frame.checksum == ChecksumState::kRepaired;
      counts.checksums_wrong += frame.checksum == ChecksumState::kWrong;
      counts.lengths_lying += frame.length_lies;
      counts.fragments += frame.is_fragment;
    }
    const auto interfaces = reader_.interfaces();
    out_.interfaces.assign(interfaces.begin(), interfaces.end());
    out_.warnings = Warnings();
  }

  std::vector<std::string> Warnings() const {
    std::vector<std::string> lines = reader_.warnings();
    if (!reader_.damage().ok()) lines.emplace_back(reader_.damage().message());
    const NormaliseCounts& counts = out_.counts;
    for (size_t i = 0; i < counts.unused.size(); ++i) {
      if (i != static_cast<size_t>(UnusedReason::kLinkLayer)) {
        AddLine(counts.unused[i], UnusedReasonText(static_cast<UnusedReason>(i)), lines);
      }
    }
    AddSkipLines(lines);
    AddLine(counts.split_by_guess, "is a super-frame cut by guess: no SYN tells its MSS", lines);
    AddLine(counts.filled, "has payload that was not captured, which is filled up", lines);
    AddLine(counts.checksums_wrong, "has a wrong checksum, which is kept", lines);
    AddLine(counts.lengths_lying, "is shorter than its IP header says, and is kept so", lines);
    if (counts.backwards_max > kBackwardsTolerated) {
      lines.push_back(absl::StrFormat("time goes backwards %u times, by up to %u.%03u ms: sorted",
                                      counts.backwards, counts.backwards_max.ms(),
                                      counts.backwards_max.us() % 1'000));
    }
    return lines;
  }

  void AddSkipLines(std::vector<std::string>& lines) const {
    std::array<uint64_t, static_cast<size_t>(capture::SkipReason::kCount)> skipped = {};
    for (const UnusedRecord& unused : out_.unused) ++skipped[static_cast<size_t>(unused.skip)];
    for (size_t i = 1; i < skipped.size(); ++i) {
      AddLine(skipped[i], capture::SkipReasonText(static_cast<capture::SkipReason>(i)), lines);
    }
  }

  // "3 records: each is cut ..."
  static void AddLine(uint64_t count, const char* text, std::vector<std::string>& lines) {
    if (count == 0) return;
    lines.push_back(count == 1 ? absl::StrCat("1 record ", text)
                               : absl::StrCat(count, " records: each ", text));
  }

  capture::CaptureReader& reader_;
  const NormaliseOptions& options_;
  uint64_t memory_bytes_max_ = 0;
  uint64_t frame_bytes_ = sizeof(Frame);  // and what the caller keeps of one
  uint64_t planned_bytes_ = 0;            // by the pieces that super-frames will be cut into
  Sightings sightings_;
  NormalisedCapture out_;
};

}  // namespace

NormalisedCapture Normalise(capture::CaptureReader& reader, const NormaliseOptions& options) {
  return Normaliser(reader, options).Run();
}

}  // namespace tapedeck::normalise
