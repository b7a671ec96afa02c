#include "replay/normalise/super_frames.h"

#include <algorithm>
#include <cstring>

#include "replay/normalise/checksums.h"
#include "replay/normalise/layout.h"
#include "stack/wire/ipv4.h"
#include "stack/wire/ipv6.h"
#include "stack/wire/tcp.h"
#include "stack/wire/tcp_options.h"
#include "stack/wire/udp.h"

namespace tapedeck::normalise {
namespace {

// What the kernel takes where a SYN names no MSS (TCP_MSS_DEFAULT), and the smallest that it ever
// cuts to (TCP_MIN_MSS); include/net/tcp.h. The latter also bounds what a file can make of itself.
constexpr uint32_t kMssDefaultBytes = 536;
constexpr uint32_t kPieceBytesMin = 88;

// One direction of a flow.
struct Direction {
  IpAddress source;
  IpAddress destination;
  uint16_t source_port = 0;
  uint16_t destination_port = 0;
  uint8_t protocol = 0;

  Direction Reverse() const {
    return {destination, source, destination_port, source_port, protocol};
  }
  friend auto operator<=>(const Direction&, const Direction&) = default;
};

bool IsTcp(const Frame& frame) {
  return frame.has_transport() && frame.protocol == wire::kIpProtoTcp && !frame.is_fragment;
}
bool IsUdp(const Frame& frame) {
  return frame.has_transport() && frame.protocol == wire::kIpProtoUdp && !frame.is_fragment;
}

// REQUIRES: IsTcp() or IsUdp().
Direction DirectionOf(const Frame& frame) {
  const uint8_t* const ports = frame.transport().data();
  Direction direction;
  direction.protocol = frame.protocol;
  direction.source_port = LoadBe16(ports);
  direction.destination_port = LoadBe16(ports + 2);
  if (frame.kind == FrameKind::kIpv4) {
    const auto* const ip = wire::Overlay<wire::Ipv4Header>(frame.network());
    direction.source = ip->saddr;
    direction.destination = ip->daddr;
  } else {
    const auto* const ip = wire::Overlay<wire::Ipv6Header>(frame.network());
    direction.source = ip->saddr;
    direction.destination = ip->daddr;
  }
  return direction;
}

const wire::TcpHeader* TcpOf(const Frame& frame) {
  return wire::Overlay<wire::TcpHeader>(frame.transport());
}

size_t TransportHeaderBytes(const Frame& frame) {
  return IsUdp(frame) ? wire::kUdpHeaderBytes
                      : std::max<size_t>(wire::kTcpHeaderBytes, TcpOf(frame)->header_bytes());
}

// From the IP header on, as on the wire.
uint32_t IpBytes(const Frame& frame) {
  return static_cast<uint32_t>(frame.wire_bytes() - frame.network_offset);
}

// Behind the transport header, as on the wire. REQUIRES: IsTcp() or IsUdp().
uint32_t PayloadBytes(const Frame& frame) {
  const size_t headers = frame.transport_offset + TransportHeaderBytes(frame);
  return static_cast<uint32_t>(frame.wire_bytes() - std::min(headers, frame.wire_bytes()));
}

// The MSS that a SYN announces. Nothing where `frame` is none, or its option is missing or 0.
std::optional<uint32_t> AnnouncedMss(const Frame& frame) {
  if (!IsTcp(frame) || !TcpOf(frame)->syn()) return std::nullopt;
  const wire::Parsed<wire::TcpView> tcp = wire::ParseTcp(frame.transport());
  if (!tcp) return std::nullopt;
  wire::TcpOptionCursor options(tcp->options);
  while (const auto option = options.Next()) {
    if (const auto mss = option->AsMss(); mss.has_value() && *mss != 0) return *mss;
  }
  return std::nullopt;
}

// What directions with super-frames show beside them.
struct Habits {
  uint32_t largest_bytes = 0;  // payload, TCP options included, of frames within the MTU
  uint32_t largest_count = 0;  // how many frames have that much
  std::optional<uint16_t> last_id;
  uint32_t same_ids = 0;  // frames with the IP ID of the one ahead of them
  uint32_t other_ids = 0;
};

uint32_t SegmentBytes(const Frame& frame) {
  const size_t fixed = IsUdp(frame) ? wire::kUdpHeaderBytes : size_t{wire::kTcpHeaderBytes};
  return static_cast<uint32_t>(frame.wire_bytes() - frame.transport_offset - fixed);
}

// Finds super-frames in three passes: which frames they are, what their directions are like, how to
// cut them.
class Finder {
 public:
  Finder(std::span<const Frame> frames, uint32_t mtu_bytes)
      : frames_(frames), mtu_bytes_(mtu_bytes) {}

  std::vector<SuperFrame> Find() {
    for (uint32_t i = 0; i < frames_.size(); ++i) Examine(i);
    if (supers_.empty()) return {};
    for (const Frame& frame : frames_) Observe(frame);
    for (SuperFrame& super : supers_) Decide(super);
    return std::move(supers_);
  }

 private:
  void Examine(uint32_t index) {
    const Frame& frame = frames_[index];
    if (!frame.is_ip() || frame.is_fragment || frame.length_lies) return;
    if (IsTcp(frame)) {
      ExamineTcp(index);
    } else if (IpBytes(frame) > mtu_bytes_) {
      Note(index, 0);
    }
  }

  void ExamineTcp(uint32_t index) {
    const Frame& frame = frames_[index];
    const Direction direction = DirectionOf(frame);
    if (TcpOf(frame)->syn()) {
      mss_[direction] = AnnouncedMss(frame).value_or(kMssDefaultBytes);
      return;
    }
    const std::optional<uint32_t> mss =
        MssOf(direction, frame.transport_offset - frame.network_offset);
    const auto options_bytes =
        static_cast<uint32_t>(TransportHeaderBytes(frame) - wire::kTcpHeaderBytes);
    if (!mss.has_value()) {
      if (IpBytes(frame) > mtu_bytes_) Note(index, 0);
      return;
    }
    const uint32_t room = std::max(*mss - std::min(*mss, options_bytes), kPieceBytesMin);
    if (PayloadBytes(frame) > room) Note(index, room);
  }

  // What both ends can take behind `ip_bytes` of IP header; each announces what its own network
  // carries.
  std::optional<uint32_t> MssOf(const Direction& direction, size_t ip_bytes) const {
    std::optional<uint32_t> mss;
    for (const Direction& way : {direction, direction.Reverse()}) {
      const auto found = mss_.find(way);
      if (found != mss_.end()) mss = std::min(mss.value_or(found->second), found->second);
    }
    // A loopback's MSS is more than any wire carries.
    const auto headers = static_cast<uint32_t>(ip_bytes + wire::kTcpHeaderBytes);
    return mss.has_value() ? std::optional(std::min(*mss, kMtuBytesMax - headers)) : std::nullopt;
  }

  void Note(uint32_t index, uint32_t piece_bytes) {
    SuperFrame super;
    super.frame = index;
    super.piece_bytes = piece_bytes;
    const Frame& frame = frames_[index];
    if (IsTcp(frame) || IsUdp(frame)) {
      super.payload_bytes = PayloadBytes(frame);
      habits_.try_emplace(DirectionOf(frame));
    }
    supers_.push_back(super);
  }

  void Observe(const Frame& frame) {
    if (!IsTcp(frame) && !IsUdp(frame)) return;
    const auto found = habits_.find(DirectionOf(frame));
    if (found == habits_.end()) return;
    Habits& habits = found->second;
    if (frame.kind == FrameKind::kIpv4) {
      const uint16_t id = wire::Overlay<wire::Ipv4Header>(frame.network())->id.host();
      if (habits.last_id.has_value())
        ++(*habits.last_id == id ? habits.same_ids : habits.other_ids);
      habits.last_id = id;
    }
    if (IpBytes(frame) > mtu_bytes_) return;
    const uint32_t bytes = SegmentBytes(frame);
    if (bytes > habits.largest_bytes) habits.largest_count = 0;
    if (bytes >= habits.largest_bytes) ++habits.largest_count;
    habits.largest_bytes = std::max(habits.largest_bytes, bytes);
  }

  void Decide(SuperFrame& super) {
    const Frame& frame = frames_[super.frame];
    if (super.payload_bytes == 0) return;
    const Habits& habits = habits_.at(DirectionOf(frame));
    super.same_ip_id = habits.same_ids > habits.other_ids;
    if (super.piece_bytes != 0) return;
    if (IsUdp(frame)) {
      const bool proved = habits.largest_count >= 2 && habits.largest_bytes >= kPieceBytesMin;
      super.piece_bytes = proved ? habits.largest_bytes : 0;
      return;
    }
    super.is_guess = true;
    const auto headers = static_cast<uint32_t>(frame.transport_offset - frame.network_offset +
                                               wire::kTcpHeaderBytes);
    uint32_t segment_bytes = mtu_bytes_ - std::min(mtu_bytes_, headers);
    if (habits.largest_bytes >= kMssDefaultBytes) {
      segment_bytes = std::min(segment_bytes, habits.largest_bytes);
    }
    const auto options_bytes =
        static_cast<uint32_t>(TransportHeaderBytes(frame) - wire::kTcpHeaderBytes);
    super.piece_bytes =
        std::max(segment_bytes - std::min(segment_bytes, options_bytes), kPieceBytesMin);
  }

  std::span<const Frame> frames_;
  uint32_t mtu_bytes_;
  std::map<Direction, uint32_t> mss_;  // announced by the source, as of the frame being examined
  std::map<Direction, Habits> habits_;
  std::vector<SuperFrame> supers_;
};

// A hop-by-hop header that holds nothing but a jumbo payload option, as the kernel makes it for
// packets above 64 KiB (include/net/ipv6.h, struct hop_jumbo_hdr).
bool BeginsWithJumboHeader(const Frame& frame) {
  constexpr size_t kJumboHeaderBytes = 8;
  const std::span<const uint8_t> packet = frame.network();
  if (frame.kind != FrameKind::kIpv6 ||
      packet.size() < wire::kIpv6HeaderBytes + kJumboHeaderBytes) {
    return false;
  }
  const uint8_t* const extension = packet.data() + wire::kIpv6HeaderBytes;
  return packet[6] == wire::kIpProtoHopByHop && extension[1] == 0 &&
         extension[2] == wire::kIpv6OptJumbo && extension[3] == 4;
}

// Copies the headers of `whole` to a piece with room for `payload_bytes` behind them, without a
// jumbo payload header, and moves the offsets of `piece` along.
std::span<uint8_t> CopyHeaders(const Frame& whole, size_t payload_bytes, BytePool& pool,
                               Frame& piece) {
  const size_t headers = whole.transport_offset + TransportHeaderBytes(whole);
  const size_t left_out = BeginsWithJumboHeader(whole) ? 8 : 0;
  const size_t first = left_out == 0 ? headers : whole.network_offset + wire::kIpv6HeaderBytes;
  const std::span<uint8_t> bytes = pool.Allocate(headers - left_out + payload_bytes);
  std::memcpy(bytes.data(), whole.bytes.data(), first);
  std::memcpy(bytes.data() + first, whole.bytes.data() + first + left_out,
              headers - first - left_out);
  if (left_out != 0) bytes[piece.network_offset + size_t{6}] = whole.bytes[first];
  piece.transport_offset = static_cast<uint16_t>(whole.transport_offset - left_out);
  piece.bytes = bytes;
  return bytes;
}

void SetIpLength(const Frame& piece, std::span<uint8_t> bytes, size_t wire_bytes, uint32_t number,
                 bool same_ip_id) {
  const size_t ip_bytes = wire_bytes - piece.network_offset;
  const std::span<uint8_t> packet = bytes.subspan(piece.network_offset);
  if (piece.kind == FrameKind::kIpv6) {
    auto* const ip = wire::OverlayMutable<wire::Ipv6Header>(packet);
    ip->payload_len = static_cast<uint16_t>(ip_bytes - wire::kIpv6HeaderBytes);
    return;
  }
  auto* const ip = wire::OverlayMutable<wire::Ipv4Header>(packet);
  ip->tot_len = static_cast<uint16_t>(ip_bytes);
  if (!same_ip_id) ip->id = static_cast<uint16_t>(ip->id.host() + number);
}

// As tcp_gso_segment() does: FIN and PSH on the last, CWR on the first; urgent data stays where it
// was.
void SetTcp(std::span<uint8_t> segment, uint32_t offset_bytes, bool is_last) {
  auto* const tcp = wire::OverlayMutable<wire::TcpHeader>(segment);
  tcp->seq = tcp->seq.host() + offset_bytes;
  uint16_t flags = tcp->flags();
  if (!is_last) flags &= static_cast<uint16_t>(~(wire::kTcpFin | wire::kTcpPsh));
  if (offset_bytes != 0) flags &= static_cast<uint16_t>(~wire::kTcpCwr);
  const uint32_t urgent = tcp->urg_ptr.host();
  if ((flags & wire::kTcpUrg) != 0 && urgent <= offset_bytes) {
    flags &= static_cast<uint16_t>(~wire::kTcpUrg);
  }
  const bool is_urgent = (flags & wire::kTcpUrg) != 0;
  tcp->urg_ptr = is_urgent ? static_cast<uint16_t>(urgent - offset_bytes) : uint16_t{0};
  tcp->set_flags(flags);
}

}  // namespace

uint32_t MtuOf(std::span<const Frame> frames) {
  uint32_t mtu = kUsualMtuBytes;
  for (const Frame& frame : frames) {
    if (const std::optional<uint32_t> mss = AnnouncedMss(frame)) {
      const auto headers =
          frame.kind == FrameKind::kIpv4 ? wire::kIpv4HeaderBytes : wire::kIpv6HeaderBytes;
      mtu = std::max(mtu, *mss + headers + wire::kTcpHeaderBytes);
    }
  }
  return std::min(mtu, kMtuBytesMax);
}

std::vector<SuperFrame> FindSuperFrames(std::span<const Frame> frames, uint32_t mtu_bytes) {
  return Finder(frames, mtu_bytes).Find();
}

Frame CutPiece(const Frame& whole, const SuperFrame& super, uint32_t number, BytePool& pool) {
  const uint32_t offset = number * super.piece_bytes;
  const uint32_t payload = std::min(super.piece_bytes, super.payload_bytes - offset);
  const std::span<const uint8_t> captured =
      whole.bytes.subspan(whole.transport_offset + TransportHeaderBytes(whole));
  const size_t from = std::min<size_t>(offset, captured.size());
  const size_t have = std::min<size_t>(payload, captured.size() - from);
  Frame piece = whole;
  piece.piece = number + 1;
  piece.pieces = super.pieces();
  piece.filler_bytes = static_cast<uint32_t>(payload - have);
  piece.checksum = ChecksumState::kUnknowable;
  const std::span<uint8_t> bytes = CopyHeaders(whole, have, pool, piece);
  if (have != 0) std::memcpy(bytes.data() + bytes.size() - have, captured.data() + from, have);
  SetIpLength(piece, bytes, piece.wire_bytes(), number, super.same_ip_id);
  const std::span<uint8_t> segment = bytes.subspan(piece.transport_offset);
  if (IsUdp(whole)) {
    wire::OverlayMutable<wire::UdpHeader>(segment)->len =
        static_cast<uint16_t>(payload + wire::kUdpHeaderBytes);
  } else {
    SetTcp(segment, offset, piece.piece == piece.pieces);
  }
  RepairChecksums(piece, bytes);
  return piece;
}

}  // namespace tapedeck::normalise
