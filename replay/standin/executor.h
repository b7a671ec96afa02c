// Execution: a plan against our host (replay.md 4.4). Exact: it takes only the plan, and the same
// plan gives the same run.
//
// P's packets enter when what they acknowledge has been sent and their time has come; what they say
// about L's stream is mapped to our host's numbers. Where the capture can no longer drive, P is
// modelled: it acknowledges what our host has sent, and goes on with what the capture has of it.
#ifndef TAPEDECK_REPLAY_STANDIN_EXECUTOR_H_
#define TAPEDECK_REPLAY_STANDIN_EXECUTOR_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "replay/lab/lab.h"
#include "replay/standin/flow_app.h"
#include "replay/standin/flow_stimuli.h"
#include "replay/standin/latency.h"
#include "replay/standin/packet.h"
#include "replay/standin/plan.h"

namespace tapedeck::standin {

enum class Timing : uint8_t {
  kReactive,  // as long after their cause as in the capture
  kAbsolute,  // at the capture's times, later where they must wait
  kFast,      // as soon as they may
};

const char* TimingName(Timing timing);  // "reactive", ...

struct StandInOptions {
  LabOptions lab;  // its one host is filled in from the plan
  Timing timing = Timing::kReactive;
  // How long the run goes on behind its last packet and action.
  Duration settle = Duration::Seconds(1);
  // Of RunPlan: snapshot after so many frames, run on for as many, restore, and go on: the digest
  // must not change. 0: never.
  uint64_t restore_after_frames = 0;
  // Of RunPlan: asked now and then whether the run ends here.
  std::function<bool()> stop;
};

// What our host sent.
struct ObservedSegment {
  int64_t time_ns = 0;  // of its first bit, from the start of the capture
  SegmentFacts facts;
  uint32_t timestamp = 0;
};

// What became of one flow.
struct FlowResult {
  std::vector<ObservedSegment> sent;
  uint64_t as_captured = 0;  // packets of P that entered unchanged
  uint64_t rewritten = 0;
  uint64_t late = 0;  // that had to wait for our host
  uint64_t split = 0;
  uint64_t synthetic = 0;
  uint64_t skipped = 0;
  uint64_t modelled_acks = 0;  // that the model of P sent
  bool starved = false;        // the capture could not drive it to its end
  int64_t error = 0;           // of the application's calls
  uint64_t read_bytes = 0;
  uint64_t read_hash = 0;
  int64_t last_in_ns = 0;  // when the last packet of P entered
  // What P's packets said, as they entered: for the flow's final state.
  struct Entered {
    int64_t time_ns = 0;
    SegmentFacts facts;
  };
  std::vector<Entered> entered;
};

class StandIn : private FrameListener {
 public:
  // `plan` must outlive it, as must `arena`, which is reset and used where there is one.
  explicit StandIn(const Plan& plan, const StandInOptions& options, Arena* arena = nullptr);
  ~StandIn() override;
  StandIn(const StandIn&) = delete;
  StandIn& operator=(const StandIn&) = delete;

  Lab& lab() { return *lab_; }
  const SendLatency& latency() const { return latency_; }
  const FlowStimuli& stimuli() const { return stimuli_; }
  // When the capture's first record enters.
  SimTime start() const { return start_; }

  // Starts applications and stimuli; nothing has happened before.
  void Start();
  // One event or step of a CPU; false where the run is over.
  bool Step();
  // All packets have entered, all actions are done, and the time behind them is over.
  bool done() const;
  // What became of each flow. REQUIRES: done().
  std::vector<FlowResult> Finish();

  // What a checkpoint of the Lab must take along.
  struct FlowState {
    uint32_t next = 0;  // of the flow's stimuli
    // Of that, while its fragments enter: how many have, the data of all, and when the last will.
    uint32_t fragments_in = 0;
    std::vector<uint8_t> entering;
    SimTime whole_at;
    bool local_known = false;
    bool syn_entered = false;
    uint32_t local_initial = 0;  // our host's
    int64_t sent_end = 0;        // behind the highest position sent
    int64_t acknowledged = 0;    // by what has entered
    int64_t received_ack = 0;    // the highest ACK of our host
    SimTime last_in;
    SimTime last_progress;
    uint32_t idle_checks = 0;
    uint64_t datagrams_sent = 0;
    std::vector<SimTime> datagram_times;
    std::vector<uint32_t> highest;  // of result.sent: those that reached farther than any before
    FlowResult result;
  };
  struct State {
    std::vector<FlowState> flows;
    std::map<std::pair<Endpoint, Endpoint>, uint32_t> current;
    uint64_t next_other = 0;
    uint64_t unfinished = 0;  // flows with packets that have not entered
    SimTime last_event;
  };
  State Save() const { return state_; }
  void Restore(const State& state) { state_ = state; }

 private:
  // In the arena: when a flow's next packet enters, or when it is looked at whether it starves.
  struct FlowEvent : Event {
    using Event::Event;
    StandIn* run = nullptr;
    uint32_t flow = 0;
    bool is_check = false;
  };
  enum class Gate : uint8_t { kOpen, kUnsent, kDone };

  void BuildHost(const StandInOptions& options, Arena* arena);
  void AddNeighbours();
  static void OnFlow(Event* event, SimTime now);
  static void OnOther(Event* event, SimTime now);

  void OnFrame(uint8_t host, SimTime first_bit, std::span<const uint8_t> frame) override;
  void NoteSegment(SimTime time, const TcpSegment& segment);
  void NoteDatagram(SimTime time, const UdpHeading& datagram);
  uint32_t FlowSending(const TcpSegment& segment) const;

  const Stimulus* NextOf(uint32_t flow);
  void Advance(uint32_t flow);
  // When the last thing that is known to happen will have happened.
  SimTime LastThing() const;
  Gate GateOf(uint32_t flow, const Stimulus& stimulus, SimTime* earliest) const;
  Gate TcpGate(const FlowState& state, const PlanFlow& flow, const Stimulus& stimulus) const;
  bool CauseTime(const FlowState& state, const Stimulus& stimulus, SimTime* time) const;
  SimTime TimeOf(uint32_t flow, const Stimulus& stimulus, SimTime cause) const;
  // Puts the flow's next packet on the schedule, or has it looked after while it cannot enter.
  void Schedule(uint32_t flow, SimTime now);
  // When the first or next of its frames enters.
  SimTime EntryOf(const FlowState& state, const Stimulus& stimulus) const;
  void Enter(uint32_t flow, SimTime now);
  // What of `stimulus` our host gets: with what it says of L's stream mapped.
  std::vector<uint8_t> AsEntering(uint32_t flow, const Stimulus& stimulus, SimTime now);
  void EnterTcp(uint32_t flow, const Stimulus& stimulus, std::vector<uint8_t>* packet, SimTime now);
  void CheckStarved(uint32_t flow, SimTime now);
  void ModelAck(uint32_t flow, SimTime now);
  void Inject(const Stimulus& stimulus, std::span<const uint8_t> packet, SimTime now);
  std::optional<uint32_t> EchoFor(const FlowState& state, const Stimulus& stimulus) const;
  int64_t SinceStart(SimTime time) const;
  const FlowApp& app(uint32_t flow) const { return world_->apps[flow]; }

  const Plan& plan_;
  Timing timing_;
  Duration settle_;
  SendLatency latency_;
  std::unique_ptr<Lab> lab_;
  SimTime start_;
  FlowIndex index_;
  AppWorld* world_ = nullptr;
  FlowStimuli stimuli_;
  std::vector<bool> opens_;  // by flow: it begins with a SYN
  std::vector<FlowEvent*> events_;
  FlowEvent* other_event_ = nullptr;
  std::map<IpAddress, MacAddress> macs_;
  State state_;
};

}  // namespace tapedeck::standin

#endif  // TAPEDECK_REPLAY_STANDIN_EXECUTOR_H_
