// The applications of L: coroutines on our host that do what a plan's actions say. Their state lies
// in the Lab's arena; the plan must outlive the Lab.
#ifndef TAPEDECK_REPLAY_STANDIN_FLOW_APP_H_
#define TAPEDECK_REPLAY_STANDIN_FLOW_APP_H_

#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "replay/standin/latency.h"
#include "replay/standin/plan.h"
#include "stack/host.h"

namespace tapedeck::standin {

// One flow's application.
struct FlowApp {
  const PlanFlow* flow = nullptr;
  Thread* reader = nullptr;
  int fd = -1;
  bool taken = false;  // it has its connection, or is on its way to one
  bool open = false;   // the connection is there
  bool ended = false;  // nothing more can be read or written
  bool writer_done = false;
  bool close_wanted = false;  // by the writer: the reader, which sleeps in a call, does it
  bool reset_wanted = false;
  int64_t received = 0;  // bytes and P's FIN; datagrams
  int64_t error = 0;     // of the first call that failed: -errno
  uint64_t read_bytes = 0;
  StreamHash read_hash;  // of the first PlanFlow::read_bytes of them
  uint32_t next_action = 0;
  SimTime wakes_at;               // a timed wait of the writer is over then; zero: it had none
  SimTime* reached_at = nullptr;  // by action: when what it waits for was on the wire
  SimTime arrived_at;             // when the last packet for it was
  uint32_t sleeper = 0;           // its place in AppWorld::sleeping, where wakes_at is not zero
  WaitQueue progress;
};

// Which flows have these ends (local, remote), in order.
using FlowIndex = std::map<std::pair<Endpoint, Endpoint>, std::vector<uint32_t>>;

struct AppWorld {
  Host* host = nullptr;
  const Plan* plan = nullptr;
  const FlowIndex* index = nullptr;
  FlowApp* apps = nullptr;  // as many as the plan has flows
  // Those whose writer has a time at which it wakes, or had one and is not done.
  uint32_t* sleeping = nullptr;
  uint32_t sleepers = 0;
  uint8_t* buffer = nullptr;  // what is read lies here until it is hashed
  SimTime start;              // the capture's first record
  const SendLatency* latency = nullptr;
};

// All that is passed must outlive them. Makes the state of all applications and starts them:
// listeners, clients and UDP sockets.
AppWorld* StartApps(Host& host, const Plan& plan, const FlowIndex& index, SimTime start,
                    const SendLatency& latency);

// Sets what a new connection of `flow` finds: options of its SYN.
void ApplyFlowSettings(Host& host, const FlowSettings& settings);

}  // namespace tapedeck::standin

#endif  // TAPEDECK_REPLAY_STANDIN_FLOW_APP_H_
