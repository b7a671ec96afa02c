// A host with a network layer's lower half and nothing above, for unit tests of stack/core: devices
// whose driver is the test, packets with known bytes, and the ledgers that must be empty at the
// end.
#ifndef TAPEDECK_TESTS_UNIT_CORE_HOST_H_
#define TAPEDECK_TESTS_UNIT_CORE_HOST_H_

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <vector>

#include "stack/core/dev.h"
#include "stack/core/eth.h"
#include "stack/core/net.h"
#include "stack/core/skb_data.h"
#include "stack/core/skbuff.h"
#include "test_host.h"

namespace tapedeck {

// Keeps all events but the bytes of frames.
struct RecordingSink : TraceSink {
  void Emit(const TraceEvent& event) override { events.push_back(event); }
  std::vector<TraceEvent> Of(TraceKind kind) const {
    std::vector<TraceEvent> found;
    for (const TraceEvent& event : events) {
      if (event.kind == kind) found.push_back(event);
    }
    return found;
  }
  std::vector<TraceEvent> events;
};

struct CoreHost : TestHost {
  explicit CoreHost(const KernelOptions& options = {}, const CostTable& costs = FreeCostTable())
      : TestHost(options, costs, nullptr), n(*arena.New<net>(kernel)) {
    world.set_trace_sink(&sink);
  }

  uint64_t LivePackets() {
    return n.skbuff_cache.live_objects() + n.page_cache.cache().live_objects() +
           world.packets().live_objects();
  }
  uint64_t Drops(DropReason reason) const { return n.drops[static_cast<int>(reason)]; }
  uint64_t AllDrops() const {
    uint64_t sum = 0;
    for (const uint64_t drops : n.drops) sum += drops;
    return sum;
  }
  void RunFor(Duration duration) { world.RunUntil(world.now() + duration); }

  // Calls `handler` in hardirq context on `cpu` at `at`.
  void Interrupt(SimTime at, IrqHandler handler, void* context, int cpu = 0) {
    const int vector = next_vector++;
    kernel.request_irq(/*slot=*/0, vector, cpu, handler, context);
    kernel.DeliverMsix(/*slot=*/0, vector, at);
  }

  RecordingSink sink;
  net& n;
  int next_vector = 1;
};

// A device whose driver keeps what it is given, in `sent`, and answers what the test says.
class TestDevice {
 public:
  explicit TestDevice(CoreHost& host, const char* name = "eth%d", uint16_t tx_queues = 1)
      : dev_(alloc_netdev_mqs(host.n, sizeof(TestDevice*), name, ether_setup, tx_queues,
                              tx_queues)) {
    *netdev_priv<TestDevice*>(dev_) = this;
    ops_.ndo_start_xmit = [](sk_buff* skb, net_device* dev) { return Of(dev)->Xmit(skb); };
    ops_.ndo_tx_timeout = [](net_device* dev, uint32_t) { ++Of(dev)->timeouts; };
    ops_.ndo_validate_addr = eth_validate_addr;
    ops_.ndo_set_mac_address = eth_mac_addr;
    dev_->netdev_ops = &ops_;
    dev_->dev_addr = MacAddress(2, 0, 0, 0, 0, 1);
  }
  TestDevice(const TestDevice&) = delete;
  TestDevice& operator=(const TestDevice&) = delete;
  ~TestDevice() {
    FreeSent();
    if (dev_->reg_state == RegState::kRegistered) unregister_netdev(dev_);
    free_netdev(dev_);
  }

  void Up() {
    ASSERT_EQ(register_netdev(dev_), 0);
    ASSERT_EQ(dev_open(dev_), 0);
  }
  net_device* dev() { return dev_; }
  net_device* operator->() { return dev_; }
  net_device_ops& ops() { return ops_; }

  void FreeSent() {
    for (sk_buff* skb : sent) consume_skb(skb);
    sent.clear();
  }

  std::vector<sk_buff*> sent;
  uint32_t room = ~0U;  // packets the driver still takes; then it stops its queue
  bool answer_busy = false;
  uint32_t busy_answers = 0;
  uint32_t timeouts = 0;

 private:
  static TestDevice* Of(net_device* dev) { return *netdev_priv<TestDevice*>(dev); }

  netdev_tx_t Xmit(sk_buff* skb) {
    if (answer_busy || room == 0) {
      ++busy_answers;
      return NETDEV_TX_BUSY;
    }
    sent.push_back(skb);
    if (room != ~0U && --room == 0) netif_stop_subqueue(dev_, skb->queue_mapping);
    return NETDEV_TX_OK;
  }

  net_device_ops ops_ = {};
  net_device* dev_;
};

using Bytes = std::vector<uint8_t>;

// `count` bytes that name their own places.
inline Bytes Pattern(size_t count, uint8_t start = 0) {
  Bytes bytes(count);
  for (size_t i = 0; i < count; ++i) bytes[i] = static_cast<uint8_t>(start + i * 7);
  return bytes;
}

// All bytes of a packet, wherever they lie.
inline Bytes BytesOf(const sk_buff* skb) {
  Bytes bytes(skb->len);
  EXPECT_EQ(skb_copy_bits(skb, 0, bytes.data(), skb->len), 0);
  return bytes;
}

// A linear packet of `bytes` with `headroom`.
inline sk_buff* MakePacket(net& n, const Bytes& bytes, uint32_t headroom = 64) {
  sk_buff* const skb = alloc_skb(n, headroom + static_cast<uint32_t>(bytes.size()));
  skb_reserve(skb, headroom);
  skb_put_data(skb, bytes.data(), static_cast<uint32_t>(bytes.size()));
  return skb;
}

// Appends `bytes` to a packet as page fragment number nr_frags.
inline void AddFrag(sk_buff* skb, const Bytes& bytes, uint32_t offset = 16) {
  const auto size = static_cast<uint32_t>(bytes.size());
  page* const p = alloc_page(*skb->owner, offset + size);
  ASSERT_NE(p, nullptr);
  std::memcpy(page_address(p) + offset, bytes.data(), size);
  skb_add_rx_frag(skb, skb_shinfo(skb)->nr_frags, p, offset, size, 2048);
}

// Appends `part` to a packet's frag_list.
inline void AddToFragList(sk_buff* skb, sk_buff* part) {
  sk_buff** link = &skb_shinfo(skb)->frag_list;
  while (*link != nullptr) link = &(*link)->next;
  *link = part;
  skb->len += part->len;
  skb->data_len += part->len;
  skb->truesize += part->truesize;
}

// An Ethernet frame from 02::2 to `dest`.
inline Bytes EthernetFrame(const MacAddress& dest, uint16_t type, const Bytes& payload) {
  wire::EthernetHeader eth;
  eth.dest = dest;
  eth.source = MacAddress(2, 0, 0, 0, 0, 2);
  eth.proto = type;
  Bytes frame(sizeof(eth) + payload.size());
  std::memcpy(frame.data(), &eth, sizeof(eth));
  if (!payload.empty()) std::memcpy(frame.data() + sizeof(eth), payload.data(), payload.size());
  return frame;
}

// A received frame as a driver hands it up: in a 2 KiB receive buffer, header pulled.
inline sk_buff* ReceivedFrame(net_device* dev, const Bytes& frame) {
  net& n = dev_net(dev);
  const PacketBuffer buffer = n.world.packets().Alloc(2048);
  std::memcpy(buffer.data + NET_SKB_PAD, frame.data(), frame.size());
  sk_buff* const skb = build_skb(n, buffer, 2048);
  skb_reserve(skb, NET_SKB_PAD);
  skb_put(skb, static_cast<uint32_t>(frame.size()));
  skb->frame_id = n.world.NewFrameId();
  skb->protocol = eth_type_trans(skb, dev);
  return skb;
}

}  // namespace tapedeck

#endif  // TAPEDECK_TESTS_UNIT_CORE_HOST_H_
