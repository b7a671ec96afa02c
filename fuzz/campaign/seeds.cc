#include "fuzz/campaign/seeds.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "absl/status/status.h"
#include "fuzz/campaign/files.h"
#include "fuzz/campaign/packet_seeds.h"
#include "replay/capture/capture_reader.h"
#include "replay/script/addresses.h"
#include "replay/script/bytes.h"
#include "replay/script/capture_source.h"
#include "replay/script/capture_summary.h"
#include "replay/script/script.h"
#include "replay/script/text.h"
#include "stack/wire/arp.h"
#include "stack/wire/ethernet.h"
#include "stack/wire/ipv4.h"
#include "stack/wire/repair_checksums.h"

namespace tapedeck::fuzz {
namespace {

// An input is a few frames, so that a mutation finds what matters.
constexpr size_t kFramesAnInput = 6;
constexpr size_t kInputsACapture = 4;
// Large frames of a capture are all alike: bulk data.
constexpr size_t kFrameBytes = 400;

// Gives the captured host the address of the script's host, and whoever had that one a peer's.
class Renamer {
 public:
  explicit Renamer(Ipv4Address captured_host) : captured_host_(captured_host) {}

  void Rename(std::span<uint8_t> frame) const {
    const auto ethernet = wire::ParseEthernet(frame);
    if (!ethernet) return;
    auto* const header = wire::OverlayMutable<wire::EthernetHeader>(frame);
    if (!header->dest.IsMulticast()) header->dest = HostMac(0);
    const std::span<uint8_t> payload = frame.subspan(frame.size() - ethernet->payload.size());
    if (ethernet->proto == wire::kEtherTypeArp) {
      if (auto* const arp = wire::OverlayMutable<wire::ArpPacket>(payload)) {
        arp->ar_sip = NewAddress(arp->ar_sip);
        arp->ar_tip = NewAddress(arp->ar_tip);
      }
    } else if (ethernet->proto == wire::kEtherTypeIpv4) {
      if (auto* const ip = wire::OverlayMutable<wire::Ipv4Header>(payload)) {
        ip->saddr = NewAddress(ip->saddr);
        ip->daddr = NewAddress(ip->daddr);
      }
    }
  }

 private:
  Ipv4Address NewAddress(Ipv4Address address) const {
    if (address == captured_host_) return HostIpv4(0);
    return address == HostIpv4(0) ? PeerIpv4(0) : address;
  }

  Ipv4Address captured_host_;
};

std::vector<Script> FromFrames(CaptureSource& source, const AddressSummary& host) {
  const Renamer renamer(host.address.v4());
  const MacAddress host_mac = host.mac_as_destination.mac();
  std::vector<Script> scripts;
  SimTime previous;
  TimedFrame frame;
  while (source.Next(&frame)) {
    const auto ethernet = wire::ParseEthernet(frame.bytes);
    if (!ethernet || frame.bytes.size() > kFrameBytes) continue;
    if (!ethernet->header->dest.IsMulticast() && ethernet->header->dest != host_mac) continue;
    if (scripts.empty() || scripts.back().steps.size() == kFramesAnInput) {
      if (scripts.size() == kInputsACapture) break;
      scripts.emplace_back();
      previous = frame.time;
    }
    FrameStep step;
    step.bytes.assign(frame.bytes.begin(), frame.bytes.end());
    step.repair_checksums = true;
    renamer.Rename(step.bytes);
    scripts.back().steps.push_back({.delay = frame.time - previous, .what = std::move(step)});
    previous = frame.time;
  }
  return scripts;
}

absl::StatusOr<std::vector<Script>> FromCapture(const std::string& file) {
  absl::StatusOr<capture::CaptureReader> reader = capture::CaptureReader::Open(file);
  if (!reader.ok()) return reader.status();
  const CaptureSummary summary = ScanCapture(*reader);
  const AddressSummary* const host = summary.BusiestReceiver(AddressFamily::kIpv4);
  if (host == nullptr) return std::vector<Script>();
  absl::StatusOr<capture::CaptureReader> again = capture::CaptureReader::Open(file);
  if (!again.ok()) return again.status();
  CaptureSource source(*again);
  return FromFrames(source, *host);
}

absl::StatusOr<std::vector<Script>> FromText(const std::string& file) {
  const absl::StatusOr<std::string> text = ReadText(file);
  if (!text.ok()) return text.status();
  absl::StatusOr<Script> script = ParseScript(*text, file);
  if (!script.ok()) return script.status();
  const bool has_packets =
      std::any_of(script->steps.begin(), script->steps.end(),
                  [](const Step& step) { return std::holds_alternative<PacketStep>(step.what); });
  if (has_packets) {
    return std::vector<Script>{WithRelativeSegments(*script),
                               WithRelativeSegments(*script, /*ipv6=*/true)};
  }
  return std::vector<Script>{*std::move(script)};
}

// Does what the flag asks for already: a frame that is right is found to be one of the templates,
// which are shorter.
Script Repaired(Script script) {
  for (Step& step : script.steps) {
    auto* const frame = std::get_if<FrameStep>(&step.what);
    if (frame != nullptr && frame->repair_checksums) wire::RepairChecksums(frame->bytes);
  }
  return script;
}

}  // namespace

absl::StatusOr<std::vector<Bytes>> SeedsFromFile(const std::string& file) {
  const bool is_text = file.ends_with(".pkt");
  const absl::StatusOr<std::vector<Script>> scripts = is_text ? FromText(file) : FromCapture(file);
  if (!scripts.ok()) return scripts.status();
  std::vector<Bytes> seeds;
  for (const Script& script : *scripts) {
    absl::StatusOr<std::vector<uint8_t>> bytes = EncodeScript(Repaired(script));
    if (!bytes.ok()) return bytes.status();
    seeds.push_back(*std::move(bytes));
  }
  return seeds;
}

}  // namespace tapedeck::fuzz
