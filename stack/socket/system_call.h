// One system call, from its entry to its result, however long that takes.
//
// Applications await it: `const int64_t n = co_await sys.Recvfrom(thread, fd, buffer, 0, &from);` A
// call that does not have to wait costs no suspension and no memory. Whoever drives calls by hand
// (the script, the fuzz target) gives it a thread of its own (Kernel::NewThread), says Start, and
// is told when it ends:
//
//     SystemCall* call = new (slot) SystemCall(sys.Recvfrom(thread, fd, buffer, 0, nullptr));
//     call->Start(+[](SystemCall* ended, void* me) { ... ended->result() ... }, me);
//
// A call holds a reference to its descriptor's file until it ends: closing the descriptor meanwhile
// does not end the call, as in Linux. Memory that it was given (buffers, results) must live until
// it ends.
//
// How a call waits. Nothing below this layer ever does: proto_ops and proto do what the kernel's
// functions do with MSG_DONTWAIT or O_NONBLOCK, in one attempt, and say what they have got done.
// The call judges whether that ends it; if not it sleeps on the socket's queue (sk_wq) and makes
// the next attempt when it is woken. What the kernel keeps in a sleeping function's locals is kept
// here.
//
//   sendmsg   An attempt consumes msg->msg_iter as far as there is room and returns the bytes it
//             took, or -EAGAIN where it could take none (tcp_sendmsg: also in SYN_SENT and
//             SYN_RECV, where sk_stream_wait_connect would wait). Before it returns for lack of
//             room it does what the kernel does before it sleeps (tcp_push of what there is) and
//             sets sk_nospace. The call goes on with the rest, as sk_stream_wait_memory would: an
//             error, a shutdown, a timeout or a signal ends it with what was sent so far, and the
//             error stays pending for the next call. msg->msg_again is set in all attempts but the
//             first: what is done once a call (connecting by Fast Open, a new notification) is not
//             done again. What is done at its end (tcp_tx_timestamp) is done where msg_iter is
//             empty or MSG_DONTWAIT set, which it is where the call does not wait, and in the
//             attempt after a timeout.
//   zerocopy  The attempt that makes the notification stores it in msg->msg_ubuf; later ones find
//             and use it. Never put: the call does (net_zcopy_put, or _abort where nothing was
//             sent).
//   recvmsg   An attempt returns the bytes it copied, 0 at the end of the stream, or -EAGAIN where
//             there is nothing. The call asks again until it has SO_RCVLOWAT bytes (MSG_WAITALL:
//             all), an error, a shutdown or a closed socket stands behind them. msg_copied says
//             what it has: at a place that ends a call which has data (urgent mark), return 0 if it
//             is not 0. MSG_PEEK starts again from the beginning each time, with msg_copied 0.
//   connect   Returns -EINPROGRESS, the second time -EALREADY; while the socket is in SYN_SENT or
//             SYN_RECV the call sleeps, and asks again with kConnectAgain, which says what became
//             of it. A tcp_sendmsg that connects calls sk_socket->ops->connect(..., O_NONBLOCK |
//             kConnectForSendmsg) with the socket locked, and where MSG_DONTWAIT is not set answers
//             -EAGAIN to -EINPROGRESS; the next attempts (msg_again) add kConnectAgain while the
//             socket is not SS_CONNECTED, and go on when it says 0.
//   accept    -EAGAIN where the queue is empty.
//   close     proto::linger, then proto::close (see stack/core/sock.h).
//
// While a call sleeps with more to send, which sk_nospace says of one that connects,
// sk_write_pending counts it. The protocol wakes: sk_state_change, sk_data_ready, sk_write_space
// (sk_stream_write_space, stream.h, which clears sk_nospace), sk_error_report.
#ifndef TAPEDECK_STACK_SOCKET_SYSTEM_CALL_H_
#define TAPEDECK_STACK_SOCKET_SYSTEM_CALL_H_

#include <coroutine>
#include <cstdint>
#include <span>
#include <type_traits>

#include "stack/base/list.h"
#include "stack/base/time.h"
#include "stack/base/trace_event.h"
#include "stack/core/iov_iter.h"
#include "stack/core/sockaddr.h"
#include "stack/kernel/wait.h"

namespace tapedeck {

class Syscalls;
struct file;
struct PollWait;
struct sock;
struct ubuf_info;

// Numbers of x86-64 Linux; they are what traces show.
enum class SyscallNumber : uint16_t {
  kRead = 0,
  kWrite = 1,
  kOpen = 2,
  kClose = 3,
  kPoll = 7,
  kIoctl = 16,
  kReadv = 19,
  kWritev = 20,
  kPipe = 22,
  kSelect = 23,
  kDup = 32,
  kDup2 = 33,
  kSendfile = 40,
  kSocket = 41,
  kConnect = 42,
  kAccept = 43,
  kSendto = 44,
  kRecvfrom = 45,
  kSendmsg = 46,
  kRecvmsg = 47,
  kShutdown = 48,
  kBind = 49,
  kListen = 50,
  kGetsockname = 51,
  kGetpeername = 52,
  kSocketpair = 53,
  kSetsockopt = 54,
  kGetsockopt = 55,
  kFcntl = 72,
  kEpollCreate = 213,
  kEpollWait = 232,
  kEpollCtl = 233,
  kSplice = 275,
  kAccept4 = 288,
  kEpollCreate1 = 291,
  kDup3 = 292,
  kPipe2 = 293,
  kRecvmmsg = 299,
  kSendmmsg = 307,
};
// "recvfrom", as strace prints it.
const char* SyscallNumberName(SyscallNumber number);

// struct msghdr of the user interface. sendmsg reads it; recvmsg sets msg_name->length,
// msg_controllen and msg_flags.
struct user_msghdr {
  SockAddr* msg_name = nullptr;
  std::span<const iovec> msg_iov;
  uint8_t* msg_control = nullptr;
  size_t msg_controllen = 0;
  uint32_t msg_flags = 0;
};

// One message of sendmmsg and recvmmsg.
struct mmsghdr {
  user_msghdr msg_hdr;
  uint32_t msg_len = 0;  // set: bytes sent or received
};

struct pollfd {
  int fd = -1;  // negative: not looked at
  int16_t events = 0;
  int16_t revents = 0;
};

// The sets of select: one bit a descriptor.
struct fd_set_bits {
  static constexpr int kSize = 1024;  // FD_SETSIZE
  void Set(int fd) { word[fd / 64] |= uint64_t{1} << (fd % 64); }
  bool IsSet(int fd) const { return (word[fd / 64] >> (fd % 64) & 1) != 0; }
  uint64_t word[kSize / 64] = {};
};

struct epoll_event {
  uint32_t events = 0;  // EPOLLIN, ..., and EPOLLET, EPOLLONESHOT, EPOLLEXCLUSIVE
  uint64_t data = 0;    // given back as it is
};

// Arguments. Which of them a call reads is said by the functions of Syscalls, which fill them in.
struct SyscallArgs {
  SyscallNumber number = SyscallNumber::kClose;
  bool has_address = false;
  int fd = -1;
  int a = 0;            // domain; level; command; backlog; how; other or new descriptor
  int b = 0;            // type; option name; flags
  int c = 0;            // protocol; argument of fcntl; descriptor of EPOLL_CTL
  uint32_t length = 0;  // of an option's value; number of pollfds, events, messages, pieces
  uint32_t* length_out = nullptr;
  void* memory =
      nullptr;        // option value, user_msghdr, mmsghdrs, iovecs, pollfds, epoll_events, ints
  iovec buffer = {};  // of a call with one piece of data
  SockAddr* address_out = nullptr;
  SockAddr address = {};               // where has_address
  Duration timeout = Duration::Max();  // of poll and its kin
  fd_set_bits* sets[3] = {};           // of select: read, write, except; each may be null
  int64_t* offsets[2] = {};            // of splice and sendfile: in, out; each may be null
};

class SystemCall;

// Sees every call of a host with its arguments, as strace does; what it makes of them is no part of
// the run. Called on the CPU that runs the call.
class SyscallTracer {
 public:
  virtual ~SyscallTracer() = default;
  virtual void Entered(const SystemCall& call, SimTime time) = 0;
  // What the call has filled in is there.
  virtual void Ended(const SystemCall& call, int64_t result, SimTime time) = 0;
};

class SystemCall : private Sleeper, public ListNode<> {
 public:
  SystemCall(Syscalls& sys, Thread& thread, const SyscallArgs& args)
      : Sleeper(&SystemCall::Again), sys_(sys), thread_(thread), args_(args) {}
  // The same with the arguments that `make` returns, which come to be where they stay.
  template <typename Make>
    requires std::is_invocable_r_v<SyscallArgs, Make>
  SystemCall(Syscalls& sys, Thread& thread, const Make& make)
      : Sleeper(&SystemCall::Again), sys_(sys), thread_(thread), args_(make()) {}
  SystemCall(const SystemCall&) = delete;
  SystemCall& operator=(const SystemCall&) = delete;
  // REQUIRES: it has ended, or was never started, or its thread has been deleted.
  ~SystemCall() {
    if (state_ != State::kEnded) LetGo();
  }

  // --- co_await. The result is >= 0 or -errno. ---
  bool await_ready();
  void await_suspend(std::coroutine_handle<> caller);
  int64_t await_resume() const { return result_; }

  // --- By hand. ---
  using Done = void (*)(SystemCall* call, void* context);
  // Issues the call on its thread, which must have none under way: it is entered when the thread's
  // CPU next runs tasks, and `done` is called there when it has ended (it may be at once; it may
  // start the thread's next call, and destroy this one). Thread::Interrupt() ends a call that waits
  // with -EINTR.
  void Start(Done done, void* context);
  bool ended() const { return state_ == State::kEnded; }
  // REQUIRES: ended().
  int64_t result() const;

  // Does the call here and now, for code that builds a host before anything runs. One that would
  // have to wait gives what it would give without waiting (-EAGAIN, or 0 for poll).
  int64_t RunNow();

  const SyscallArgs& args() const { return args_; }
  Thread& thread() { return thread_; }
  const Thread& thread() const { return thread_; }

 private:
  friend class Syscalls;
  friend class SyscallBody;
  enum class State : uint8_t { kNew, kEntered, kEnded };
  static constexpr Jiffies kNoJiffies = ~Jiffies{0};

  // Inline in system_call.cc, which alone uses it; so are Try and End.
  inline void Enter();
  void Trace(TraceKind kind, uint64_t value);
  // Tries to get it done; false where it has to wait, which it may not say where this is its `last`
  // chance.
  inline bool Try(bool last);
  inline void End(int64_t result);
  void Sleep();
  bool TimedOut(WakeReason reason) const;
  // Gives up the file, the waits of a poll, and the place among those that sleep.
  void Leave() {
    if (linked() || poll_waits_ != nullptr || owns_file_) LeaveWaits();
    file_ = other_file_ = nullptr;
  }
  void LeaveWaits();
  static bool Again(Sleeper* sleeper, WakeReason reason);
  // The host goes down: ends with -EINTR, without running any more.
  void Abandon();
  // Of all that a call which is not to go on holds.
  void LetGo();

  // The notification of a zero-copy send is the user's from here on, or nobody's.
  void PutNotification();

  Syscalls& sys_;
  Thread& thread_;
  SyscallArgs args_;

  // What is ~0 and what is 0 when a call begins stands together: most calls never wait, and this is
  // then most of what they cost.

  // Until when, fixed by the first attempt that has to wait: one or the other.
  Jiffies expire_ = kNoJiffies;          // on the timer wheel (schedule_timeout)
  SimTime deadline_ = SimTime::Never();  // exactly (schedule_hrtimeout)
  Jiffies retry_at_ = kNoJiffies;        // tries again then, whatever happens
  SimTime mmsg_end_ = SimTime::Never();  // recvmmsg: no further message from then on

  State state_ = State::kNew;
  // How the last attempt wants to wait, where it does.
  bool must_wait_ = false;
  bool exclusive_ = false;
  bool deadline_known_ = false;
  uint32_t events_ = 0;
  // What the attempts so far leave to the next (see the head of this file).
  uint32_t disconnects_ = 0;  // sk_disconnects when the call first slept
  uint32_t messages_ = 0;     // sendmmsg, recvmmsg: done
  uint32_t out_flags_ = 0;    // msg_flags of the last successful one
  uint32_t poll_wait_count_ = 0;
  WaitQueue* queue_ = nullptr;
  int64_t if_interrupted_ = 0;  // the result where a signal ends the wait
  sock* writer_ = nullptr;      // counts in its sk_write_pending while the call sleeps
  int64_t given_up_ = 0;        // connect: the result where the wait times out
  size_t copied_ = 0;           // bytes moved
  size_t control_used_ = 0;  // bytes of control messages that the last successful one has written
  ubuf_info* ubuf_ = nullptr;
  PollWait* poll_waits_ = nullptr;  // where a poll sleeps: its descriptors
  file* file_ = nullptr;            // what fd means; a reference while the call sleeps
  file* other_file_ = nullptr;      // what the second descriptor means, likewise
  int64_t result_ = 0;
  Done done_ = nullptr;
  void* done_context_ = nullptr;
  bool again_ = false;  // there was an attempt
  bool mmsg_started_ = false;
  bool owns_file_ = false;  // close: the descriptor's reference is the call's to drop
};

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_SOCKET_SYSTEM_CALL_H_
