#include "fuzz/reply_oracle.h"

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "fuzz/frame_words.h"
#include "fuzz/oracles.h"
#include "stack/base/drop_reason.h"
#include "stack/ipv4/netns_ipv4.h"
#include "stack/wire/ip_protocol.h"

namespace tapedeck::fuzz {

namespace {

constexpr size_t kIcmpBytes = 8;
// An Ethernet header, a tag, and the longest datagram: IPv6's, whose length leaves out its header.
constexpr uint64_t kDatagramMax = 18 + 40 + 65535;

// AMPL. For each step and each frame that came a reply, ARP, what it released; a largest datagram
// in fragments; segments of 24 bytes and more; and what timers send.
constexpr uint64_t kFramesAStep = 48;
constexpr uint64_t kBytesAFrame = 20;
constexpr uint64_t kFramesASecond = 32;
constexpr uint64_t kFramesARun = 256;
// WORK. Turns of loops over what peers have sent: a queue is walked once or twice.
constexpr uint64_t kUnitsAnEvent = 1024;

[[noreturn, gnu::noinline]] void ErrorAboutFailed(const char* what) {
  ReportBroken("RFC", "no_error_about", what);
  std::abort();
}
[[noreturn, gnu::noinline]] void EchoToAllFailed() {
  ReportBroken("RFC", "no_reply_to_broadcast", "echo");
  std::abort();
}
[[noreturn, gnu::noinline]] void LongDatagramFailed(uint64_t bytes) {
  ReportBroken("INV", "at_most_64k", "datagram");
  std::fprintf(stderr, "%" PRIu64 " bytes\n", bytes);
  std::abort();
}
[[noreturn, gnu::noinline]] void AmplificationFailed(uint64_t out, uint64_t max) {
  ReportBroken("AMPL", "bounded", "frames");
  std::fprintf(stderr, "%" PRIu64 " frames sent, at most %" PRIu64 "\n", out, max);
  std::abort();
}
[[noreturn, gnu::noinline]] void WorkFailed(uint64_t units, uint64_t max) {
  ReportBroken("WORK", "bounded", "units");
  std::fprintf(stderr, "%" PRIu64 " units, at most %" PRIu64 "\n", units, max);
  std::abort();
}

// The IPv4 packet of a frame and its length field; empty for anything else.
FrameBytes FindIpv4(FrameBytes frame) {
  if (frame.size() < kEthernetBytes + kIpv4Bytes || Word16(frame, 12) != kTypeIpv4) return {};
  const FrameBytes ip = frame.subspan(kEthernetBytes);
  const size_t header = size_t{ip[0]} % 16 * 4;
  const size_t total = Word16(ip, 2);
  if (ip[0] >> 4 != 4 || header < kIpv4Bytes || total < header || total > ip.size()) return {};
  return ip.first(total);
}
// What an unfragmented packet carries of ICMP; empty where that is none.
FrameBytes FindIcmp(FrameBytes ip) {
  const size_t header = ip.empty() ? 0 : size_t{ip[0]} % 16 * 4;
  if (ip.empty() || ip[9] != kProtocolIcmp || IsFragment(ip)) return {};
  return ip.size() < header + kIcmpBytes ? FrameBytes{} : ip.subspan(header);
}

bool IsError(uint8_t type) {
  return type == 3 || type == 4 || type == 5 || type == 11 || type == 12;
}
// Of everybody, of a group, or of no single host. Subnets' own broadcast addresses are not known
// here; those of frames are.
bool IsForMany(uint32_t address) {
  return address >> 28 == 0xe || address == 0xffffffff || address == 0;
}

// Whether what is dropped for this reason may be several segments that no header describes: those
// that a backlog has made one (tcp_add_backlog), and those that are still to be made of what a
// connection sends (tcp_write_xmit), where there is no way or no memory for them.
bool MayBeSegments(uint64_t reason) {
  const std::string_view name = DropReasonName(static_cast<DropReason>(reason));
  return name.starts_with("TCP_") || name.starts_with("SOCKET_") ||
         name.ends_with("_OUTNOROUTES") || name == "SKB_GSO_SEG";
}

void CheckError(FrameBytes icmp) {
  const FrameBytes quoted = icmp.subspan(kIcmpBytes);
  if (quoted.size() < kIpv4Bytes || quoted[0] >> 4 != 4) return;
  if (IsForMany(Word32(quoted, 16))) ErrorAboutFailed("broadcast");
  if ((Word16(quoted, 6) & 0x1fff) != 0) ErrorAboutFailed("fragment");
  const size_t header = size_t{quoted[0]} % 16 * 4;
  if (quoted[9] == kProtocolIcmp && quoted.size() > header && IsError(quoted[header])) {
    ErrorAboutFailed("icmp_error");
  }
}

}  // namespace

void ReplyOracle::Begin(bool judging) {
  judging_ = judging;
  echoes_.clear();
  fragmented_icmp_ = false;
  frames_in_ = frames_out_ = bytes_out_ = 0;
  began_ = lab_.world().now();
  work_ = Work();
  work_steps_ = work_frames_ = 0;
}

uint64_t ReplyOracle::Work() const {
  uint64_t sum = 0;
  for (int i = 0; i < lab_.hosts(); ++i) {
    Kernel& kernel = lab_.host(i).kernel();
    for (int k = 0; k < kernel.cpus(); ++k) sum += kernel.cpu(k).work();
  }
  return sum;
}

void ReplyOracle::CheckEffort(uint64_t steps) {
  if (!judging_) return;
  const auto seconds = static_cast<uint64_t>((lab_.world().now() - began_).seconds());
  const uint64_t frames_max = kFramesARun + kFramesAStep * (steps + frames_in_) +
                              bytes_out_ / kBytesAFrame + kFramesASecond * seconds;
  if (frames_out_ > frames_max) AmplificationFailed(frames_out_, frames_max);
  const uint64_t work = Work();
  const uint64_t events = steps - work_steps_ + frames_in_ - work_frames_ + 1;
  if (work - work_ > kUnitsAnEvent * events) WorkFailed(work - work_, kUnitsAnEvent * events);
  work_ = work;
  work_steps_ = steps;
  work_frames_ = frames_in_;
}

void ReplyOracle::Received(const TraceEvent& event) {
  ++frames_in_;
  const PaddedFrame frame(event.bytes);
  const FrameBytes ip = FindIpv4(frame.bytes());
  const FrameBytes icmp = FindIcmp(ip);
  fragmented_icmp_ |= !ip.empty() && ip[9] == kProtocolIcmp && IsFragment(ip);
  if (icmp.empty() || icmp[0] != 8 || echoes_.size() == kEchoesMax) return;
  const bool to_all = (frame.bytes()[0] & 1) != 0 || IsForMany(Word32(ip, 16));
  echoes_.push_back({event.host, Word32(ip, 12), Word32(ip, 16), Word32(icmp, 4), to_all});
}

void ReplyOracle::CheckReply(uint8_t host, FrameBytes ip, FrameBytes icmp) {
  const uint32_t asker = Word32(ip, 16);
  bool asked_by_all = false;
  for (const Echo& echo : echoes_) {
    if (echo.host != host || echo.asker != asker || echo.id_and_sequence != Word32(icmp, 4)) {
      continue;
    }
    // A frame to many with a packet to one is for that one, as in Linux.
    if (!echo.to_all || echo.asked == Word32(ip, 12)) return;
    asked_by_all = true;
  }
  if (!asked_by_all || fragmented_icmp_ || echoes_.size() == kEchoesMax) return;
  if (net_ipv4(lab_.host(host).network()).settings.icmp_echo_ignore_broadcasts == 0) return;
  EchoToAllFailed();
}

void ReplyOracle::Sent(const TraceEvent& event, const FrameLedger& ledger) {
  ++frames_out_;
  bytes_out_ += event.bytes.size() > 54 ? event.bytes.size() - 54 : 0;
  if (!judging_) return;
  // What it passes on are others' words.
  const FrameLedger::Frame* const entered = ledger.Find(static_cast<uint32_t>(event.args[0]));
  if (entered != nullptr && entered->passed_on) return;
  const FrameBytes ip = FindIpv4(event.bytes);
  const FrameBytes icmp = FindIcmp(ip);
  if (icmp.empty()) return;
  if (IsError(icmp[0])) CheckError(icmp);
  if (icmp[0] == 0) CheckReply(event.host, ip, icmp);
}

void ReplyOracle::Observe(uint64_t, const TraceEvent& event, const FrameLedger& ledger) {
  if (event.kind == TraceKind::kDeliver && event.args[1] > kDatagramMax &&
      event.args[2] != wire::kIpProtoTcp) {
    LongDatagramFailed(event.args[1]);
  }
  if (event.kind == TraceKind::kDrop && event.args[2] > kDatagramMax &&
      !MayBeSegments(event.args[1])) {
    LongDatagramFailed(event.args[2]);
  }
  if (event.kind == TraceKind::kWireRx && (event.args[3] & kWireFlagIp) == 0) Received(event);
  if (event.kind == TraceKind::kWireTx && (event.args[3] & kWireFlagIp) == 0) Sent(event, ledger);
}

}  // namespace tapedeck::fuzz
