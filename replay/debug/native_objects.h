// What a native debugger can ask the program for, by the names of objects.h, and the types to show
// it with. gdb's side is tools/gdb/tapedeck.py: `print *$object("tcp(3)")`.
#ifndef TAPEDECK_REPLAY_DEBUG_NATIVE_OBJECTS_H_
#define TAPEDECK_REPLAY_DEBUG_NATIVE_OBJECTS_H_

#include "replay/case/case_run.h"

// The object of the run under way that `name` means ("tcp(3)", "rx_ring(eth0)", "host(1).tcp");
// null where there is none. Nothing but debuggers calls it.
extern "C" const void* tapedeck_object(const char* name);

namespace tapedeck {

// From now on objects are those of `run`, which must outlive what is asked; null: of none.
void ShowToNativeDebugger(CaseRun* run);

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_DEBUG_NATIVE_OBJECTS_H_
