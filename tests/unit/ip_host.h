// What tests of both IP versions stand on: a host with one Ethernet device whose driver is the
// test. Frames go in by Receive, what is sent lies in `eth.sent`.
#ifndef TAPEDECK_TESTS_UNIT_IP_HOST_H_
#define TAPEDECK_TESTS_UNIT_IP_HOST_H_

#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "core_host.h"
#include "stack/core/neighbour.h"
#include "stack/drivers/loopback.h"
#include "stack/wire/describe.h"
#include "stack/wire/frame_builder.h"

namespace tapedeck {

inline constexpr MacAddress kUsMac{2, 0, 0, 0, 0, 1};
inline constexpr MacAddress kPeerMac{2, 0, 0, 0, 0, 2};

class IpTest : public ::testing::Test {
 protected:
  // `init_protocols` comes before the first device, as in a host.
  explicit IpTest(void (*init_protocols)(net&)) : eth((init_protocols(host.n), host), "eth0") {
    host.kernel.request_irq(/*slot=*/0, kVector, /*cpu=*/0, RunWork, this);
    loopback_init(host.n);
  }

  void AddNeighbour(neigh_table* table, net_device* dev, std::span<const uint8_t> addr,
                    const MacAddress& mac) {
    neighbour* const neigh = neigh_create(table, addr.data(), dev);
    ASSERT_NE(neigh, nullptr);
    neigh_update(neigh, mac.bytes().data(), NUD_PERMANENT,
                 NEIGH_UPDATE_F_ADMIN | NEIGH_UPDATE_F_OVERRIDE);
    neigh_release(neigh);
  }
  // Another Ethernet device, which is up and has no address.
  TestDevice& NewDevice(const char* name) {
    more.push_back(std::make_unique<TestDevice>(host, name));
    TestDevice& device = *more.back();
    device->dev_addr = MacAddress(2, 0, 0, 0, 1, static_cast<uint8_t>(more.size()));
    device.Up();
    return device;
  }
  void FreeSent() {
    eth.FreeSent();
    for (auto& device : more) device->FreeSent();
  }
  int Sysctl(const char* path, int value) {
    return host.kernel.sysctl().Write(path, std::to_string(value));
  }

  // Runs `work` on the CPU, at the world's time, with what it sets off.
  void OnCpu(std::function<void()> work) {
    pending_work = std::move(work);
    host.kernel.DeliverMsix(/*slot=*/0, kVector, host.world.now());
    host.world.RunUntil(host.world.now());
    ASSERT_EQ(pending_work, nullptr);
  }
  void Receive(TestDevice& device, std::span<const uint8_t> frame) {
    OnCpu([&] { netif_rx(ReceivedFrame(device.dev(), Bytes(frame.begin(), frame.end()))); });
  }
  void Receive(std::span<const uint8_t> frame) { Receive(eth, frame); }

  wire::FrameBuilder NewFrame(const MacAddress& dest = kUsMac) {
    return wire::FrameBuilder(buffer).Ethernet(dest, kPeerMac);
  }
  // The first frame sent since the last call, in tcpdump's words; "" where none was.
  std::string NextSent(TestDevice& device) {
    if (device.sent.empty()) return "";
    last_sent = BytesOf(device.sent.front());
    consume_skb(device.sent.front());
    device.sent.erase(device.sent.begin());
    return wire::DescribeFrame(last_sent);
  }
  std::string NextSent() { return NextSent(eth); }

  uint64_t Drops(DropReason reason) const { return host.Drops(reason); }

  static constexpr int kVector = 1;
  static void RunWork(Cpu&, void* test) {
    const auto work = std::exchange(static_cast<IpTest*>(test)->pending_work, nullptr);
    if (work != nullptr) work();
  }
  std::function<void()> pending_work;

  CoreHost host{KernelOptions{.hz = 1000}};
  TestDevice eth;
  std::vector<std::unique_ptr<TestDevice>> more;
  uint8_t buffer[2048] = {};
  Bytes last_sent;
};

}  // namespace tapedeck

#endif  // TAPEDECK_TESTS_UNIT_IP_HOST_H_
