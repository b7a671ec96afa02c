// TCP options: end of list, no operation, maximum segment size (RFC 9293 3.2), window scale and
// timestamps (RFC 7323), SACK permitted and SACK (RFC 2018), MD5 signature (RFC 2385), fast open
// (RFC 7413, and its experimental form under RFC 6994), AccECN, and any other by number.
#ifndef TAPEDECK_STACK_WIRE_TCP_OPTIONS_H_
#define TAPEDECK_STACK_WIRE_TCP_OPTIONS_H_

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "stack/base/seqnum.h"
#include "stack/wire/tcp.h"

namespace tapedeck::wire {

inline constexpr uint8_t kTcpOptEnd = 0;
inline constexpr uint8_t kTcpOptNop = 1;
inline constexpr uint8_t kTcpOptMss = 2;
inline constexpr uint8_t kTcpOptWindowScale = 3;
inline constexpr uint8_t kTcpOptSackPermitted = 4;
inline constexpr uint8_t kTcpOptSack = 5;
inline constexpr uint8_t kTcpOptTimestamps = 8;
inline constexpr uint8_t kTcpOptMd5 = 19;
inline constexpr uint8_t kTcpOptUserTimeout = 28;
inline constexpr uint8_t kTcpOptAo = 29;
inline constexpr uint8_t kTcpOptMptcp = 30;
inline constexpr uint8_t kTcpOptFastOpen = 34;
inline constexpr uint8_t kTcpOptAccEcn0 = 172;
inline constexpr uint8_t kTcpOptAccEcn1 = 174;
inline constexpr uint8_t kTcpOptExperiment = 254;
inline constexpr uint16_t kTcpFastOpenMagic = 0xf989;  // first bytes of experiment 254

inline constexpr size_t kTcpSackBlocksMax = 4;
inline constexpr size_t kTcpMd5DigestBytes = 16;

struct TcpTimestamps {
  uint32_t val = 0;
  uint32_t ecr = 0;
  friend constexpr bool operator==(const TcpTimestamps&, const TcpTimestamps&) = default;
};

// Bytes received out of order: [left, right).
struct TcpSackBlock {
  SeqNum left;
  SeqNum right;
  friend constexpr bool operator==(const TcpSackBlock&, const TcpSackBlock&) = default;
};

struct TcpSackBlocks {
  std::array<TcpSackBlock, kTcpSackBlocksMax> block{};
  size_t count = 0;
};

// A fast open cookie; empty asks for one.
struct TcpFastOpen {
  std::span<const uint8_t> cookie{};
  bool experimental = false;
};

// AccECN's byte counters, 24 bits each; a sender may leave out trailing ones. In the order of the
// wire, kind 172 carries ECT(0), CE, ECT(1) bytes, and kind 174 carries ECT(1), CE, ECT(0) bytes.
struct TcpAccEcn {
  uint8_t kind = kTcpOptAccEcn0;
  size_t count = 0;  // 0..3
  std::array<uint32_t, 3> counter{};

  constexpr std::optional<uint32_t> ect0() const { return At(kind == kTcpOptAccEcn0 ? 0 : 2); }
  constexpr std::optional<uint32_t> ce() const { return At(1); }
  constexpr std::optional<uint32_t> ect1() const { return At(kind == kTcpOptAccEcn0 ? 2 : 0); }

 private:
  constexpr std::optional<uint32_t> At(size_t index) const {
    if (index >= count) return std::nullopt;
    return counter[index];
  }
};

// One option. `data` is what follows kind and length; none for end-of-list and no-operation.
// Each As...() is nullopt where the kind is another one or the length is not one the option may
// have.
struct TcpOption {
  uint8_t kind = kTcpOptEnd;
  std::span<const uint8_t> data{};

  std::optional<uint16_t> AsMss() const;
  std::optional<uint8_t> AsWindowScale() const;  // as received: may exceed 14
  bool IsSackPermitted() const { return kind == kTcpOptSackPermitted && data.empty(); }
  std::optional<TcpSackBlocks> AsSack() const;
  std::optional<TcpTimestamps> AsTimestamps() const;
  std::optional<TcpFastOpen> AsFastOpen() const;
  std::optional<TcpAccEcn> AsAccEcn() const;
  std::optional<std::span<const uint8_t>> AsMd5() const;  // the digest
};

// Walks options from first to last. Always ends: an option of length 0 or 1, or past the end, ends
// the walk (tcp_parse_options() ignores the rest of such a header as well).
class TcpOptionCursor {
 public:
  explicit TcpOptionCursor(std::span<const uint8_t> options) : options_(options) {}

  // The next option, no-operations included; nullopt at the end, at an end-of-list and at a
  // malformed option.
  std::optional<TcpOption> Next();

  bool malformed() const { return malformed_; }
  size_t offset() const { return offset_; }  // from the start of the options

 private:
  std::span<const uint8_t> options_;
  size_t offset_ = 0;
  bool malformed_ = false;
};

// Builds options in place. A method returns false and writes nothing where the 40 bytes do not
// suffice.
class TcpOptionWriter {
 public:
  bool Nop();
  bool End();
  bool Mss(uint16_t mss_bytes);
  bool WindowScale(uint8_t shift);
  bool SackPermitted();
  bool Sack(std::span<const TcpSackBlock> blocks);
  bool Timestamps(TcpTimestamps stamps);
  bool FastOpen(std::span<const uint8_t> cookie);
  bool FastOpenExperimental(std::span<const uint8_t> cookie);
  // The first `value.count` counters under `value.kind`.
  bool AccEcn(const TcpAccEcn& value);
  bool Md5(std::span<const uint8_t, kTcpMd5DigestBytes> digest);
  bool Raw(uint8_t kind, std::span<const uint8_t> data);

  std::span<const uint8_t> bytes() const { return {bytes_.data(), size_}; }

 private:
  // Room for an option with `data_bytes` of data, kind and length set; nullptr where there is none.
  uint8_t* Begin(uint8_t kind, size_t data_bytes);

  std::array<uint8_t, kTcpOptionsMax> bytes_{};
  size_t size_ = 0;
};

// packetdrill's notation: "mss 1460,sackOK,TS val 1 ecr 0,nop,wscale 7", "sack 1:2 5:9", "FO 0123",
// "FOEXP 0123", "ECN e0b 1 ceb 2 e1b 3", "md5 00..", "option 99 0a0b"; "[malformed at 6]" where a
// walk stops.
std::string TcpOptionsToString(std::span<const uint8_t> options);

}  // namespace tapedeck::wire

#endif  // TAPEDECK_STACK_WIRE_TCP_OPTIONS_H_
