// What of an input says which promises it leaves in force, found in one walk over its steps.
#ifndef TAPEDECK_FUZZ_SCRIPT_TRAITS_H_
#define TAPEDECK_FUZZ_SCRIPT_TRAITS_H_

#include "replay/script/script.h"

namespace tapedeck::fuzz {

struct ScriptTraits {
  // A NIC may say what is not so, or touch what is not its own (HasLyingNic).
  bool nic_lies = false;
  // Registers, faults, links or a busy CPU keep interrupts from coming when they are due.
  bool interrupts_held_up = false;
  // The Lab is put back to an earlier state.
  bool goes_back = false;
  // A socket whose user may write headers of any kind: neither stream nor datagram, or of a family
  // other than IP.
  bool makes_headers = false;
  // A peer's stream may have other bytes than those of their positions: frames of TCP have any, and
  // a wrong data offset makes options of data.
  bool sends_other_bytes = false;
  // Settings say how long something lasts, or a FIN fails for lack of memory, which Linux does not
  // try again.
  bool changes_settings = false;
  bool fails_allocations = false;
  // Datagrams over IPv6 may have no checksum: a user says so.
  bool leaves_out_checksums = false;
};

ScriptTraits TraitsOf(const Script& script);

}  // namespace tapedeck::fuzz

#endif  // TAPEDECK_FUZZ_SCRIPT_TRAITS_H_
