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

#include "replay/differential/captures.h"
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

// An extension header of IPv6. Its first byte, the next header, is filled in.
struct ExtensionSpec {
  uint8_t type = 0;
  std::vector<uint8_t> bytes;
};

// The fields of an IP header that a generator sets; the rest follows from what it carries.
struct IpSpec {
  IpAddress src;
  IpAddress dst;
  uint8_t ttl = 64;  // IPv6: hop limit
  uint8_t tos = 0;   // IPv6: traffic class
  uint16_t id = 0;
  uint16_t frag_off = 0;                  // IPv4
  std::vector<uint8_t> options;           // IPv4
  uint32_t flow_label = 0;                // IPv6
  std::vector<ExtensionSpec> extensions;  // IPv6
  uint8_t protocol = 0;                   // with kKeepProtocol
  uint16_t length = 0;                    // with kKeepLength
  uint16_t checksum = 0;                  // IPv4, with kKeepChecksum
  uint8_t version_ihl = 0;                // IPv4, with kKeepHeaderLength
  wire::KeepFields keep = wire::kKeepNothing;
};

class CaseBuilder {
 public:
  // Room for the longest frame.
  using Buffer = std::array<uint8_t, 66'000>;

  CaseBuilder(AddressFamily family, std::span<const Capture> captures, Prng* prng, Case* built)
      : family_(family), captures_(captures), prng_(*prng), case_(*built) {}

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
  // The same with their link-local addresses. REQUIRES: !is_v4().
  Station UsOnLink(int port = 0) const;
  Station PeerOnLink(int port = 0, int k = 0) const;
  // The place's own address behind the gateway of route `k` of topology.h. REQUIRES: !is_v4().
  IpAddress BehindGateway(int k) const;
  // Of the family: 0.0.0.0, ::.
  IpAddress Any() const { return is_v4() ? IpAddress(kIpv4Any) : IpAddress(kIpv6Any); }
  // One that some cases leave alone and others abuse: a broadcast, a group, loopback, nobody's, ...
  IpAddress OddAddress();
  // A port of ours that no other case nearby uses.
  uint16_t OwnPort(int k = 0) const;

  // --- Steps. ---
  // Makes `peer` known to the host, which then need not ask for its address.
  void Introduce(const Station& peer);
  // The same by an answer to the host's question.
  void Answer(const Station& peer);
  void Frame(int port, std::span<const uint8_t> frame, std::vector<LivePatch> patches = {});
  // The frame that `builder` has, from `from`.
  void Frame(const Station& from, wire::FrameBuilder& builder, std::vector<LivePatch> patches = {});
  CallStep& Call(CallName name, int slot, int a = 0, int b = 0, int c = 0);
  CallStep& CallWith(CallName name, int slot, const Endpoint& address, int a = 0);
  // The same with the device of `port` as the scope of a link-local address.
  CallStep& CallOnLink(CallName name, int slot, const Endpoint& address, int port, int a = 0);
  CallStep& SetOption(int slot, int level, int name, int32_t value);
  void Wait(int milliseconds) { case_.steps.push_back(WaitStep{milliseconds}); }
  void Set(std::string path, std::string value) {
    case_.settings.push_back({std::move(path), std::move(value)});
  }
  // Of settings whose values are 0 to `values` - 1, each is set in one case of `n`, in one of
  // `folders`.
  struct Setting {
    const char* file;
    uint32_t values;
  };
  void SetSome(uint32_t n, std::initializer_list<const char*> folders,
               std::initializer_list<Setting> settings);
  // The family's AF_*.
  int domain() const { return is_v4() ? kAfInet : kAfInet6; }

  // --- Frames. ---
  // An Ethernet header from `from` to the host (or to the station that `to` is).
  wire::FrameBuilder Ethernet(const Station& from) { return Ethernet(from, Us(from.port).mac); }
  wire::FrameBuilder Ethernet(const Station& from, MacAddress to);
  // The Ethernet address to which frames for `dst` go: that of a group, or the host's.
  MacAddress MacOf(const Station& from, const IpAddress& dst) const;
  static wire::FrameBuilder& Ip(wire::FrameBuilder& builder, const IpSpec& spec);
  // From `from` to the host.
  IpSpec Spec(const Station& from) const {
    IpSpec spec;
    spec.src = from.address;
    spec.dst = Us(from.port).address;
    return spec;
  }
  void Echo(const Station& from, const IpSpec& spec, size_t payload_bytes);
  // An echo request behind the headers that `builder` has, and its payload.
  wire::FrameBuilder& EchoRequest(wire::FrameBuilder& builder, uint16_t id,
                                  uint16_t sequence) const;

  Case& built() { return case_; }
  // For kinds that need them: at least one.
  std::span<const Capture> captures() const { return captures_; }
  std::span<uint8_t> buffer() { return buffer_; }

 private:
  IpAddress OddAddress4();
  IpAddress OddAddress6();
  uint32_t PeerNumber(int k) const;
  void Introduce4(const Station& peer);
  void Introduce6(const Station& peer);

  AddressFamily family_;
  std::span<const Capture> captures_;
  Prng& prng_;
  Case& case_;
  Buffer buffer_;
};

}  // namespace tapedeck::differential

#endif  // TAPEDECK_REPLAY_DIFFERENTIAL_CASE_BUILDER_H_
