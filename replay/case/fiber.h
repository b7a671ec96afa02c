// A function with a stack of its own, which can be left in its middle and gone on with later: how a
// run is stopped at an event, wherever in the stack's code that happens. One thread; no signals.
#ifndef TAPEDECK_REPLAY_CASE_FIBER_H_
#define TAPEDECK_REPLAY_CASE_FIBER_H_

#include <ucontext.h>

#include <cstddef>
#include <functional>

namespace tapedeck {

class Fiber {
 public:
  // `body` begins with the first Resume.
  explicit Fiber(std::function<void()> body);
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;
  // REQUIRES: the body has returned, or never begun; what is on its stack would be lost.
  ~Fiber();

  // Goes on with the body until it yields or returns. REQUIRES: not within the body, !returned().
  void Resume();
  // Leaves the body; Resume comes back. REQUIRES: within the body.
  void Yield();
  bool running() const { return running_; }
  bool returned() const { return returned_; }

 private:
  static void Entry(unsigned high, unsigned low);
  // What a sanitizer must know of a change of stacks: about to go onto the fiber's (or leave it),
  // and having arrived.
  void LeaveCaller(void** fake_stack);
  void LeaveBody(void** fake_stack);
  void Arrive(void* fake_stack, const void** old_stack, size_t* old_bytes);

  std::function<void()> body_;
  std::byte* stack_;
  ucontext_t caller_;
  ucontext_t context_;
  bool begun_ = false;
  bool running_ = false;
  bool returned_ = false;
  // Of the caller, for sanitizers.
  const void* caller_stack_ = nullptr;
  size_t caller_stack_bytes_ = 0;
};

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_CASE_FIBER_H_
