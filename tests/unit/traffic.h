// Traffic made by hand for tests of what is done with captures: frames, connections that keep their
// own numbers, and captures of them in memory.
//
//   Connection tcp;
//   Capture capture;
//   capture.Add(tcp.Syn()).Add(tcp.SynAck()).Add(tcp.Ack(kClient));
//   capture.Add(tcp.Data(kClient, "GET"), 10 * kMs);
#ifndef TAPEDECK_TESTS_UNIT_TRAFFIC_H_
#define TAPEDECK_TESTS_UNIT_TRAFFIC_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "capture_bytes.h"  // beside this file
#include "stack/base/byteorder.h"
#include "stack/base/checksum.h"
#include "stack/base/ip_address.h"
#include "stack/wire/frame_builder.h"
#include "stack/wire/ipv4.h"
#include "stack/wire/ipv6.h"
#include "stack/wire/tcp.h"
#include "stack/wire/tcp_options.h"
#include "stack/wire/udp.h"

namespace tapedeck::traffic {

inline constexpr int64_t kUs = 1'000;
inline constexpr int64_t kMs = 1'000'000;
inline constexpr int64_t kSecond = 1'000'000'000;

using FrameBytes = std::vector<uint8_t>;

// How a checksum is to look.
enum class Sum : uint8_t { kRight, kPartial, kZero, kBad };

// An IP packet's addresses and whatever its header may be told.
struct IpPart {
  IpAddress source = Ipv4Address(10, 0, 0, 1);
  IpAddress destination = Ipv4Address(10, 0, 0, 2);
  MacAddress source_mac{0x02, 0xaa, 0, 0, 0, 1};
  MacAddress destination_mac{0x02, 0xaa, 0, 0, 0, 2};
  uint16_t id = 0;
  uint8_t ttl = 64;
  bool dont_fragment = true;
};

struct Segment {
  IpPart ip;
  uint16_t source_port = 40000;
  uint16_t destination_port = 80;
  uint16_t flags = wire::kTcpAck;
  uint32_t sequence = 0;
  uint32_t ack = 0;
  uint16_t window = 65535;
  uint16_t urgent = 0;
  std::vector<uint8_t> options;
  std::string payload;
  Sum sum = Sum::kRight;
};

namespace internal {

// Room for the largest super-frame that a test makes.
inline constexpr size_t kFrameBytesMax = 256 * 1024;

inline void AddIp(const IpPart& ip, uint8_t hop_limit, wire::FrameBuilder& builder) {
  builder.Ethernet(ip.destination_mac, ip.source_mac);
  if (ip.source.is_v4()) {
    wire::Ipv4Header header;
    header.id = ip.id;
    header.ttl = hop_limit;
    header.frag_off = ip.dont_fragment ? wire::kIpv4DontFragment : uint16_t{0};
    header.saddr = ip.source.v4();
    header.daddr = ip.destination.v4();
    builder.Ipv4(header);
  } else {
    wire::Ipv6Header header;
    header.hop_limit = hop_limit;
    header.saddr = ip.source.v6();
    header.daddr = ip.destination.v6();
    builder.Ipv6(header);
  }
}

inline wire::PseudoHeader Pseudo(const IpPart& ip) {
  if (ip.source.is_v4()) return {ip.source.v4(), ip.destination.v4()};
  return {ip.source.v6(), ip.destination.v6()};
}

inline std::span<const uint8_t> AsBytes(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

// Spoils the checksum at `offset` of `frame`, whose transport part begins at `transport`.
inline void SetSum(const IpPart& ip, uint8_t protocol, size_t transport, size_t offset, Sum sum,
                   FrameBytes& frame) {
  uint8_t* const field = frame.data() + transport + offset;
  const auto bytes = static_cast<uint32_t>(frame.size() - transport);
  switch (sum) {
    case Sum::kRight:
      return;
    case Sum::kPartial:
      return StoreBe16(field, Pseudo(ip).PartialChecksum(protocol, bytes));
    case Sum::kZero:
      return StoreBe16(field, 0);
    case Sum::kBad:
      return StoreBe16(field, static_cast<uint16_t>(LoadBe16(field) + 0x1234));
  }
}

}  // namespace internal

inline size_t IpHeaderBytes(const IpPart& ip) { return ip.source.is_v4() ? 20 : 40; }

// The frame of `segment`, without padding.
inline FrameBytes TcpFrame(const Segment& segment) {
  FrameBytes buffer(internal::kFrameBytesMax);
  wire::FrameBuilder builder(buffer);
  internal::AddIp(segment.ip, segment.ip.ttl, builder);
  wire::TcpHeader tcp;
  tcp.source = segment.source_port;
  tcp.dest = segment.destination_port;
  tcp.seq = segment.sequence;
  tcp.ack_seq = segment.ack;
  tcp.window = segment.window;
  tcp.urg_ptr = segment.urgent;
  tcp.set_flags(segment.flags);
  builder.Tcp(tcp, segment.options).Payload(internal::AsBytes(segment.payload));
  const std::span<uint8_t> built = builder.Build();
  FrameBytes frame(built.begin(), built.end());
  internal::SetSum(segment.ip, wire::kIpProtoTcp, 14 + IpHeaderBytes(segment.ip), 16, segment.sum,
                   frame);
  return frame;
}

struct Datagram {
  IpPart ip;
  uint16_t source_port = 5353;
  uint16_t destination_port = 53;
  std::string payload;
  Sum sum = Sum::kRight;
};

inline FrameBytes UdpFrame(const Datagram& datagram) {
  FrameBytes buffer(internal::kFrameBytesMax);
  wire::FrameBuilder builder(buffer);
  internal::AddIp(datagram.ip, datagram.ip.ttl, builder);
  wire::UdpHeader udp;
  udp.source = datagram.source_port;
  udp.dest = datagram.destination_port;
  builder.Udp(udp).Payload(internal::AsBytes(datagram.payload));
  const std::span<uint8_t> built = builder.Build();
  FrameBytes frame(built.begin(), built.end());
  internal::SetSum(datagram.ip, wire::kIpProtoUdp, 14 + IpHeaderBytes(datagram.ip), 6, datagram.sum,
                   frame);
  return frame;
}

// `n` bytes that tell where they are.
inline std::string Text(size_t n, size_t from = 0) {
  std::string text;
  for (size_t i = 0; i < n; ++i) text.push_back(static_cast<char>('a' + (from + i) % 26));
  return text;
}

enum End : uint8_t { kClient, kServer };

// The TCP options of a SYN; what is left out is not there.
struct SynOptions {
  std::optional<uint16_t> mss = 1460;
  bool sack = true;
  bool timestamps = false;
  std::optional<uint8_t> window_scale = 7;
};

// Both ends of a TCP connection, each with its next sequence number. Timestamps count `now_ms`.
class Connection {
 public:
  Connection() = default;
  Connection(Endpoint client, Endpoint server) : ends_{client, server} {}

  SynOptions& options(End end) { return options_[end]; }
  // Of the next byte that `end` sends, and has had acknowledged to it.
  uint32_t& next(End end) { return next_[end]; }
  IpPart& ip(End end) { return ip_[end]; }
  uint32_t& now_ms() { return now_ms_; }

  Segment Syn(End end = kClient) {
    Segment syn = Make(end, wire::kTcpSyn);
    syn.ack = 0;
    syn.options = OptionsOfSyn(end);
    ++next_[end];
    return syn;
  }
  Segment SynAck(End end = kServer) {
    Segment syn = Make(end, wire::kTcpSyn | wire::kTcpAck);
    syn.options = OptionsOfSyn(end);
    ++next_[end];
    return syn;
  }
  Segment Ack(End end) { return Make(end, wire::kTcpAck); }
  Segment Data(End end, std::string_view payload, bool push = true) {
    Segment data = Make(end, push ? wire::kTcpAck | wire::kTcpPsh : wire::kTcpAck);
    data.payload = std::string(payload);
    next_[end] += static_cast<uint32_t>(payload.size());
    return data;
  }
  Segment Fin(End end) {
    Segment fin = Make(end, wire::kTcpFin | wire::kTcpAck);
    ++next_[end];
    return fin;
  }
  Segment Rst(End end) { return Make(end, wire::kTcpRst | wire::kTcpAck); }

  // A segment of `end` with its present numbers.
  Segment Make(End end, int flags) {
    const End other = end == kClient ? kServer : kClient;
    Segment segment;
    segment.ip = ip_[end];
    segment.ip.source = ends_[end].address;
    segment.ip.destination = ends_[other].address;
    segment.ip.source_mac = Mac(end);
    segment.ip.destination_mac = Mac(other);
    segment.ip.id = ip_[end].id++;
    segment.source_port = ends_[end].port.host();
    segment.destination_port = ends_[other].port.host();
    segment.flags = static_cast<uint16_t>(flags);
    segment.sequence = next_[end];
    segment.ack = next_[other];
    if (HasTimestamps()) segment.options = Stamps(end);
    return segment;
  }

 private:
  static MacAddress Mac(End end) { return {0x02, 0xaa, 0, 0, 0, static_cast<uint8_t>(end + 1)}; }
  bool HasTimestamps() const { return options_[0].timestamps && options_[1].timestamps; }

  std::vector<uint8_t> Stamps(End end) const {
    wire::TcpOptionWriter writer;
    writer.Nop();
    writer.Nop();
    writer.Timestamps(
        {now_ms_ + (end == kClient ? 1000U : 9000U), now_ms_ + (end == kClient ? 9000U : 1000U)});
    return {writer.bytes().begin(), writer.bytes().end()};
  }
  std::vector<uint8_t> OptionsOfSyn(End end) const {
    const SynOptions& options = options_[end];
    wire::TcpOptionWriter writer;
    if (options.mss.has_value()) writer.Mss(*options.mss);
    if (options.sack) writer.SackPermitted();
    if (options.timestamps) writer.Timestamps({now_ms_ + (end == kClient ? 1000U : 9000U), 0});
    if (options.window_scale.has_value()) writer.WindowScale(*options.window_scale);
    while (writer.bytes().size() % 4 != 0) writer.Nop();
    return {writer.bytes().begin(), writer.bytes().end()};
  }

  Endpoint ends_[2] = {{Ipv4Address(10, 0, 0, 1), uint16_t{40000}},
                       {Ipv4Address(10, 0, 0, 2), uint16_t{80}}};
  SynOptions options_[2];
  IpPart ip_[2];
  uint32_t next_[2] = {1000, 5'000'000};
  uint32_t now_ms_ = 0;
};

// A capture in memory: pcap with nanoseconds, one link type.
class Capture {
 public:
  explicit Capture(uint32_t link_type = 1) { file_.Header(0xa1b23c4d, link_type, 262144); }

  // Adds a frame `after_ns` behind the one before; `original_bytes` 0 means all of it.
  Capture& Add(std::span<const uint8_t> frame, int64_t after_ns = kMs,
               uint32_t original_bytes = 0) {
    now_ns_ += after_ns;
    const std::string_view text(reinterpret_cast<const char*>(frame.data()), frame.size());
    file_.Record(static_cast<uint32_t>(now_ns_ / kSecond), static_cast<uint32_t>(now_ns_ % kSecond),
                 text, original_bytes);
    return *this;
  }
  Capture& Add(const Segment& segment, int64_t after_ns = kMs) {
    return Add(std::span<const uint8_t>(TcpFrame(segment)), after_ns);
  }
  Capture& Add(const Datagram& datagram, int64_t after_ns = kMs) {
    return Add(std::span<const uint8_t>(UdpFrame(datagram)), after_ns);
  }
  // The same as a snapshot length of `snaplen` leaves it.
  Capture& AddCut(const Segment& segment, size_t snaplen, int64_t after_ns = kMs) {
    FrameBytes frame = TcpFrame(segment);
    const auto original = static_cast<uint32_t>(frame.size());
    if (frame.size() > snaplen) frame.resize(snaplen);
    return Add(std::span<const uint8_t>(frame), after_ns, original);
  }

  const std::vector<uint8_t>& bytes() const { return file_.get(); }
  int64_t now_ns() const { return now_ns_; }

 private:
  capture::PcapBytes file_;
  int64_t now_ns_ = 1'700'000'000 * kSecond;
};

}  // namespace tapedeck::traffic

#endif  // TAPEDECK_TESTS_UNIT_TRAFFIC_H_
