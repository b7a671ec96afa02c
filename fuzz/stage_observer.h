// Attaches what ObserveRuns() asked for to a Stage's recorder.
#ifndef TAPEDECK_FUZZ_STAGE_OBSERVER_H_
#define TAPEDECK_FUZZ_STAGE_OBSERVER_H_

#include "replay/trace/recorder.h"

namespace tapedeck::fuzz {

// Does nothing where nobody asked. Once, when the Stage is set up; `hosts` of its Lab.
void AttachObservers(Recorder& recorder, int hosts);

}  // namespace tapedeck::fuzz

#endif  // TAPEDECK_FUZZ_STAGE_OBSERVER_H_
