// Reports of multicast listeners (RFC 2710, 3810), which a host sends at random times after it has
// joined or left a group, and which no two hosts send alike.
#ifndef TAPEDECK_REPLAY_DIFFERENTIAL_LISTENER_REPORTS_H_
#define TAPEDECK_REPLAY_DIFFERENTIAL_LISTENER_REPORTS_H_

#include "replay/differential/run.h"

namespace tapedeck::differential {

// Takes them out of `run`: their frames, and what they count.
void TakeOutListenerReports(Run* run);

}  // namespace tapedeck::differential

#endif  // TAPEDECK_REPLAY_DIFFERENTIAL_LISTENER_REPORTS_H_
