#include "replay/differential/captures.h"

#include <algorithm>
#include <filesystem>
#include <optional>
#include <system_error>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "replay/capture/capture_reader.h"
#include "replay/capture/link_layer.h"
#include "replay/script/capture_summary.h"

namespace tapedeck::differential {

namespace {

bool IsHost(const IpAddress& address) {
  return !address.IsLoopback() && !address.IsAny() && !address.IsMulticast();
}

// The host of a capture; false where there is none.
bool ChooseHost(const CaptureSummary& summary, Capture* capture) {
  const AddressSummary* const busiest = summary.BusiestReceiver();
  if (busiest == nullptr || !IsHost(busiest->address)) return false;
  capture->host_mac = busiest->mac_as_destination.mac();
  if (capture->host_mac.IsZero()) return false;
  capture->host.push_back(busiest->address);
  // Its address of the other family is the busiest at the same MAC address.
  const AddressSummary* other = nullptr;
  for (const AddressSummary& candidate : summary.addresses) {
    const bool eligible = candidate.address.family() != busiest->address.family() &&
                          IsHost(candidate.address) && candidate.frames_received > 0 &&
                          candidate.mac_as_destination.mac() == capture->host_mac &&
                          (ipv6_addr_type(candidate.address.v6()) & IPV6_ADDR_LINKLOCAL) == 0;
    if (!eligible) continue;
    if (other == nullptr || candidate.frames_received > other->frames_received) other = &candidate;
  }
  if (other != nullptr) capture->host.push_back(other->address);
  return true;
}

std::optional<Capture> ReadOne(const std::string& path, std::string name) {
  Capture made;
  made.name = std::move(name);
  absl::StatusOr<capture::CaptureReader> survey = capture::CaptureReader::Open(path);
  if (!survey.ok() || !ChooseHost(ScanCapture(*survey), &made)) return std::nullopt;
  absl::StatusOr<capture::CaptureReader> reader = capture::CaptureReader::Open(path);
  if (!reader.ok()) return std::nullopt;
  capture::Record record;
  while (reader->Next(record) == capture::ReadResult::kRecord) {
    capture::EthernetFrame frame;
    if (capture::ToEthernet(record, frame) != capture::SkipReason::kNone || frame.truncated()) {
      continue;
    }
    frame.CopyTo(made.frames.emplace_back(frame.size_bytes()));
  }
  if (made.frames.empty()) return std::nullopt;
  return made;
}

}  // namespace

absl::StatusOr<std::vector<Capture>> ReadCaptures(const std::string& folder) {
  std::error_code error;
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    const std::string extension = entry.path().extension().string();
    if (extension == ".pcap" || extension == ".pcapng") paths.push_back(entry.path());
  }
  if (error) return absl::NotFoundError(absl::StrCat(folder, ": ", error.message()));
  std::sort(paths.begin(), paths.end());
  std::vector<Capture> captures;
  for (const std::filesystem::path& path : paths) {
    std::optional<Capture> one = ReadOne(path.string(), path.filename().string());
    if (one.has_value()) captures.push_back(*std::move(one));
  }
  if (captures.empty()) return absl::NotFoundError(absl::StrCat(folder, ": no captures"));
  return captures;
}

}  // namespace tapedeck::differential
