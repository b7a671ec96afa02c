// A host with everything up to its system calls, and a device whose driver is the test: 10.0.0.1/24
// on eth0, whose neighbour 10.0.0.2 is known, and loopback; with IPv6 also 2001:db8::1/64 and
// 2001:db8::2. At the end of a test the ledgers must be empty.
#ifndef TAPEDECK_TESTS_UNIT_SOCKET_HOST_H_
#define TAPEDECK_TESTS_UNIT_SOCKET_HOST_H_

#include <gtest/gtest.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core_host.h"  // beside this file
#include "stack/core/neighbour.h"
#include "stack/drivers/loopback.h"
#include "stack/ipv4/arp.h"
#include "stack/ipv4/devinet.h"
#include "stack/ipv4/ip.h"
#include "stack/ipv4/netns_ipv4.h"
#include "stack/ipv6/addrconf.h"
#include "stack/ipv6/netns_ipv6.h"
#include "stack/socket/sock_options.h"
#include "stack/socket/syscalls.h"
#include "stack/tcp/tcp.h"
#include "stack/udp/udp.h"
#include "stack/udp/udp_ipv6.h"
#include "stack/wire/frame_builder.h"

namespace tapedeck {

inline constexpr Ipv4Address kUs{10, 0, 0, 1};
inline constexpr Ipv4Address kPeer{10, 0, 0, 2};
inline constexpr Ipv6Address kUs6{std::array<uint16_t, 8>{0x2001, 0xdb8, 0, 0, 0, 0, 0, 1}};
inline constexpr Ipv6Address kPeer6{std::array<uint16_t, 8>{0x2001, 0xdb8, 0, 0, 0, 0, 0, 2}};
inline constexpr MacAddress kOurMac{2, 0, 0, 0, 0, 1};
inline constexpr MacAddress kPeerMac{2, 0, 0, 0, 0, 2};

inline Endpoint At(const IpAddress& address, uint16_t port) { return {address, port}; }
inline Bytes BytesFrom(std::string_view text) { return {text.begin(), text.end()}; }
inline std::string TextOf(std::span<const uint8_t> bytes) { return {bytes.begin(), bytes.end()}; }

class SocketHost : public CoreHost {
 public:
  explicit SocketHost(const CostTable& costs = FreeCostTable(), bool ipv6 = false)
      : CoreHost({}, costs) {
    ipv4_init(n);
    ns_ = n.ipv4;
    if (ipv6) ipv6_init(n);
    udp_init(n);
    if (ipv6) udpv6_init(n);
    tcp_init(n);
    EXPECT_NE(loopback_init(n), nullptr);
    sys_ = arena.New<Syscalls>(n);
    if (ipv6) {
      // No link-local address, no solicitations: only what a test brings about is sent.
      n.ipv6->devconf_dflt.addr_gen_mode = IN6_ADDR_GEN_MODE_NONE;
      n.ipv6->devconf_dflt.disable_ipv6 = 0;
      n.ipv6->devconf_dflt.accept_ra = 0;
    }
    eth_.emplace(*this, "eth0");
    eth_->Up();
    if (ipv6) AddIpv6();
    inet_address_config address;
    address.local = kUs;
    address.prefixlen = 24;
    EXPECT_EQ(inet_add_address(eth(), address), 0);
    neighbour* const peer = ip_neigh_gw4(eth(), kPeer);
    EXPECT_EQ(neigh_update(peer, kPeerMac.bytes().data(), NUD_PERMANENT, NEIGH_UPDATE_F_ADMIN), 0);
    thread = kernel.NewThread(0);
    RunFor(Duration::Milliseconds(10));
    eth_->FreeSent();
  }
  ~SocketHost() {
    sys_->CloseAll();
    kernel.EndThreads();
    RunFor(Duration::Milliseconds(1));
    eth_.reset();
    tcp_exit(n);
    udp_exit(n);
    if (n.ipv6 != nullptr) udpv6_exit(n);
    loopback_exit(n);
    if (n.ipv6 != nullptr) ipv6_exit(n);
    ipv4_exit(n);
    if (n.ipv6 != nullptr) {
      EXPECT_EQ(ipv6_objects(*n.ipv6).pinfos, 0U);
      EXPECT_EQ(ipv6_objects(*n.ipv6).rt6_infos, 0U);
      EXPECT_EQ(ipv6_objects(*n.ipv6).flowlabels, 0U);
    }
    EXPECT_EQ(LivePackets(), 0U);
    EXPECT_EQ(n.live_socks, 0U);
    EXPECT_EQ(sys_->live_files(), 0U);
    EXPECT_EQ(sys_->live_sockets(), 0U);
    EXPECT_EQ(ipv4_objects(*ns_).rtables, 0U);
    EXPECT_EQ(ipv4_objects(*ns_).mc_groups, 0U);
    EXPECT_EQ(net_udp(n).memory.allocated_pages, 0);
    EXPECT_EQ(net_udp(n).memory.sockets, 0);
  }

  Syscalls& sys() { return *sys_; }
  net_device* eth() { return eth_->dev(); }
  TestDevice& device() { return *eth_; }

  // --- Calls that need not wait, here and now. ---
  int Socket(int type = SOCK_DGRAM, int protocol = 0) {
    return static_cast<int>(sys().Socket(*thread, kAfInet, type, protocol).RunNow());
  }
  int Socket6(int type = SOCK_DGRAM, int protocol = 0) {
    return static_cast<int>(sys().Socket(*thread, kAfInet6, type, protocol).RunNow());
  }
  // A UDP socket bound to `port` of `address`.
  int BoundUdp(uint16_t port, Ipv4Address address = kIpv4Any) {
    const int fd = Socket();
    EXPECT_EQ(Bind(fd, At(address, port)), 0);
    return fd;
  }
  // ... and one that is connected to the peer's `port`.
  int ConnectedUdp(uint16_t local_port, uint16_t port) {
    const int fd = BoundUdp(local_port);
    EXPECT_EQ(Connect(fd, At(kPeer, port)), 0);
    return fd;
  }
  int64_t Bind(int fd, const SockAddr& address) {
    return sys().Bind(*thread, fd, address).RunNow();
  }
  int64_t Connect(int fd, const SockAddr& address) {
    return sys().Connect(*thread, fd, address).RunNow();
  }
  int64_t Close(int fd) { return sys().Close(*thread, fd).RunNow(); }
  int64_t Send(int fd, const Bytes& data, uint32_t flags = 0) {
    return sys().Sendto(*thread, fd, data, flags).RunNow();
  }
  int64_t Sendto(int fd, const Bytes& data, const SockAddr& to, uint32_t flags = 0) {
    return sys().Sendto(*thread, fd, data, flags, to).RunNow();
  }
  int64_t Recv(int fd, Bytes* data, uint32_t flags = 0, SockAddr* from = nullptr) {
    const int64_t n_bytes = sys().Recvfrom(*thread, fd, *data, flags, from).RunNow();
    return n_bytes;
  }
  // The next datagram as text; "" where there is none or an error.
  // What recvmsg with room for a control message gives: bytes, and the UDP_GRO that came with them
  // (0: none).
  int64_t RecvGro(int fd, Bytes* data, int* gso_size) {
    uint8_t control[64] = {};
    const iovec piece{data->data(), data->size()};
    user_msghdr msg{.msg_iov = {&piece, 1}, .msg_control = control, .msg_controllen = 64};
    const int64_t result = sys().Recvmsg(*thread, fd, &msg, 0).RunNow();
    *gso_size = 0;
    if (result < 0 || msg.msg_controllen == 0) return result;
    cmsghdr head;
    std::memcpy(&head, control, sizeof(head));
    EXPECT_EQ(head.cmsg_level, kSolUdp);
    EXPECT_EQ(head.cmsg_type, kUdpGro);
    std::memcpy(gso_size, control + sizeof(head), sizeof(*gso_size));
    return result;
  }
  std::string RecvText(int fd, uint32_t flags = 0) {
    Bytes buffer(2000);
    const int64_t n_bytes = Recv(fd, &buffer, flags);
    return n_bytes <= 0 ? "" : TextOf({buffer.data(), static_cast<size_t>(n_bytes)});
  }
  int64_t SetInt(int fd, int level, int name, int value) {
    return sys().Setsockopt(*thread, fd, level, name, &value, sizeof(value)).RunNow();
  }
  // The option's value, or -errno.
  int64_t GetInt(int fd, int level, int name) {
    int value = 0;
    uint32_t length = sizeof(value);
    const int64_t result = sys().Getsockopt(*thread, fd, level, name, &value, &length).RunNow();
    return result < 0 ? result : value;
  }
  Endpoint NameOf(int fd) {
    SockAddr name;
    EXPECT_EQ(sys().Getsockname(*thread, fd, &name).RunNow(), 0);
    return name.ToEndpoint().value_or(Endpoint{});
  }
  int16_t PollNow(int fd, int16_t events = 0x7fff) {
    pollfd entry{.fd = fd, .events = events};
    sys().Poll(*thread, {&entry, 1}, Duration{}).RunNow();
    return entry.revents;
  }
  void Sysctl(std::string_view path, std::string_view text) {
    ASSERT_EQ(kernel.sysctl().Write(path, text), 0);
  }

  // --- Frames. ---
  using Build = std::function<void(wire::FrameBuilder&)>;
  // A frame from the peer, with IPv4 header `ip`, whose upper layers `build` adds.
  static Bytes Frame(wire::Ipv4Header ip, const Build& build, MacAddress dest = kOurMac) {
    Bytes buffer(20'000);
    wire::FrameBuilder builder(buffer);
    ip.ttl = 64;
    builder.Ethernet(dest, kPeerMac).Ipv4(ip);
    build(builder);
    const std::span<uint8_t> frame = builder.Build();
    return {frame.begin(), frame.end()};
  }
  static Bytes UdpFrame(const Endpoint& from, const Endpoint& to, const Bytes& payload,
                        MacAddress dest = kOurMac) {
    wire::Ipv4Header ip;
    ip.saddr = from.address.v4();
    ip.daddr = to.address.v4();
    const wire::UdpHeader udp{.source = from.port, .dest = to.port};
    return Frame(ip, [&](wire::FrameBuilder& b) { b.Udp(udp).Payload(payload); }, dest);
  }
  // What comes in on eth0; everything it wakes runs before this returns.
  void Receive(const Bytes& frame) {
    netif_receive_skb(ReceivedFrame(eth(), frame));
    RunFor(Duration::Microseconds(10));
  }
  void ReceiveUdp(uint16_t from_port, uint16_t to_port, std::string_view payload,
                  Ipv4Address to = kUs, Ipv4Address from = kPeer) {
    Receive(UdpFrame(At(from, from_port), At(to, to_port), BytesFrom(payload)));
  }
  // What has gone out of eth0 since the last call.
  std::vector<Bytes> TakeSent() {
    RunFor(Duration::Microseconds(10));
    std::vector<Bytes> frames;
    for (const sk_buff* skb : eth_->sent) frames.push_back(BytesOf(skb));
    eth_->FreeSent();
    return frames;
  }
  // Views of an Ethernet frame that went out.
  static wire::Ipv4View IpOf(const Bytes& frame) {
    const auto ip = wire::ParseIpv4(std::span(frame).subspan(14));
    EXPECT_TRUE(ip.ok());
    return *ip;
  }
  static wire::UdpView UdpOf(const Bytes& frame) {
    const auto udp = wire::ParseUdp(IpOf(frame).payload);
    EXPECT_TRUE(udp.ok());
    return *udp;
  }

  uint64_t Udp(UdpMib item) const { return n.udp_mib.Get(item); }
  uint64_t Tcp(TcpMib item) const { return n.tcp_mib.Get(item); }

  Thread* thread = nullptr;

 private:
  void AddIpv6() {
    inet6_address_config address;
    address.local = kUs6;
    address.prefixlen = 64;
    address.flags = IFA_F_NODAD;
    EXPECT_EQ(inet6_addr_add(eth(), address), 0);
    neighbour* const peer = neigh_create(n.nd_tbl, kPeer6.bytes().data(), eth());
    ASSERT_NE(peer, nullptr);
    EXPECT_EQ(neigh_update(peer, kPeerMac.bytes().data(), NUD_PERMANENT, NEIGH_UPDATE_F_ADMIN), 0);
    neigh_release(peer);
  }

  std::optional<TestDevice> eth_;
  Syscalls* sys_ = nullptr;
  netns_ipv4* ns_ = nullptr;
};

}  // namespace tapedeck

#endif  // TAPEDECK_TESTS_UNIT_SOCKET_HOST_H_
