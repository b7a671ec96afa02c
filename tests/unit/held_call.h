// A system call that a test holds while it waits, on a thread of its own:
//
//     HeldCall read(host, [&](Thread& thread) { return host.sys().Read(thread, fd, buffer); });
//     host.RunFor(...);
//     EXPECT_FALSE(read.ended());
#ifndef TAPEDECK_TESTS_UNIT_HELD_CALL_H_
#define TAPEDECK_TESTS_UNIT_HELD_CALL_H_

#include <cstdint>

#include "socket_host.h"  // beside this file

namespace tapedeck {

class HeldCall {
 public:
  // `make` is given the thread and returns the call, which begins within the next microsecond.
  template <typename Make>
  HeldCall(SocketHost& host, Make make)
      : host_(host), thread_(*host.kernel.NewThread(0)), call_(make(thread_)) {
    call_.Start(
        [](SystemCall*, void* self) {
          auto* const held = static_cast<HeldCall*>(self);
          held->ended_at_ = held->host_.kernel.now();
        },
        this);
    host.RunFor(Duration::Microseconds(1));
  }
  HeldCall(const HeldCall&) = delete;
  HeldCall& operator=(const HeldCall&) = delete;
  // A call that still waits is interrupted.
  ~HeldCall() {
    if (ended()) return;
    Interrupt();
    host_.RunFor(Duration::Microseconds(1));
  }

  bool ended() const { return call_.ended(); }
  // REQUIRES: ended().
  int64_t result() const { return call_.result(); }
  SimTime ended_at() const { return ended_at_; }
  // A signal.
  void Interrupt() { thread_.Interrupt(); }

 private:
  SocketHost& host_;
  Thread& thread_;
  SimTime ended_at_;
  SystemCall call_;
};

}  // namespace tapedeck

#endif  // TAPEDECK_TESTS_UNIT_HELD_CALL_H_
