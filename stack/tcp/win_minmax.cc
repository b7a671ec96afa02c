#include "stack/tcp/win_minmax.h"

namespace tapedeck {
namespace {

// The best sample has left the window: the others move up, once more where the second is too old
// as well (the third is not: the caller has looked).
void DropExpired(minmax* m, uint32_t win, const minmax_sample& sample) {
  for (int round = 0; round < 2 && sample.t - m->s[0].t > win; ++round) {
    m->s[0] = m->s[1];
    m->s[1] = m->s[2];
    m->s[2] = sample;
  }
}

// Keeps the three samples apart in time, so that a steadily changing value still finds a good
// successor when the best expires: one from the window's second quarter, one from its second half.
uint32_t AdvanceWindow(minmax* m, uint32_t win, const minmax_sample& sample) {
  const uint32_t age = sample.t - m->s[0].t;
  if (age > win) {
    DropExpired(m, win, sample);
  } else if (m->s[1].t == m->s[0].t && age > win / 4) {
    m->s[2] = m->s[1] = sample;
  } else if (m->s[2].t == m->s[1].t && age > win / 2) {
    m->s[2] = sample;
  }
  return m->s[0].v;
}

// `at_least_as_good(a, b)`: a sample of value `a`, being newer, makes one of value `b` useless.
template <typename Compare>
uint32_t RunningBest(minmax* m, uint32_t win, const minmax_sample& sample,
                     Compare at_least_as_good) {
  const bool window_empty = sample.t - m->s[2].t > win;
  if (at_least_as_good(sample.v, m->s[0].v) || window_empty) {
    return minmax_reset(m, sample.t, sample.v);
  }
  if (at_least_as_good(sample.v, m->s[1].v)) {
    m->s[2] = m->s[1] = sample;
  } else if (at_least_as_good(sample.v, m->s[2].v)) {
    m->s[2] = sample;
  }
  return AdvanceWindow(m, win, sample);
}

}  // namespace

uint32_t minmax_reset(minmax* m, uint32_t t, uint32_t meas) {
  m->s[0] = m->s[1] = m->s[2] = {.t = t, .v = meas};
  return meas;
}

uint32_t minmax_running_max(minmax* m, uint32_t win, uint32_t t, uint32_t meas) {
  return RunningBest(m, win, {.t = t, .v = meas}, [](uint32_t a, uint32_t b) { return a >= b; });
}

uint32_t minmax_running_min(minmax* m, uint32_t win, uint32_t t, uint32_t meas) {
  return RunningBest(m, win, {.t = t, .v = meas}, [](uint32_t a, uint32_t b) { return a <= b; });
}

}  // namespace tapedeck
