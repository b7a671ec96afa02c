// Preloaded into user-mode Linux 6.1 by tools/capture-corpus. That kernel restores a process's floating point state with a
// buffer as large as the states it knows; a host whose processor has more (AMX) refuses a short one with EFAULT. So a short
// buffer is laid over the whole state as it is, and that is written back.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <elf.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/types.h>
#include <sys/uio.h>

typedef long (*PtraceFunction)(enum __ptrace_request, ...);

long ptrace(enum __ptrace_request request, ...) {
  static PtraceFunction next;
  if (next == NULL) next = (PtraceFunction)dlsym(RTLD_NEXT, "ptrace");
  va_list arguments;
  va_start(arguments, request);
  const pid_t pid = va_arg(arguments, pid_t);
  void* const address = va_arg(arguments, void*);
  void* const data = va_arg(arguments, void*);
  va_end(arguments);

  if (request == PTRACE_SETREGSET && address == (void*)NT_X86_XSTATE) {
    static char state[1 << 16];
    struct iovec whole = {state, sizeof(state)};
    const struct iovec* const given = data;
    if (next(PTRACE_GETREGSET, pid, address, &whole) == 0 && given->iov_len < whole.iov_len) {
      memcpy(state, given->iov_base, given->iov_len);
      return next(PTRACE_SETREGSET, pid, address, &whole);
    }
  }
  return next(request, pid, address, data);
}
