#include "replay/normalise/frame.h"

#include "absl/strings/str_cat.h"

namespace tapedeck::normalise {

const char* ChecksumStateName(ChecksumState state) {
  switch (state) {
    case ChecksumState::kAbsent:
      return "absent";
    case ChecksumState::kRight:
      return "right";
    case ChecksumState::kElsewhere:
      return "elsewhere";
    case ChecksumState::kRepaired:
      return "repaired";
    case ChecksumState::kUnknowable:
      return "unknowable";
    case ChecksumState::kWrong:
      return "wrong";
  }
  return "unknown";
}

std::vector<uint8_t> Frame::Whole() const {
  std::vector<uint8_t> whole(bytes.begin(), bytes.end());
  whole.resize(wire_bytes(), kFillerByte);
  return whole;
}

std::string Frame::Provenance() const {
  if (pieces == 0) return absl::StrCat("cap#", record);
  return absl::StrCat("split ", piece, "/", pieces, " of cap#", record);
}

const char* UnusedReasonName(UnusedReason reason) {
  switch (reason) {
    case UnusedReason::kLinkLayer:
      return "link_layer";
    case UnusedReason::kDuplicate:
      return "duplicate";
    case UnusedReason::kNetworkHeaderCut:
      return "network_header_cut";
    case UnusedReason::kTransportHeaderCut:
      return "transport_header_cut";
    case UnusedReason::kSuperFrame:
      return "super_frame";
    case UnusedReason::kTooMuchMemory:
      return "too_much_memory";
    case UnusedReason::kCount:
      break;
  }
  return "unknown";
}

const char* UnusedReasonText(UnusedReason reason) {
  switch (reason) {
    case UnusedReason::kLinkLayer:
      return "has no way to Ethernet";
    case UnusedReason::kDuplicate:
      return "is a copy of a frame seen on another interface";
    case UnusedReason::kNetworkHeaderCut:
      return "is cut (snaplen) within its IP or ARP header";
    case UnusedReason::kTransportHeaderCut:
      return "is cut (snaplen) within the header behind IP";
    case UnusedReason::kSuperFrame:
      return "is longer than the MTU (offloading), and nothing proves where to cut it";
    case UnusedReason::kTooMuchMemory:
      return "would take more memory than is allowed";
    case UnusedReason::kCount:
      break;
  }
  return "unknown";
}

std::string UnusedRecord::ToString() const {
  switch (reason) {
    case UnusedReason::kLinkLayer:
      return absl::StrCat("cap#", record, " ", capture::SkipReasonText(skip));
    case UnusedReason::kDuplicate:
      return absl::StrCat("cap#", record, " is a copy of cap#", duplicate_of,
                          " on another interface");
    default:
      return absl::StrCat("cap#", record, " ", UnusedReasonText(reason));
  }
}

}  // namespace tapedeck::normalise
