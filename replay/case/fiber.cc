#include "replay/case/fiber.h"

#include <sys/mman.h>

#include <cstdint>
#include <utility>

#include "stack/base/check.h"
#include "stack/kernel/arena.h"

#ifdef TAPEDECK_ASAN_BUILD
#include <sanitizer/common_interface_defs.h>
#endif

namespace tapedeck {

namespace {

// As a thread's; pages are used as they are touched.
constexpr size_t kFiberStackBytes = size_t{8} << 20;
constexpr size_t kFiberGuardBytes = size_t{64} << 10;

}  // namespace

Fiber::Fiber(std::function<void()> body) : body_(std::move(body)) {
  void* const memory = mmap(nullptr, kFiberStackBytes, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  CHECK(memory != MAP_FAILED);
  CHECK_EQ(mprotect(memory, kFiberGuardBytes, PROT_NONE), 0);
  stack_ = static_cast<std::byte*>(memory);
  CHECK_EQ(getcontext(&context_), 0);
  context_.uc_stack.ss_sp = stack_ + kFiberGuardBytes;
  context_.uc_stack.ss_size = kFiberStackBytes - kFiberGuardBytes;
  context_.uc_link = nullptr;
  const auto self = reinterpret_cast<uintptr_t>(this);
  // The function's arguments are ints by the interface's definition.
  makecontext(&context_, reinterpret_cast<void (*)()>(&Fiber::Entry), 2,
              static_cast<unsigned>(self >> 32), static_cast<unsigned>(self));
}

Fiber::~Fiber() {
  CHECK(!begun_ || returned_);
  CHECK_EQ(munmap(stack_, kFiberStackBytes), 0);
}

void Fiber::Resume() {
  CHECK(!running_ && !returned_);
  begun_ = running_ = true;
  void* fake_stack = nullptr;
  LeaveCaller(&fake_stack);
  CHECK_EQ(swapcontext(&caller_, &context_), 0);
  Arrive(fake_stack, nullptr, nullptr);
  running_ = false;
}

void Fiber::Yield() {
  CHECK(running_);
  void* fake_stack = nullptr;
  LeaveBody(&fake_stack);
  CHECK_EQ(swapcontext(&context_, &caller_), 0);
  Arrive(fake_stack, &caller_stack_, &caller_stack_bytes_);
}

void Fiber::Entry(unsigned high, unsigned low) {
  auto* const self = reinterpret_cast<Fiber*>(static_cast<uintptr_t>(high) << 32 | low);
  self->Arrive(nullptr, &self->caller_stack_, &self->caller_stack_bytes_);
  self->body_();
  self->returned_ = true;
  self->LeaveBody(nullptr);  // for good
  swapcontext(&self->context_, &self->caller_);
}

#ifdef TAPEDECK_ASAN_BUILD
void Fiber::LeaveCaller(void** fake_stack) {
  __sanitizer_start_switch_fiber(fake_stack, context_.uc_stack.ss_sp, context_.uc_stack.ss_size);
}
void Fiber::LeaveBody(void** fake_stack) {
  __sanitizer_start_switch_fiber(fake_stack, caller_stack_, caller_stack_bytes_);
}
void Fiber::Arrive(void* fake_stack, const void** old_stack, size_t* old_bytes) {
  __sanitizer_finish_switch_fiber(fake_stack, old_stack, old_bytes);
}
#else
void Fiber::LeaveCaller(void**) {}
void Fiber::LeaveBody(void**) {}
void Fiber::Arrive(void*, const void**, size_t*) {}
#endif

}  // namespace tapedeck
