#include "replay/standin/captured_packets.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "replay/normalise/checksums.h"
#include "replay/normalise/fragments.h"
#include "replay/standin/flows.h"
#include "replay/standin/packet.h"
#include "replay/standin/plan.h"
#include "replay/standin/separate_ends.h"
#include "stack/wire/ethernet.h"
#include "stack/wire/repair_checksums.h"

namespace tapedeck::standin {
namespace {

using normalise::FragmentedPacket;
using normalise::Frame;

class PacketReader {
 public:
  explicit PacketReader(CapturedPackets* out)
      : out_(*out), frames_(out->capture.frames), filler_left_(kFilledBytesFree) {
    for (const Frame& frame : frames_) filler_left_ += kFilledPerByte * frame.bytes.size();
  }

  // All packets; those that came in fragments where they became whole.
  void Read() {
    std::vector<bool> is_part(frames_.size());
    std::map<uint32_t, CapturedPacket> whole;  // by the last of their fragments
    for (const FragmentedPacket& fragmented : normalise::FindFragmentedPackets(frames_)) {
      std::optional<CapturedPacket> packet = PutTogether(fragmented);
      if (!packet.has_value()) continue;
      for (const uint32_t index : fragmented.frames) is_part[index] = true;
      whole.emplace(fragmented.frames.back(), *std::move(packet));
    }
    for (uint32_t i = 0; i < frames_.size(); ++i) {
      if (!is_part[i]) {
        Add(frames_[i]);
      } else if (const auto found = whole.find(i); found != whole.end()) {
        Finish(std::move(found->second), frames_[i]);
      }
    }
  }

 private:
  void Add(const Frame& frame) {
    if (!frame.is_ip()) {
      ++out_.unused[frame.kind == normalise::FrameKind::kArp ? "arp" : "not_ip"];
      return;
    }
    if (frame.filler_bytes > filler_left_) {
      ++out_.unused["too_much_filler"];
      return;
    }
    filler_left_ -= frame.filler_bytes;
    CapturedPacket packet;
    packet.from = ProvenanceOf(frame);
    packet.bytes = BytesOf(frame);
    Finish(std::move(packet), frame);
  }

  // With what `frame` tells of it.
  void Finish(CapturedPacket packet, const Frame& frame) {
    packet.time_ns = frame.time_ns - out_.start_ns;
    packet.direction = frame.direction;
    const auto ethernet = wire::ParseEthernet(frame.bytes);
    if (ethernet && !frame.link_synthesised) {
      packet.source = ethernet->header->source;
      packet.dest = ethernet->header->dest;
      packet.tagged = !ethernet->tags.empty();
    }
    const std::optional<IpPacket> ip = ParseIpPacket(packet.bytes);
    if (!ip.has_value()) {
      ++out_.unused["bad_ip_header"];
      return;
    }
    if (packet.source.IsValidStation()) out_.neighbours[ip->source] = packet.source;
    out_.packets.push_back(std::move(packet));
  }

  static Provenance ProvenanceOf(const Frame& frame) {
    return {frame.record, frame.piece, frame.pieces};
  }

  // A segment or datagram that drives a flow. Fragments of anything else, of what overlaps, and of
  // what was never whole, are packets of their own.
  std::optional<CapturedPacket> PutTogether(const FragmentedPacket& fragmented) {
    if (!fragmented.is_complete) return std::nullopt;
    uint64_t filler_bytes = 0;
    for (const uint32_t index : fragmented.frames) filler_bytes += frames_[index].filler_bytes;
    if (filler_bytes > filler_left_) return std::nullopt;
    std::vector<uint8_t> whole = normalise::WholePacket(frames_, fragmented);
    const std::optional<IpPacket> ip = ParseIpPacket(whole);
    if (!ip || (!ParseTcpSegment(*ip) && !ParseUdpDatagram(*ip))) return std::nullopt;
    filler_left_ -= filler_bytes;
    if (filler_bytes != 0) {
      wire::RepairPacketChecksums(whole);  // what was not captured is in no sum
    } else if (SumWasLeftToNic(*ip, whole)) {
      wire::RepairPacketChecksums(whole);
      ++out_.capture.counts.checksums_repaired;
    }
    CapturedPacket packet;
    packet.bytes = out_.filled.emplace_back(std::move(whole));
    packet.from = ProvenanceOf(frames_[fragmented.frames.front()]);
    const int64_t whole_ns = frames_[fragmented.frames.back()].time_ns;
    for (const uint32_t index : fragmented.frames) {
      packet.cuts.Add(CutOf(frames_[index], whole_ns));
    }
    return packet;
  }

  // Of a packet whose fragments did not tell by themselves.
  static bool SumWasLeftToNic(const IpPacket& ip, std::span<const uint8_t> whole) {
    Frame frame;
    frame.bytes = whole;
    frame.network_offset = 0;
    frame.transport_offset = static_cast<uint16_t>(ip.upper_offset);
    frame.protocol = ip.protocol;
    frame.kind = ip.source.is_v4() ? normalise::FrameKind::kIpv4 : normalise::FrameKind::kIpv6;
    return normalise::ExamineTransportChecksum(frame).looks_offloaded;
  }

  static Cut CutOf(const Frame& frame, int64_t whole_ns) {
    const normalise::FragmentRange range = normalise::RangeOf(frame);
    Cut cut;
    cut.from = ProvenanceOf(frame);
    cut.offset = range.offset_bytes;
    cut.length = static_cast<uint32_t>(range.data.size()) + frame.filler_bytes;
    cut.before_ns = static_cast<uint64_t>(whole_ns - frame.time_ns);
    const auto header =
        frame.bytes.subspan(frame.network_offset, range.frame_offset - frame.network_offset);
    cut.header.assign(header.begin(), header.end());
    return cut;
  }

  std::span<const uint8_t> BytesOf(const Frame& frame) {
    if (frame.filler_bytes == 0) return frame.network();
    return std::span<const uint8_t>(out_.filled.emplace_back(frame.Whole()))
        .subspan(frame.network_offset);
  }

  // What was not captured of packets is made up, in proportion to what was: snapshots keep a
  // twentieth of full frames.
  static constexpr uint64_t kFilledBytesFree = uint64_t{1} << 20;
  static constexpr uint64_t kFilledPerByte = 64;

  CapturedPackets& out_;
  const std::vector<Frame>& frames_;
  uint64_t filler_left_;
};

void NoteRepairs(const normalise::NormaliseCounts& counts, std::vector<std::string>* repairs) {
  const auto note = [repairs](uint64_t count, const char* what) {
    if (count != 0) repairs->push_back(absl::StrCat(count, " ", what));
  };
  note(counts.super_frames, "frames longer than the MTU were split into segments");
  note(counts.split_by_guess, "of these at a guessed length: no SYN told the MSS");
  note(counts.checksums_repaired, "checksums that were left to a NIC were set right");
  note(counts.filled, "frames got filler for the payload that was not captured");
  note(counts.unused[static_cast<size_t>(normalise::UnusedReason::kTooMuchMemory)],
       "frames are left out: more than the size of the capture pays for");
  note(counts.unused[static_cast<size_t>(normalise::UnusedReason::kDuplicate)],
       "copies of frames seen on several interfaces were left out");
}

// Virtual time does not go on for ever, and nothing of a connection outlives such a pause: what is
// longer than an hour is taken for an hour.
void ShortenPauses(CapturedPackets* packets) {
  constexpr int64_t kPauseMaxNs = 3'600'000'000'000;
  int64_t last_ns = 0;
  int64_t left_out_ns = 0;
  uint64_t pauses = 0;
  for (CapturedPacket& packet : packets->packets) {
    const int64_t pause_ns = packet.time_ns - last_ns;
    last_ns = packet.time_ns;
    if (pause_ns > kPauseMaxNs) {
      left_out_ns += pause_ns - kPauseMaxNs;
      ++pauses;
    }
    packet.time_ns -= left_out_ns;
  }
  if (pauses == 0) return;
  packets->repairs.push_back(absl::StrCat(pauses, " pauses of more than an hour are an hour long"));
}

// What is made of a capture's frames is kept near four times its size and 64 MiB: one size is the
// file itself, where it is mapped, and one are the copies of its packets in the plan.
normalise::NormaliseOptions MemoryFor(const capture::CaptureReader& reader) {
  constexpr uint64_t kFreeBytes = uint64_t{32} << 20;  // the rest of the 64 MiB is the Lab's
  normalise::NormaliseOptions options;
  options.memory_bytes_max = 2 * reader.size_bytes() + kFreeBytes;
  options.caller_bytes_per_frame = sizeof(CapturedPacket) + sizeof(FlowSegment) + sizeof(Stimulus);
  return options;
}

}  // namespace

CapturedPackets ReadPackets(capture::CaptureReader& reader) {
  CapturedPackets packets;
  packets.capture = normalise::Normalise(reader, MemoryFor(reader));
  if (!packets.capture.frames.empty()) packets.start_ns = packets.capture.frames.front().time_ns;
  packets.packets.reserve(packets.capture.frames.size());
  PacketReader(&packets).Read();
  for (const normalise::UnusedRecord& record : packets.capture.unused) {
    ++packets.unused[normalise::UnusedReasonName(record.reason)];
  }
  for (const normalise::OrderingComment& comment : packets.capture.orders) {
    packets.orders.push_back(ParseCommentOrder(comment.record, comment.text));
  }
  // What the packets need of it is its pool.
  packets.capture.frames = std::vector<Frame>();
  packets.capture.unused = std::vector<normalise::UnusedRecord>();
  packets.warnings = packets.capture.warnings;
  NoteRepairs(packets.capture.counts, &packets.repairs);
  SeparateEnds(&packets);
  ShortenPauses(&packets);
  return packets;
}

}  // namespace tapedeck::standin
