// What a socket pays for and hears of; what becomes of packets while it is owned, and after its
// last reference.
#include "stack/core/sock.h"

#include <gtest/gtest.h>

#include <cerrno>

#include "core_host.h"
#include "stack/core/datagram.h"

namespace tapedeck {
namespace {

// A protocol that counts its memory and keeps what the backlog brings.
struct TestProto {
  explicit TestProto(CoreHost& host)
      : cache(*host.arena.New<SlabCache<sock>>(host.arena, "test_sock")) {
    self = this;
    prot.name = "TEST";
    prot.alloc = [](net& net, uint16_t family) {
      return self->cache.New(net, family, &self->prot);
    };
    prot.free = [](sock* sk) { self->cache.Delete(sk); };
    prot.backlog_rcv = [](sock* sk, sk_buff* skb) {
      EXPECT_TRUE(sock_owned_by_user(sk));
      self->from_backlog.push_back(skb->mark);
      consume_skb(skb);
      return 0;
    };
    prot.memory = [](net&) { return &self->memory; };
    memory.sysctl_mem[0] = 10;
    memory.sysctl_mem[1] = 15;
    memory.sysctl_mem[2] = 20;
  }
  static TestProto* self;
  SlabCache<sock>& cache;
  proto prot = {};
  proto_memory memory;
  std::vector<uint32_t> from_backlog;
};
TestProto* TestProto::self;

class SockTest : public testing::Test {
 protected:
  SockTest() : proto_(host_), sk_(sk_alloc(host_.n, kAfInet, &proto_.prot)) {}
  ~SockTest() override {
    if (sk_ != nullptr) sock_put(sk_);
    EXPECT_EQ(proto_.cache.cache().live_objects(), 0U);
    EXPECT_EQ(host_.n.live_socks, 0U);
    EXPECT_EQ(host_.LivePackets(), 0U);
    EXPECT_EQ(proto_.memory.allocated_pages, 0);
  }
  sk_buff* Packet(uint32_t bytes = 100, uint32_t mark = 0) {
    sk_buff* const skb = MakePacket(host_.n, Pattern(bytes));
    skb->mark = mark;
    return skb;
  }
  // Queues a packet as received; false where it does not fit (it is dropped then).
  bool Receive(uint32_t bytes = 100, uint32_t mark = 0) {
    DropReason reason = SKB_DROP_REASON_NOT_SPECIFIED;
    sk_buff* const skb = Packet(bytes, mark);
    if (sock_queue_rcv_skb_reason(sk_, skb, &reason) == 0) return true;
    kfree_skb_reason(skb, reason);
    return false;
  }
  void Release() {
    sock_put(sk_);
    sk_ = nullptr;
  }

  CoreHost host_;
  TestProto proto_;
  sock* sk_;
};

// Counts what a wait queue hears.
struct Ear : WaitEntry {
  explicit Ear(uint32_t events_in)
      : WaitEntry([](WaitEntry* entry, uint32_t) { return ++static_cast<Ear*>(entry)->heard > 0; },
                  events_in) {}
  int heard = 0;
};

TEST_F(SockTest, TheReceiveBufferIsLimitedByTruesize) {
  sock_set_rcvbuf(sk_, 2000, false);
  EXPECT_EQ(sk_->sk_rcvbuf, 4000U);
  // 896 bytes each; checked before the packet is added, as in Linux: five fit into 4000.
  int taken = 0;
  while (Receive()) ++taken;
  EXPECT_EQ(taken, 5);
  EXPECT_EQ(sk_rmem_alloc_get(sk_), 5U * 896);
  EXPECT_EQ(sk_->sk_drops, 1U);
  EXPECT_EQ(host_.Drops(SKB_DROP_REASON_SOCKET_RCVBUFF), 1U);
  int err = 0;
  int off = 0;
  sk_buff* const skb = skb_recv_datagram(sk_, 0, &off, &err);
  skb_free_datagram(sk_, skb);
  EXPECT_EQ(sk_rmem_alloc_get(sk_), 4U * 896);
  EXPECT_TRUE(Receive());
}

TEST_F(SockTest, BufferSettingsAreDoubledAndBounded) {
  EXPECT_EQ(sk_->sk_rcvbuf, 212992U);
  EXPECT_EQ(sk_->sk_sndbuf, 212992U);
  sock_set_rcvbuf(sk_, 1, false);
  sock_set_sndbuf(sk_, 1, false);
  EXPECT_EQ(sk_->sk_rcvbuf, 2304U);
  EXPECT_EQ(sk_->sk_sndbuf, 4608U);
  sock_set_rcvbuf(sk_, 5'000'000, false);
  sock_set_sndbuf(sk_, 5'000'000, false);
  EXPECT_EQ(sk_->sk_rcvbuf, 2U * (4 << 20));
  EXPECT_EQ(sk_->sk_sndbuf, 2U * (4 << 20));
  sock_set_rcvbuf(sk_, 5'000'000, true);
  EXPECT_EQ(sk_->sk_rcvbuf, 10'000'000U);
}

// The protocol's pages are taken as they are needed and given back whole.
TEST_F(SockTest, TheProtocolsMemoryIsLimited) {
  int taken = 0;
  while (Receive()) ++taken;
  EXPECT_EQ(taken, 20 * 4096 / 896);
  EXPECT_EQ(proto_.memory.allocated_pages, 20);
  EXPECT_TRUE(proto_.memory.pressure);
  EXPECT_EQ(host_.Drops(SKB_DROP_REASON_PROTO_MEM), 1U);
  skb_queue_purge(&sk_->sk_receive_queue);
  EXPECT_EQ(proto_.memory.allocated_pages, 0);
  EXPECT_FALSE(proto_.memory.pressure);
  EXPECT_EQ(sk_->sk_forward_alloc, 0);
}

TEST_F(SockTest, WhatIsSentCountsUntilItHasGone) {
  int err = 0;
  sock_set_sndbuf(sk_, 2304, false);
  sk_buff* const a = sock_alloc_send_skb(sk_, 1000, &err);
  sk_buff* const b = sock_alloc_send_skb(sk_, 1000, &err);
  EXPECT_EQ(sk_wmem_alloc_get(sk_), 2U * 2304);
  EXPECT_EQ(sock_alloc_send_skb(sk_, 1000, &err), nullptr);
  EXPECT_EQ(err, -EAGAIN);
  EXPECT_TRUE(sk_->sk_nospace);
  EXPECT_EQ(sock_wmalloc(sk_, 10, false), nullptr);
  consume_skb(sock_wmalloc(sk_, 10, true));
  EXPECT_FALSE(sock_writeable(sk_));
  Ear ear(EPOLLOUT);
  sk_->sk_wq.Add(&ear);
  consume_skb(a);
  EXPECT_EQ(ear.heard, 0);  // more than half is taken
  consume_skb(b);
  EXPECT_EQ(ear.heard, 1);
  EXPECT_TRUE(sock_writeable(sk_));
  ear.Unlink();
  sk_->sk_err = ECONNREFUSED;
  EXPECT_EQ(sock_alloc_send_skb(sk_, 10, &err), nullptr);
  EXPECT_EQ(err, -ECONNREFUSED);
  sk_->sk_shutdown = SEND_SHUTDOWN;
  EXPECT_EQ(sock_alloc_send_skb(sk_, 10, &err), nullptr);
  EXPECT_EQ(err, -EPIPE);
}

TEST_F(SockTest, LargeSendsGetFragments) {
  int err = 0;
  sk_buff* const skb = sock_alloc_send_pskb(sk_, 100, 32768 + 5000, &err);
  ASSERT_NE(skb, nullptr);
  EXPECT_EQ(skb_shinfo(skb)->nr_frags, 2);
  EXPECT_EQ(skb_frag_size(&skb_shinfo(skb)->frags[0]), 32768U);
  EXPECT_EQ(skb_frag_size(&skb_shinfo(skb)->frags[1]), 4096U + 904);
  EXPECT_EQ(skb->truesize, 896U + 32768 + 8192);
  consume_skb(skb);
}

// Packets that are on their way keep a closed socket's memory, not the socket.
TEST_F(SockTest, TheLastPacketFreesTheSocket) {
  sk_buff* const skb = Packet();
  skb_set_owner_w(skb, sk_);
  Release();
  EXPECT_EQ(proto_.cache.cache().live_objects(), 1U);
  consume_skb(skb);
  EXPECT_EQ(proto_.cache.cache().live_objects(), 0U);
}

TEST_F(SockTest, ReceivedPacketsGoWithTheSocket) {
  EXPECT_TRUE(Receive());
  EXPECT_EQ(sock_queue_err_skb(sk_, Packet()), 0);
  EXPECT_TRUE(sk_page_frag_refill(sk_));
  sk_buff* const efree = Packet();
  skb_set_owner_sk_safe(efree, sk_);
  EXPECT_EQ(sk_->sk_refcnt, 2U);
  consume_skb(efree);
  EXPECT_EQ(sk_->sk_refcnt, 1U);
  sk_common_release(sk_);
  sk_ = nullptr;
  EXPECT_EQ(host_.AllDrops(), 0U);
}

TEST_F(SockTest, AReaderHearsOfPacketsAndErrors) {
  Ear in(EPOLLIN);
  Ear err(EPOLLERR);
  sk_->sk_wq.Add(&in);
  sk_->sk_wq.Add(&err);
  EXPECT_TRUE(Receive());
  EXPECT_EQ(in.heard, 1);
  EXPECT_EQ(err.heard, 0);
  sk_error_report(sk_);
  EXPECT_EQ(err.heard, 1);
  sk_->sk_state_change(sk_);
  EXPECT_EQ(in.heard, 2);
  in.Unlink();
  err.Unlink();
}

TEST_F(SockTest, AnOwnedSocketsPacketsWaitInTheBacklog) {
  lock_sock(sk_);
  for (uint32_t mark = 1; mark <= 3; ++mark) {
    EXPECT_EQ(sk_add_backlog(sk_, Packet(100, mark), 3 * 896), 0);
  }
  sk_buff* const too_much = Packet();
  EXPECT_EQ(sk_add_backlog(sk_, too_much, 2 * 896), -ENOBUFS);
  kfree_skb_reason(too_much, SKB_DROP_REASON_SOCKET_RCVBUFF);
  EXPECT_TRUE(proto_.from_backlog.empty());
  release_sock(sk_);
  EXPECT_EQ(proto_.from_backlog, (std::vector<uint32_t>{1, 2, 3}));
  EXPECT_EQ(sk_->sk_backlog.len, 0U);
  EXPECT_FALSE(sock_owned_by_user(sk_));
}

TEST_F(SockTest, StateChangesAreTraced) {
  sk_set_state(sk_, TCP_ESTABLISHED);
  sk_set_state(sk_, TCP_ESTABLISHED);
  const auto events = host_.sink.Of(TraceKind::kSockState);
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0].args[0], sk_->sk_id);
  EXPECT_EQ(events[0].args[1], TCP_CLOSE);
  EXPECT_EQ(events[0].args[2], TCP_ESTABLISHED);
}

TEST_F(SockTest, ErrorsOnTheErrorQueueSetTheNextError) {
  for (const int error : {EHOSTUNREACH, ECONNREFUSED}) {
    sk_buff* const skb = Packet();
    SKB_EXT_ERR(skb)->ee.ee_origin = kSoEeOriginIcmp;
    SKB_EXT_ERR(skb)->ee.ee_errno = static_cast<uint32_t>(error);
    EXPECT_EQ(sock_queue_err_skb(sk_, skb), 0);
  }
  EXPECT_NE(datagram_poll(sk_) & EPOLLERR, 0U);
  sk_->sk_err = EHOSTUNREACH;
  consume_skb(sock_dequeue_err_skb(sk_));
  EXPECT_EQ(sk_->sk_err, ECONNREFUSED);
  consume_skb(sock_dequeue_err_skb(sk_));
  EXPECT_EQ(sk_->sk_err, 0);
  EXPECT_EQ(sock_dequeue_err_skb(sk_), nullptr);
  EXPECT_EQ(sock_error(sk_), 0);
  sk_->sk_rcvbuf = 100;
  sk_buff* const skb = Packet();
  EXPECT_EQ(sock_queue_err_skb(sk_, skb), -ENOMEM);
  kfree_skb(skb);
}

TEST_F(SockTest, PeekLeavesThePacketAndCanMoveOn) {
  for (const uint32_t bytes : {10U, 0U, 20U}) EXPECT_TRUE(Receive(bytes, bytes));
  int err = 0;
  int off = 0;
  sk_buff* skb = skb_recv_datagram(sk_, MSG_PEEK, &off, &err);
  EXPECT_EQ(skb->mark, 10U);
  skb_free_datagram(sk_, skb);
  off = 10;  // behind the first: the empty packet, once
  skb = skb_recv_datagram(sk_, MSG_PEEK, &off, &err);
  EXPECT_EQ(skb->mark, 0U);
  EXPECT_EQ(off, 0);
  skb_free_datagram(sk_, skb);
  off = 15;
  skb = skb_recv_datagram(sk_, MSG_PEEK, &off, &err);
  EXPECT_EQ(skb->mark, 20U);
  EXPECT_EQ(off, 5);
  // Found to be bad while it was peeked: it leaves the queue.
  EXPECT_EQ(skb_kill_datagram(sk_, skb, MSG_PEEK, SKB_DROP_REASON_UDP_CSUM), 0);
  EXPECT_EQ(skb_queue_len(&sk_->sk_receive_queue), 2U);
  EXPECT_EQ(host_.Drops(SKB_DROP_REASON_UDP_CSUM), 1U);
  EXPECT_EQ(sk_->sk_drops, 1U);
}

TEST_F(SockTest, NothingToReceive) {
  int err = 0;
  int off = 0;
  EXPECT_EQ(skb_recv_datagram(sk_, 0, &off, &err), nullptr);
  EXPECT_EQ(err, -EAGAIN);
  EXPECT_EQ(datagram_poll(sk_), EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND);
  sk_->sk_err = ECONNREFUSED;
  EXPECT_EQ(skb_recv_datagram(sk_, 0, &off, &err), nullptr);
  EXPECT_EQ(err, -ECONNREFUSED);
  sk_->sk_shutdown = SHUTDOWN_MASK;
  EXPECT_EQ(skb_recv_datagram(sk_, 0, &off, &err), nullptr);
  EXPECT_EQ(err, 0);
  EXPECT_EQ(skb_recv_datagram(sk_, MSG_DONTWAIT, &off, &err), nullptr);
  EXPECT_EQ(err, -EAGAIN);
  EXPECT_EQ(datagram_poll(sk_) & (EPOLLHUP | EPOLLRDHUP | EPOLLIN),
            EPOLLHUP | EPOLLRDHUP | EPOLLIN);
}

TEST_F(SockTest, AStaleRouteIsForgotten) {
  static bool valid;
  static int destroyed;
  valid = true;
  destroyed = 0;
  dst_ops ops = {};
  ops.check = [](dst_entry* dst, uint32_t) { return valid ? dst : nullptr; };
  ops.destroy = [](dst_entry*) { ++destroyed; };
  dst_entry dst;
  dst_init(&dst, &ops, nullptr, DST_OBSOLETE_FORCE_CHK, 0);
  sk_dst_set(sk_, &dst);
  EXPECT_EQ(sk_dst_check(sk_, 0), &dst);
  dst_release(&dst);
  valid = false;
  EXPECT_EQ(sk_dst_check(sk_, 0), nullptr);
  EXPECT_EQ(destroyed, 1);
  EXPECT_EQ(__sk_dst_get(sk_), nullptr);
}

}  // namespace
}  // namespace tapedeck
