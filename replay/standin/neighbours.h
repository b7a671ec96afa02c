// The neighbours that a captured host knew already.
#ifndef TAPEDECK_REPLAY_STANDIN_NEIGHBOURS_H_
#define TAPEDECK_REPLAY_STANDIN_NEIGHBOURS_H_

#include "replay/lab/lab.h"
#include "replay/standin/plan.h"

namespace tapedeck::standin {

// The Lab's host knows `neighbour` for good. Nothing where its MAC is no station's.
void AddNeighbour(Lab& lab, const PlanNeighbour& neighbour);

}  // namespace tapedeck::standin

#endif  // TAPEDECK_REPLAY_STANDIN_NEIGHBOURS_H_
