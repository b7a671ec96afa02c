// sendmsg: from the user's memory into the write queue, and out as far as it goes.
//
// One attempt (stack/socket/system_call.h): what the kernel keeps in a sleeping function's locals
// is in msghdr. msg_copied is what earlier attempts have queued: to the rules about a call's first
// and last byte it counts as this one's.
#include <algorithm>
#include <cerrno>

#include "stack/core/net_device.h"
#include "stack/core/sock_cmsg.h"
#include "stack/core/stream.h"
#include "stack/core/tx_timestamp.h"
#include "stack/core/zerocopy.h"
#include "stack/tcp/tcp.h"
#include "stack/tcp/tcp_ack.h"
#include "stack/tcp/tcp_fastopen.h"
#include "stack/tcp/tcp_output.h"
#include "stack/tcp/tcp_queues.h"

namespace tapedeck {
namespace {

// Packets after which those that have come in meanwhile get their turn.
constexpr int kBacklogInterval = 16;

class Sender {
 public:
  Sender(sock* sk, msghdr* msg) : sk_(sk), tp_(tcp_sk(sk)), msg_(msg), flags_(msg->msg_flags) {}

  // Bytes queued, or -errno; -EAGAIN without MSG_DONTWAIT: the call is to sleep.
  int64_t Run(size_t size);

 private:
  bool may_wait() const { return (flags_ & MSG_DONTWAIT) == 0; }
  bool broken() const { return sk_->sk_err != 0 || (sk_->sk_shutdown & SEND_SHUTDOWN) != 0; }
  uint64_t total() const { return msg_->msg_copied + copied_ + copied_syn_; }
  size_t left() const { return iov_iter_count(&msg_->msg_iter); }

  int SetUpZerocopy(size_t size);
  int Connect(size_t size);
  int WaitConnect();
  int64_t SendData();
  int64_t Append();
  sk_buff* NewPacket();
  int64_t Fill(sk_buff* skb, size_t room);
  int64_t FillCopied(sk_buff* skb, uint32_t bytes);
  int64_t FillZerocopy(sk_buff* skb, uint32_t bytes);
  bool DowngradePureZerocopy(sk_buff* skb);
  void PushFullPacket();
  int WaitForSpace();
  void TimestampLast();
  void PushAll();
  int64_t GiveUp(int err);
  int64_t Fail(int err);

  sock* sk_;
  tcp_sock* tp_;
  msghdr* msg_;
  uint32_t flags_;
  sockcm_cookie sockc_;
  bool zerocopy_ = false;
  uint32_t mss_now_ = 0;
  uint32_t size_goal_ = 0;
  uint64_t copied_ = 0;
  uint64_t copied_syn_ = 0;  // by Fast Open
  int packets_made_ = 0;
  sk_buff* skb_ = nullptr;  // the last one that got data
};

int64_t Sender::Run(size_t size) {
  sockcm_init(&sockc_, sk_);
  // A wrong control message counts only after Fast Open has had its chance.
  const int sockc_err = msg_->msg_controllen != 0 ? sock_cmsg_send(sk_, msg_, &sockc_) : 0;
  if (const int err = SetUpZerocopy(size); err != 0) return Fail(err);
  if (const int err = Connect(size); err != 0) {
    if (err == -EAGAIN) return err;
    if (err != -EINPROGRESS || copied_syn_ == 0) return Fail(err);
    PushAll();
    return static_cast<int64_t>(copied_syn_);
  }
  if (!msg_->msg_again) tcp_rate_check_app_limited(sk_);
  if (const int err = WaitConnect(); err != 0) {
    if (err != -EAGAIN || !may_wait()) return GiveUp(err);
    sk_->sk_nospace = true;
    return err;
  }
  if (sockc_err != 0) return Fail(sockc_err);
  return SendData();
}

// Finds or makes the notification of a MSG_ZEROCOPY send. 0 or -ENOBUFS.
int Sender::SetUpZerocopy(size_t size) {
  if ((flags_ & MSG_ZEROCOPY) == 0 || size == 0) return 0;
  const bool device_can = (sk_->sk_route_caps & NETIF_F_SG) != 0;
  if (msg_->msg_ubuf == nullptr) {
    if (!sock_flag(sk_, SOCK_ZEROCOPY)) return 0;
    const sk_buff* const tail = tcp_write_queue_tail(sk_);
    msg_->msg_ubuf = msg_zerocopy_realloc(sk_, size, skb_zcopy(tail));
    if (msg_->msg_ubuf == nullptr) return -ENOBUFS;
    if (!device_can) msg_zerocopy_copied(msg_->msg_ubuf);
  }
  zerocopy_ = device_can;
  return 0;
}

// A send that is also the connect (MSG_FASTOPEN, TCP_FASTOPEN_CONNECT). 0: done, or none. -EAGAIN:
// sleeps until it is.
int Sender::Connect(size_t size) {
  const bool waited = msg_->msg_again && tp_->fastopen_req != nullptr && tp_->fastopen_req->waiting;
  const bool asked = !msg_->msg_again && ((flags_ & MSG_FASTOPEN) != 0 || tp_->defer_connect);
  if (!waited && !asked) return 0;
  int syn_bytes = 0;
  const int err = tcp_sendmsg_fastopen(sk_, msg_, &syn_bytes, size);
  copied_syn_ = static_cast<uint64_t>(syn_bytes);
  return err;
}

// sk_stream_wait_connect. Only before the first byte: later a connection that is gone is an error
// behind what was sent.
int Sender::WaitConnect() {
  if (sk_->sk_state == TCP_ESTABLISHED || sk_->sk_state == TCP_CLOSE_WAIT) return 0;
  if (tcp_passive_fastopen(sk_) || total() > 0) return 0;
  if (const int err = sock_error(sk_); err != 0) return err;
  if (sk_->sk_state != TCP_SYN_SENT && sk_->sk_state != TCP_SYN_RECV) return -EPIPE;
  return -EAGAIN;
}

int64_t Sender::SendData() {
  mss_now_ = tcp_send_mss(sk_, &size_goal_, flags_);
  if (broken()) return GiveUp(-EPIPE);
  while (left() > 0) {
    if (packets_made_ >= kBacklogInterval) {
      packets_made_ = 0;
      if (sk_flush_backlog(sk_)) {
        mss_now_ = tcp_send_mss(sk_, &size_goal_, flags_);
        if (broken()) return GiveUp(-EPIPE);
      }
    }
    const int64_t added = Append();
    if (added == -EAGAIN) {
      const int err = WaitForSpace();
      if (err == -EAGAIN && may_wait()) return copied_ > 0 ? static_cast<int64_t>(copied_) : err;
      if (err != 0) return GiveUp(err);
      mss_now_ = tcp_send_mss(sk_, &size_goal_, flags_);
    } else if (added < 0) {
      return GiveUp(static_cast<int>(added));
    } else if (left() > 0) {
      PushFullPacket();
    }
  }
  if ((flags_ & MSG_EOR) != 0 && skb_ != nullptr) TCP_SKB_CB(skb_)->eor = true;
  PushAll();
  return static_cast<int64_t>(copied_ + copied_syn_);
}

// Adds data to the last packet of the queue, or to a new one. Bytes; -EAGAIN: no room or no memory.
int64_t Sender::Append() {
  sk_buff* skb = tcp_write_queue_tail(sk_);
  size_t room = 0;
  if (skb != nullptr && skb->len < size_goal_ && tcp_skb_can_collapse_to(skb)) {
    room = size_goal_ - skb->len;
  }
  while (true) {
    if (room == 0) {
      skb = NewPacket();
      if (skb == nullptr) return -EAGAIN;
      room = size_goal_;
    }
    const int64_t bytes = Fill(skb, std::min(room, left()));
    if (bytes != -EMSGSIZE) return bytes;
    // It has all the fragments it can have.
    tcp_mark_push(tp_, skb);
    room = 0;
  }
}

sk_buff* Sender::NewPacket() {
  if (!sk_stream_memory_free(sk_)) return nullptr;
  sk_buff* const skb = tcp_stream_alloc_skb(sk_, tcp_rtx_and_write_queues_empty(sk_));
  if (skb == nullptr) return nullptr;
  ++packets_made_;
  tcp_skb_entail(sk_, skb);
  return skb;
}

// Up to `room` bytes into `skb`. Bytes, -EMSGSIZE, -EAGAIN, -EFAULT, -ENOMEM.
int64_t Sender::Fill(sk_buff* skb, size_t room) {
  const auto wanted = static_cast<uint32_t>(room);
  const int64_t bytes = zerocopy_ ? FillZerocopy(skb, wanted) : FillCopied(skb, wanted);
  if (bytes < 0) return bytes;
  tcp_skb_cb* const tcb = TCP_SKB_CB(skb);
  const auto added = static_cast<uint32_t>(bytes);
  if (msg_->msg_copied + copied_ == 0) {
    tcb->tcp_flags = static_cast<uint16_t>(tcb->tcp_flags & ~TCPHDR_PSH);
  }
  tp_->write_seq += added;
  tcb->end_seq += added;
  tcp_skb_pcount_set(skb, 0);
  copied_ += added;
  skb_ = skb;
  return bytes;
}

int64_t Sender::FillCopied(sk_buff* skb, uint32_t bytes) {
  page_frag* const pfrag = &sk_->sk_frag;
  if (!sk_page_frag_refill(sk_)) {
    tcp_enter_memory_pressure(sk_);
    sk_stream_moderate_sndbuf(sk_);
    return -EAGAIN;
  }
  skb_shared_info* const info = skb_shinfo(skb);
  const uint32_t i = info->nr_frags;
  const bool merge = skb_can_coalesce(skb, i, pfrag->page, pfrag->offset);
  if (!merge && i >= MAX_SKB_FRAGS) return -EMSGSIZE;
  bytes = std::min(bytes, pfrag->size - pfrag->offset);
  if (!DowngradePureZerocopy(skb)) return -EAGAIN;
  bytes = tcp_wmem_schedule(sk_, bytes);
  if (bytes == 0) return -EAGAIN;
  uint8_t* const to = page_address(pfrag->page) + pfrag->offset;
  if (!copy_from_iter_full(to, bytes, &msg_->msg_iter)) return -EFAULT;
  sk_->sk_net.ChargeBytes(CostPoint::k_copy_per_byte, bytes);
  if (merge) {
    info->frags[i - 1].len += bytes;
  } else {
    skb_fill_page_desc(skb, i, pfrag->page, pfrag->offset, bytes);
    get_page(pfrag->page);
  }
  pfrag->offset += bytes;
  skb->len += bytes;
  skb->data_len += bytes;
  skb->truesize += bytes;
  sk_wmem_queued_add(sk_, static_cast<int32_t>(bytes));
  sk_mem_charge(sk_, bytes);
  return bytes;
}

int64_t Sender::FillZerocopy(sk_buff* skb, uint32_t bytes) {
  if (skb->len == 0) skb_shinfo(skb)->flags |= SKBFL_PURE_ZEROCOPY;
  if (!skb_zcopy_pure(skb)) {
    bytes = tcp_wmem_schedule(sk_, bytes);
    if (bytes == 0) return -EAGAIN;
  }
  const int64_t added = skb_zerocopy_iter_stream(sk_, skb, msg_, bytes, msg_->msg_ubuf);
  // A packet of another notification is as good as full.
  return added == -EEXIST ? -EMSGSIZE : added;
}

// Copied bytes go behind the user's pages: these have to be paid for from now on. False: no memory.
bool Sender::DowngradePureZerocopy(sk_buff* skb) {
  if (!skb_zcopy_pure(skb)) return true;
  const uint32_t extra = skb->truesize - SKB_TRUESIZE(skb_end_offset(skb));
  if (!sk_wmem_schedule(sk_, extra)) return false;
  sk_mem_charge(sk_, extra);
  skb_shared_info* const info = skb_shinfo(skb);
  info->flags = static_cast<uint8_t>(info->flags & ~SKBFL_PURE_ZEROCOPY);
  return true;
}

// There is more to come; a packet that is full may go.
void Sender::PushFullPacket() {
  if (skb_->len < size_goal_ || (flags_ & MSG_OOB) != 0) return;
  if (forced_push(tp_)) {
    tcp_mark_push(tp_, skb_);
    __tcp_push_pending_frames(sk_, mss_now_, TCP_NAGLE_PUSH);
  } else if (skb_ == tcp_send_head(sk_)) {
    tcp_push_one(sk_, mss_now_);
  }
}

// What is done before a sleep for room. 0: there is some after all; -EAGAIN: none; -EPIPE.
int Sender::WaitForSpace() {
  sk_->sk_nospace = true;
  tcp_remove_empty_skb(sk_);
  if (msg_->msg_copied + copied_ > 0) {
    tcp_push(sk_, flags_ & ~MSG_MORE, mss_now_, TCP_NAGLE_PUSH, size_goal_);
  }
  if (broken()) return -EPIPE;
  // Acknowledgments that are here already would wake nobody.
  if (may_wait() && sk_flush_backlog(sk_)) {
    if (broken()) return -EPIPE;
    if (sk_stream_memory_free(sk_)) return 0;
  }
  // Without memory but with room nobody would call; whoever sleeps sets himself a time.
  sk_->sk_nospace = !may_wait() || !sk_stream_memory_free(sk_);
  return -EAGAIN;
}

// The last byte of the call reports when it was sent and acknowledged (tcp_tx_timestamp).
void Sender::TimestampLast() {
  sk_buff* skb = tcp_write_queue_tail(sk_);
  if (skb == nullptr) skb = tcp_rtx_queue_tail(sk_);
  if (sockc_.tsflags == 0 || skb == nullptr) return;
  skb_shared_info* const info = skb_shinfo(skb);
  __sock_tx_timestamp(sockc_.tsflags, &info->tx_flags);
  if ((sockc_.tsflags & SOF_TIMESTAMPING_TX_ACK) != 0) TCP_SKB_CB(skb)->txstamp_ack = true;
  if ((sockc_.tsflags & SOF_TIMESTAMPING_TX_RECORD_MASK) != 0) {
    info->tskey = (TCP_SKB_CB(skb)->seq + skb->len - 1).value();
  }
}

// The end of the call.
void Sender::PushAll() {
  if (msg_->msg_copied + copied_ == 0) return;
  TimestampLast();
  tcp_push(sk_, flags_, mss_now_, tp_->nonagle, size_goal_);
}

// An error behind what has been sent stays pending; alone it is the call's.
int64_t Sender::GiveUp(int err) {
  tcp_remove_empty_skb(sk_);
  if (total() == 0) return Fail(err);
  PushAll();
  const uint64_t now = copied_ + copied_syn_;
  return now > 0 ? static_cast<int64_t>(now) : err;
}

int64_t Sender::Fail(int err) {
  err = sk_stream_error(sk_, flags_, err);
  // Who waits for an edge must see one, and nothing in flight would bring it.
  if (err == -EAGAIN && tcp_rtx_and_write_queues_empty(sk_)) {
    sk_->sk_write_space(sk_);
    tcp_chrono_stop(sk_, TCP_CHRONO_SNDBUF_LIMITED);
  }
  return err;
}

}  // namespace

int64_t tcp_sendmsg(sock* sk, msghdr* msg, size_t size) {
  TRACE_FUNCTION(sk->sk_net, nullptr, tcp_sendmsg, sk, msg, size);
  lock_sock(sk);
  const int64_t result = Sender(sk, msg).Run(size);
  release_sock(sk);
  return result;
}

}  // namespace tapedeck
