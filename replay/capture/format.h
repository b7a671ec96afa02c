// The numbers of both capture file formats, shared by readers and writers.
// Sources: draft-ietf-opsawg-pcap, draft-ietf-opsawg-pcapng; libpcap's sf-pcap.c for the Kuznetzov
// variant.
#ifndef TAPEDECK_REPLAY_CAPTURE_FORMAT_H_
#define TAPEDECK_REPLAY_CAPTURE_FORMAT_H_

#include <cstddef>
#include <cstdint>

namespace tapedeck::capture {

// pcap: one file header, then records of a header and the captured bytes.
inline constexpr uint32_t kPcapMagicMicroseconds = 0xa1b2c3d4;
inline constexpr uint32_t kPcapMagicNanoseconds = 0xa1b23c4d;
// Kuznetzov's patched libpcap of 1999: microseconds, and a record header that is 8 bytes longer.
inline constexpr uint32_t kPcapMagicKuznetzov = 0xa1b2cd34;
inline constexpr uint16_t kPcapVersionMajor = 2;
inline constexpr uint16_t kPcapVersionMinor = 4;
inline constexpr size_t kPcapFileHeaderBytes = 24;
inline constexpr size_t kPcapRecordHeaderBytes = 16;
inline constexpr size_t kPcapKuznetzovRecordHeaderBytes = 24;

// The link type word of the pcap file header: 16 bits link type, 10 that must be zero, P (FCS
// length present), one reserved, and 4 bits of FCS length in units of 16 bits.
inline constexpr uint32_t kPcapLinkTypeMask = 0x0000ffff;
inline constexpr uint32_t kPcapLinkReservedMask = 0x03ff0000;
inline constexpr uint32_t kPcapFcsPresent = 0x04000000;
inline constexpr unsigned kPcapFcsShift = 28;

// pcapng: blocks of type, total length, body, total length.
inline constexpr uint32_t kBlockSectionHeader = 0x0a0d0d0a;  // the same in both byte orders
inline constexpr uint32_t kBlockInterfaceDescription = 1;
inline constexpr uint32_t kBlockObsoletePacket = 2;
inline constexpr uint32_t kBlockSimplePacket = 3;
inline constexpr uint32_t kBlockNameResolution = 4;
inline constexpr uint32_t kBlockInterfaceStatistics = 5;
inline constexpr uint32_t kBlockEnhancedPacket = 6;
inline constexpr uint32_t kBlockDecryptionSecrets = 10;
inline constexpr uint32_t kBlockCustomCopied = 0x00000bad;
inline constexpr uint32_t kBlockCustomNotCopied = 0x40000bad;
inline constexpr uint32_t kByteOrderMagic = 0x1a2b3c4d;
inline constexpr uint16_t kPcapngVersionMajor = 1;
inline constexpr size_t kBlockHeaderBytes = 8;
inline constexpr size_t kBlockTrailerBytes = 4;
inline constexpr size_t kBlockBytesMin = kBlockHeaderBytes + kBlockTrailerBytes;
inline constexpr size_t kEnhancedPacketHeaderBytes = 20;  // interface, time, both lengths
inline constexpr size_t kEnhancedPacketDataOffset = kBlockHeaderBytes + kEnhancedPacketHeaderBytes;
inline constexpr size_t kEnhancedPacketBytesMin = kBlockBytesMin + kEnhancedPacketHeaderBytes;

// Options. Codes are per block type but for the first two and the custom ones.
inline constexpr uint16_t kOptionEnd = 0;
inline constexpr uint16_t kOptionComment = 1;
inline constexpr uint16_t kOptionCustomText = 2988;
inline constexpr uint16_t kOptionCustomBytes = 2989;
inline constexpr uint16_t kOptionCustomTextNotCopied = 19372;
inline constexpr uint16_t kOptionCustomBytesNotCopied = 19373;

inline constexpr uint16_t kSectionHardware = 2;
inline constexpr uint16_t kSectionOs = 3;
inline constexpr uint16_t kSectionApplication = 4;

inline constexpr uint16_t kInterfaceName = 2;
inline constexpr uint16_t kInterfaceDescription = 3;
inline constexpr uint16_t kInterfaceTimeResolution = 9;
inline constexpr uint16_t kInterfaceFcsLength = 13;
inline constexpr uint16_t kInterfaceTimeOffset = 14;

inline constexpr uint16_t kPacketFlags = 2;
inline constexpr uint16_t kPacketDropCount = 4;
inline constexpr uint16_t kPacketId = 5;
inline constexpr uint16_t kPacketQueue = 6;
inline constexpr uint16_t kPacketVerdict = 7;
// epb_flags: bits 0-1 direction, bits 5-8 FCS length in octets, bits 16-31 link errors.
inline constexpr uint32_t kFlagsDirectionMask = 3;
inline constexpr uint32_t kFlagsInbound = 1;
inline constexpr uint32_t kFlagsOutbound = 2;
inline constexpr unsigned kFlagsFcsShift = 5;
inline constexpr uint32_t kFlagsFcsMask = 15;
inline constexpr unsigned kFlagsErrorsShift = 16;
// epb_verdict: the first octet says who judged.
inline constexpr uint8_t kVerdictXdp = 2;

inline constexpr uint16_t kStatisticsReceived = 4;
inline constexpr uint16_t kStatisticsInterfaceDropped = 5;
inline constexpr uint16_t kStatisticsOsDropped = 7;

// The Private Enterprise Number of our custom options: the one IANA keeps for examples (RFC 5612),
// since the project has none of its own. Readers tell our options from others' by the tag in front
// of the value.
inline constexpr uint32_t kCustomPen = 32473;

// `length` rounded up to whole 32-bit words, as blocks and options are padded.
constexpr size_t PaddedTo4(size_t length) { return (length + 3) & ~size_t{3}; }

}  // namespace tapedeck::capture

#endif  // TAPEDECK_REPLAY_CAPTURE_FORMAT_H_
