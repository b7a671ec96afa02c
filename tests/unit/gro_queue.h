// A queue whose poll finds what a test lays into it, on the way of net/core/gro.c.
#ifndef TAPEDECK_TESTS_UNIT_GRO_QUEUE_H_
#define TAPEDECK_TESTS_UNIT_GRO_QUEUE_H_

#include <gtest/gtest.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "core_host.h"
#include "stack/core/dev.h"

namespace tapedeck {

class GroQueue : public napi_struct {
 public:
  struct Frame {
    Bytes bytes;
    uint16_t vlan_tci = 0;  // of the tag that the device has taken off; 0: none
  };

  // Switches merging on for `on`.
  explicit GroQueue(net_device* on) {
    on->features |= NETIF_F_GRO;
    netif_napi_add(on, this,
                   [](napi_struct* napi, int) { return static_cast<GroQueue*>(napi)->Poll(); });
    napi_enable(this);
  }
  GroQueue(const GroQueue&) = delete;
  GroQueue& operator=(const GroQueue&) = delete;
  ~GroQueue() {
    napi_disable(this);
    netif_napi_del(this);
  }

  // What the next poll finds. It is the last one, or has used its weight (not `complete`).
  void Lay(std::vector<Frame> frames, bool complete = true) {
    EXPECT_TRUE(waiting_.empty());
    waiting_ = std::move(frames);
    complete_ = complete;
  }
  bool empty() const { return waiting_.empty(); }

 private:
  int Poll() {
    for (const Frame& frame : waiting_) {
      sk_buff* const skb = ReceivedFrame(dev, frame.bytes);
      if (frame.vlan_tci != 0) __vlan_hwaccel_put_tag(skb, wire::kEtherTypeVlan, frame.vlan_tci);
      napi_gro_receive(this, skb);
    }
    const int work = std::min(static_cast<int>(waiting_.size()), weight - 1);
    waiting_.clear();
    if (!std::exchange(complete_, true)) return weight;
    napi_complete_done(this, work);
    return work;
  }

  std::vector<Frame> waiting_;
  bool complete_ = true;
};

}  // namespace tapedeck

#endif  // TAPEDECK_TESTS_UNIT_GRO_QUEUE_H_
