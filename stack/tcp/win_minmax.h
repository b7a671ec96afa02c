// Kathleen Nichols' windowed minimum / maximum (lib/win_minmax.c): the best of the last `win`
// ticks, from three samples.
#ifndef TAPEDECK_STACK_TCP_WIN_MINMAX_H_
#define TAPEDECK_STACK_TCP_WIN_MINMAX_H_

#include <cstdint>

namespace tapedeck {

struct minmax_sample {
  uint32_t t = 0;  // when
  uint32_t v = 0;
};
struct minmax {
  minmax_sample s[3];  // best, second and third best
};

inline uint32_t minmax_get(const minmax* m) { return m->s[0].v; }
// Forgets all but `meas`, which it returns.
uint32_t minmax_reset(minmax* m, uint32_t t, uint32_t meas);
// Takes a sample in and returns the best now. `t` never decreases (mod 2^32).
uint32_t minmax_running_max(minmax* m, uint32_t win, uint32_t t, uint32_t meas);
uint32_t minmax_running_min(minmax* m, uint32_t win, uint32_t t, uint32_t meas);

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_TCP_WIN_MINMAX_H_
