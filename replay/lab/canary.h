// In a canary build a run depends on what it may not depend on, for the tests of determinism to
// notice. Which canary it is, is said where a program is linked: canary.cc is the silent one, and a
// program that has another definition among its own objects does not get that.
#ifndef TAPEDECK_REPLAY_LAB_CANARY_H_
#define TAPEDECK_REPLAY_LAB_CANARY_H_

#include "stack/host.h"
#include "stack/kernel/world.h"

namespace tapedeck {

// Called once a Lab is built, with its first host.
void SingCanary(World& world, Host& host);

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_LAB_CANARY_H_
