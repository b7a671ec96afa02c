#include "tests/bench/traffic.h"

#include <unistd.h>

#include <atomic>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "replay/capture/output_file.h"
#include "replay/capture/pcap_writer.h"
#include "replay/capture/pcapng_writer.h"
#include "stack/base/check.h"
#include "stack/wire/frame_builder.h"

namespace tapedeck::bench {

namespace {

constexpr size_t kUdpHeadersBytes = 14 + 20 + 8;
constexpr int64_t kCaptureStartNs = 1'700'000'000'000'000'000;

// Hands each frame of a capture, its number in the payload, to `write`.
template <typename Write>
void ForEachFrame(size_t frame_bytes, uint64_t frames, Write write) {
  std::vector<uint8_t> frame = UdpFrame(frame_bytes, kSinkPort);
  const int64_t gap_ns = frame_bytes > 1000 ? 2000 : 1000;
  for (uint64_t i = 0; i < frames; ++i) {
    write(kCaptureStartNs + static_cast<int64_t>(i) * gap_ns, frame);
  }
}

}  // namespace

std::vector<uint8_t> UdpFrame(size_t frame_bytes, uint16_t port, Ipv4Address daddr) {
  CHECK_GE(frame_bytes, kUdpHeadersBytes);
  std::vector<uint8_t> buffer(frame_bytes);
  const std::span<uint8_t> frame = wire::FrameBuilder(buffer)
                                       .Ethernet(kHostMac, kPeerMac)
                                       .Ipv4({.ttl = 64, .saddr = kPeerAddress, .daddr = daddr})
                                       .Udp({.source = kPeerPort, .dest = port})
                                       .CountingPayload(frame_bytes - kUdpHeadersBytes, 1)
                                       .Build();
  CHECK_EQ(frame.size(), frame_bytes);
  return buffer;
}

std::vector<uint8_t> ArpRequest() {
  std::vector<uint8_t> buffer(kSmallFrameBytes);
  const std::span<uint8_t> frame = wire::FrameBuilder(buffer)
                                       .Ethernet(kMacBroadcast, kPeerMac)
                                       .Arp({.ar_op = wire::kArpRequest,
                                             .ar_sha = kPeerMac,
                                             .ar_sip = kPeerAddress,
                                             .ar_tip = kHostAddress})
                                       .PadTo(kSmallFrameBytes)
                                       .Build();
  CHECK_EQ(frame.size(), kSmallFrameBytes);
  return buffer;
}

CaptureFile::CaptureFile(size_t frame_bytes, uint64_t frames, Format format) : frames_(frames) {
  static std::atomic<int> made = 0;
  const bool pcapng = format == Format::kPcapng;
  path_ = std::filesystem::temp_directory_path() /
          absl::StrCat("tapedeck-bench-", getpid(), "-", made++, pcapng ? ".pcapng" : ".pcap");
  auto file = capture::OutputFile::Create(path_);
  CHECK(file.ok());
  if (pcapng) {
    auto writer = capture::PcapngWriter::Create(*std::move(file), {});
    CHECK(writer.ok() && writer->AddInterface({}).ok());
    ForEachFrame(frame_bytes, frames, [&](int64_t time_ns, std::span<const uint8_t> frame) {
      capture::OutputPacket packet;
      packet.data = frame;
      packet.original_length_bytes = static_cast<uint32_t>(frame.size());
      packet.time_ns = time_ns;
      CHECK(writer->Write(packet).ok());
    });
    CHECK(writer->Close().ok());
  } else {
    auto writer = capture::PcapWriter::Create(*std::move(file), {});
    CHECK(writer.ok());
    ForEachFrame(frame_bytes, frames, [&](int64_t time_ns, std::span<const uint8_t> frame) {
      CHECK(writer->Write(time_ns, frame, static_cast<uint32_t>(frame.size())).ok());
    });
    CHECK(writer->Close().ok());
  }
}

CaptureFile::~CaptureFile() { unlink(path_.c_str()); }

}  // namespace tapedeck::bench
