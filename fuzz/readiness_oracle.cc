#include "fuzz/readiness_oracle.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <vector>

#include "fuzz/oracles.h"
#include "replay/lab/fault_steps.h"
#include "stack/core/sock.h"
#include "stack/core/uapi.h"
#include "stack/host.h"
#include "stack/ipv4/inet_sock.h"
#include "stack/socket/eventpoll.h"
#include "stack/socket/file.h"
#include "stack/socket/pipe.h"
#include "stack/socket/sock_options.h"
#include "stack/socket/socket.h"
#include "stack/tcp/tcp_sock.h"

namespace tapedeck::fuzz {

namespace {

constexpr uint32_t kDontWait = MSG_DONTWAIT | MSG_NOSIGNAL;

[[noreturn, gnu::noinline]] void ReadableFailed(const char* kind, int fd, uint32_t mask) {
  ReportBroken("API", "readable", kind);
  std::fprintf(stderr, "descriptor %d: %#" PRIx32 ", but a reader waits\n", fd, mask);
  std::abort();
}
[[noreturn, gnu::noinline]] void UnreadableFailed(const char* kind, int fd, uint32_t mask,
                                                  int64_t result) {
  ReportBroken("API", "unreadable", kind);
  std::fprintf(stderr, "descriptor %d: %#" PRIx32 ", but a reader gets %" PRId64 "\n", fd, mask,
               result);
  std::abort();
}
[[noreturn, gnu::noinline]] void WritableFailed(const char* kind, int fd, uint32_t mask) {
  ReportBroken("API", "writable", kind);
  std::fprintf(stderr, "descriptor %d: %#" PRIx32 ", but a writer waits\n", fd, mask);
  std::abort();
}

[[noreturn, gnu::noinline]] void TurnMissed(int fd, int64_t asked, int64_t ready) {
  ReportBroken("FAIR", "in_turn", "epoll_item");
  std::fprintf(stderr,
               "descriptor %d: of %" PRId64 " that are ready one was left out, asked %" PRId64
               " times for one\n",
               fd, ready, asked);
  std::abort();
}

// One host's descriptors.
class Prober {
 public:
  explicit Prober(Host& host)
      : host_(host), sys_(host.syscalls()), thread_(*host.kernel().NewThread(0)) {}
  ~Prober() { host_.kernel().DeleteThread(&thread_); }
  Prober(const Prober&) = delete;
  Prober& operator=(const Prober&) = delete;

  void Run() {
    const int end = sys_.files().max_fds;
    for (int fd = files_struct::kFirstFd; fd < end; ++fd) {
      if (file* const its = sys_.files().fcheck(fd); its != nullptr) Probe(fd, its);
    }
  }

 private:
  static uint32_t MaskOf(file* its) { return its->f_op->poll(its); }

  // What a reader gets says whether the descriptor was readable.
  static void CheckRead(const char* kind, int fd, uint32_t mask, int64_t result) {
    const bool readable = (mask & (EPOLLIN | EPOLLRDNORM)) != 0;
    if (readable && result == -EAGAIN) ReadableFailed(kind, fd, mask);
    // An error or an end need not be said so.
    if (!readable && (mask & (EPOLLERR | EPOLLHUP)) == 0 && result >= 0) {
      UnreadableFailed(kind, fd, mask, result);
    }
  }

  void Probe(int fd, file* its) {
    if (its->f_op->poll == nullptr) return;
    if (const socket* const sock = sock_from_file(its); sock != nullptr) {
      ProbeSocket(fd, its, *sock);
    } else if (pipe_of_file(its) != nullptr) {
      ProbePipe(fd, its);
    } else if (eventpoll_of_file(its) != nullptr) {
      ProbeEpoll(fd, its);
    }
  }

  void ProbeSocket(int fd, file* its, const socket& sock) {
    const bool stream = sock.type == SOCK_STREAM;
    const char* const kind = stream ? "stream" : "datagram";
    if (stream && sock.sk->sk_state == TCP_LISTEN) {
      const uint32_t mask = MaskOf(its);
      SystemCall call = sys_.Accept4(thread_, fd, nullptr, SOCK_NONBLOCK);
      // Without memory or a descriptor nobody knows.
      if (const int64_t result = call.RunNow(); result >= 0 || result == -EAGAIN) {
        CheckRead("listener", fd, mask, result);
      }
      return;
    }
    // Of a datagram socket that was shut down Linux says that its end can be read, and has who does
    // not wait come again (__skb_recv_udp).
    const bool ended = !stream && (sock.sk->sk_shutdown & RCV_SHUTDOWN) != 0;
    if (!ended && ReadsAsPolled(*sock.sk)) {
      const uint32_t mask = MaskOf(its);
      CheckRead(kind, fd, mask, sys_.Recvfrom(thread_, fd, byte_, kDontWait).RunNow());
    }
    const uint32_t mask = MaskOf(its);
    if ((mask & EPOLLOUT) == 0) return;
    // A first send takes a port; that none is free is EAGAIN, too (inet_autobind).
    if (!stream && sock.sk->sk_family != kAfUnix && inet_sk(sock.sk)->inet_num == 0) return;
    if (sys_.Sendto(thread_, fd, byte_, kDontWait).RunNow() == -EAGAIN) {
      WritableFailed(kind, fd, mask);
    }
  }

  void ProbePipe(int fd, file* its) {
    const uint32_t mask = MaskOf(its);
    if (FileReadable(its)) CheckRead("pipe", fd, mask, sys_.Read(thread_, fd, byte_).RunNow());
    if (!FileWritable(its) || (mask & EPOLLOUT) == 0) return;
    if (sys_.Write(thread_, fd, byte_).RunNow() == -EAGAIN) WritableFailed("pipe", fd, mask);
  }

  void ProbeEpoll(int fd, file* its) {
    const uint32_t mask = MaskOf(its);
    // The first time those are told, too, that are told once only.
    std::array<epoll_event, kTurnsMax> events;
    const int64_t ready = sys_.EpollWait(thread_, fd, events, Duration{}).RunNow();
    CheckRead("epoll", fd, mask, ready == 0 ? -EAGAIN : ready);
    ProbeTurns(fd, *eventpoll_of_file(its));
  }

  // What stays ready is asked for one at a time: each has its turn before any has another.
  void ProbeTurns(int fd, const eventpoll& ep) {
    int64_t watched = 0;
    for (const epitem* epi = ep.items.front(); epi != nullptr; epi = ep.items.Next(epi)) ++watched;
    if (watched >= static_cast<int64_t>(kTurnsMax)) return;
    std::array<epoll_event, kTurnsMax> all;
    const int64_t ready = sys_.EpollWait(thread_, fd, all, Duration{}).RunNow();
    if (ready > watched) TurnMissed(fd, 1, watched);
    if (ready <= 1) return;
    std::array<epoll_event, kTurnsMax> in_turn;
    for (int64_t i = 0; i < ready; ++i) {
      const auto one = std::span(in_turn).subspan(static_cast<size_t>(i), 1);
      if (sys_.EpollWait(thread_, fd, one, Duration{}).RunNow() != 1) TurnMissed(fd, i, ready);
    }
    if (SortedData(all, ready) != SortedData(in_turn, ready)) TurnMissed(fd, ready, ready);
  }

  static constexpr size_t kTurnsMax = 32;

  static std::vector<uint64_t> SortedData(std::span<const epoll_event> events, int64_t count) {
    std::vector<uint64_t> data;
    for (const epoll_event& event : events.first(static_cast<size_t>(count))) {
      data.push_back(event.data);
    }
    std::sort(data.begin(), data.end());
    return data;
  }

  // Not where what is readable depends on more than that there is something: how much, urgent
  // bytes, where it is looked at from.
  static bool ReadsAsPolled(const sock& sk) {
    if (sk.sk_rcvlowat > 1 || sk.sk_peek_off >= 0) return false;
    return !sk_is_tcp(&sk) || tcp_sk(&sk)->urg_data == 0;
  }

  Host& host_;
  Syscalls& sys_;
  Thread& thread_;
  std::array<uint8_t, 1> byte_ = {};
};

}  // namespace

void CheckReadiness(Lab& lab) {
  EndFaults(lab);  // without memory a writer waits
  for (int i = 0; i < lab.hosts(); ++i) Prober(lab.host(i)).Run();
}

}  // namespace tapedeck::fuzz
