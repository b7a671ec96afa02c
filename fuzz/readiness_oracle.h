// API of readiness: what poll says of a descriptor is what the next call on it does.
//
//   API:readable:<kind>     what is readable gives a reader something: bytes, an end, an error, a
//                           connection
//   API:unreadable:<kind>   ... and what is not has it wait
//   API:writable:<kind>     what is writable does not have a writer wait
//
// And of fairness: FAIR:in_turn:epoll_item, of flows that are ready at once an epoll instance tells
// each before it tells any again.
//
// <kind> is stream, listener, datagram, pipe or epoll.
#ifndef TAPEDECK_FUZZ_READINESS_ORACLE_H_
#define TAPEDECK_FUZZ_READINESS_ORACLE_H_

#include "replay/lab/lab.h"

namespace tapedeck::fuzz {

// Asks every open descriptor of every host, lowest first, and makes the calls: data is read,
// connections are accepted, a byte is sent. REQUIRES: nothing is running.
void CheckReadiness(Lab& lab);

}  // namespace tapedeck::fuzz

#endif  // TAPEDECK_FUZZ_READINESS_ORACLE_H_
