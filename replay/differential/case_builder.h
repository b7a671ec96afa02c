// What the generators of cases share: random choices, the stations of the network around the host,
// and frames. Both families in one: a generator says "an address of the peer", and whether that is
// IPv4 or IPv6 is the builder's family.
#ifndef TAPEDECK_REPLAY_DIFFERENTIAL_CASE_BUILDER_H_
#define TAPEDECK_REPLAY_DIFFERENTIAL_CASE_BUILDER_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <vector>

#include "replay/differential/case.h"
#include "replay/differential/topology.h"
#include "stack/base/ip_address.h"
#include "stack/base/prng.h"
#include "stack/core/sockaddr.h"
#include "stack/wire/frame_builder.h"

namespace tapedeck::differential {

// Somebody on the link behind a port.
struct Station {
  int port = 0;
  MacAddress mac;
  IpAddress address;
};

// The fields of an IP header that a generator sets; the rest follows from what it carries.
struct IpSpec {
  IpAddress src;
  IpAddress dst;
  uint8_t ttl = 64;
  uint8_t tos = 0;
  uint16_t id = 0;
  uint16_t frag_off = 0;         // IPv4
  std::vector<uint8_t> options;  // IPv4
  uint8_t protocol = 0;          // with kKeepProtocol
  uint16_t length = 0;           // with kKeepLength
  uint16_t checksum = 0;         // with kKeepChecksum
  uint8_t version_ihl = 0;       // with kKeepHeaderLength
  wire::KeepFields keep = wire::kKeepNothing;
};

class CaseBuilder {
 public:
  // Room for the longest frame.
  using Buffer = std::array<uint8_t, 66'000>;

  CaseBuilder(AddressFamily family, Prng* prng, Case* built)
      : family_(family), prng_(*prng), case_(*built) {}

  // --- Choices. ---
  uint32_t Below(uint32_t bound) { return prng_.Below(bound); }
  // True once in `n`.
  bool OneIn(uint32_t n) { return prng_.Below(n) == 0; }
  uint8_t Byte() { return static_cast<uint8_t>(prng_.Below(256)); }
  uint16_t Word() { return static_cast<uint16_t>(prng_.Below(65536)); }
  uint32_t Long() { return prng_.Next32(); }
  template <typename T>
  T Pick(std::initializer_list<T> list) {
    return list.begin()[prng_.Below(static_cast<uint32_t>(list.size()))];
  }
  std::vector<uint8_t> Bytes(size_t count);
  // A length that is often an edge: 0, 1, or near `max`.
  size_t Length(size_t max);

  // --- Stations. ---
  bool is_v4() const { return family_ == AddressFamily::kIpv4; }
  // The host under test, on its port.
  Station Us(int port = 0) const;
  // The case's own neighbour number `k` (0 to 3) behind `port`: no other case nearby has the same.
  Station Peer(int port = 0, int k = 0) const;
  // One that some cases leave alone and others abuse: a broadcast, a group, loopback, nobody's, ...
  IpAddress OddAddress();
  // A port of ours that no other case nearby uses.
  uint16_t OwnPort(int k = 0) const;

  // --- Steps. ---
  // Makes `peer` known to the host, which then need not ask for its address.
  void Introduce(const Station& peer);
  // The same by an answer to the host's question.
  void AnswerArp(const Station& peer);
  void Frame(int port, std::span<const uint8_t> frame, std::vector<LivePatch> patches = {});
  // The frame that `builder` has, from `from`.
  void Frame(const Station& from, wire::FrameBuilder& builder, std::vector<LivePatch> patches = {});
  CallStep& Call(CallName name, int slot, int a = 0, int b = 0, int c = 0);
  CallStep& CallWith(CallName name, int slot, const Endpoint& address, int a = 0);
  CallStep& SetOption(int slot, int level, int name, int32_t value);
  void Wait(int milliseconds) { case_.steps.push_back(WaitStep{milliseconds}); }
  void Set(std::string path, std::string value) {
    case_.settings.push_back({std::move(path), std::move(value)});
  }
  // The family's AF_*.
  int domain() const { return is_v4() ? kAfInet : kAfInet6; }

  // --- Frames. ---
  // An Ethernet header from `from` to the host (or to the station that `to` is).
  wire::FrameBuilder Ethernet(const Station& from) { return Ethernet(from, Us(from.port).mac); }
  wire::FrameBuilder Ethernet(const Station& from, MacAddress to);
  static wire::FrameBuilder& Ip(wire::FrameBuilder& builder, const IpSpec& spec);
  // From `from` to the host.
  IpSpec Spec(const Station& from) const {
    IpSpec spec;
    spec.src = from.address;
    spec.dst = Us(from.port).address;
    return spec;
  }
  void Echo(const Station& from, const IpSpec& spec, size_t payload_bytes);

  Case& built() { return case_; }
  std::span<uint8_t> buffer() { return buffer_; }

 private:
  AddressFamily family_;
  Prng& prng_;
  Case& case_;
  Buffer buffer_;
};

}  // namespace tapedeck::differential

#endif  // TAPEDECK_REPLAY_DIFFERENTIAL_CASE_BUILDER_H_
