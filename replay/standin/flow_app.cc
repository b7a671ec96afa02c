#include "replay/standin/flow_app.h"

#include <algorithm>
#include <cerrno>
#include <string>

#include "stack/core/uapi.h"
#include "stack/ipv4/ip.h"
#include "stack/ipv4/mcast_sock.h"
#include "stack/ipv6/in6.h"
#include "stack/socket/sock_options.h"
#include "stack/tcp/tcp_uapi.h"
#include "stack/wire/ip_protocol.h"
#include "stack/wire/udp.h"

namespace tapedeck::standin {
namespace {

constexpr int kAppsBacklog = 4096;
constexpr Duration kAcceptAgain = Duration::Milliseconds(10);
constexpr size_t kFilesBeside = 64;  // open files that are no flow's and no listener's
constexpr size_t kReadBytes = 64 * 1024;
// MSG_OOB, MSG_MORE, MSG_FASTOPEN.
constexpr uint32_t kSendUrgent = 0x1;
constexpr uint32_t kSendMore = 0x8000;
constexpr uint32_t kSendFastOpen = 0x20000000;
// tcp_fastopen: client and server; both without a valid cookie, where data were sent in a SYN.
constexpr const char* kFastOpenCookie = "3";
constexpr const char* kFastOpenData = "519";
constexpr int kFastOpenQueue = 256;
// So that no write has to wait: a captured application wrote when it wrote.
constexpr int64_t kSendBufferSpare = 1 << 20;
constexpr int64_t kSendBufferMax = 1 << 30;
constexpr int kDeviceIndex = 2;  // the NIC: the first behind the loopback
constexpr uint8_t kWindowScaleDefault = 10;
constexpr uint64_t kReceiveLargest = 33'554'432;  // tcp_rmem[2], which makes for that scale
constexpr size_t kFrameHeaders4 = 34;             // Ethernet and IP
constexpr size_t kFrameHeaders6 = 54;
constexpr size_t kTcpHeaderUsual = 32;  // with timestamps
constexpr uint32_t kHeaderBytes4 = 40;
constexpr uint32_t kHeaderBytes6 = 60;

int DomainOf(const Endpoint& end) { return end.address.is_v6() ? kAfInet6 : kAfInet; }

// What the writer waits for, and where it sleeps meanwhile.
class AppProgress {
 public:
  AppProgress(FlowApp& app, int64_t received) : app_(app), received_(received) {}
  bool Try() const { return app_.ended || (app_.open && app_.received >= received_); }
  WaitQueue& queue() { return app_.progress; }
  uint32_t events() const { return kAnyEvent; }
  SimTime deadline() const { return SimTime::Never(); }
  void GiveUp(WakeReason) {}

 private:
  FlowApp& app_;
  int64_t received_;
};

void NeverWakes(AppWorld& world, FlowApp& app) {
  if (app.wakes_at == SimTime::Zero()) return;
  app.wakes_at = SimTime::Zero();
  const uint32_t last = world.sleeping[--world.sleepers];
  world.sleeping[app.sleeper] = last;
  world.apps[last].sleeper = app.sleeper;
}

// Its writer wakes at `time`.
void WakeAt(AppWorld& world, FlowApp& app, SimTime time) {
  if (time == SimTime::Zero()) return NeverWakes(world, app);
  if (app.wakes_at == SimTime::Zero()) {
    app.sleeper = world.sleepers++;
    world.sleeping[app.sleeper] = static_cast<uint32_t>(&app - world.apps);
  }
  app.wakes_at = time;
}

void NoteError(FlowApp& app, int64_t result) {
  if (result < 0 && app.error == 0) app.error = result;
}

// What is on the wire at `time` has left the application so much earlier.
SimTime Before(SimTime time, const AppWorld& world, const PlanFlow& flow, size_t payload_bytes) {
  const bool is_tcp = flow.protocol == wire::kIpProtoTcp;
  const size_t headers = (flow.local.address.is_v4() ? kFrameHeaders4 : kFrameHeaders6) +
                         (is_tcp ? kTcpHeaderUsual : wire::kUdpHeaderBytes);
  const size_t full = is_tcp && flow.settings.mss_bytes != 0 ? flow.settings.mss_bytes : 1'460;
  const Duration latency = world.latency->Of(headers + std::min(payload_bytes, full));
  return SimTime::At(Duration::Nanoseconds(time.ns() - std::min(time.ns(), latency.ns())));
}

// Something came, or the connection opened: actions that waited for it know when.
void NoteReached(FlowApp& app, SimTime now) {
  if (app.arrived_at != SimTime::Zero()) now = app.arrived_at;
  const std::vector<Action>& actions = app.flow->actions;
  for (size_t i = app.next_action; i < actions.size(); ++i) {
    if (actions[i].after > app.received) break;
    if (app.reached_at[i] == SimTime::Never()) app.reached_at[i] = now;
  }
  app.progress.WakeUp();
}

Task<> CloseSocket(Thread& thread, Host& host, FlowApp& app) {
  if (app.fd < 0) co_return;
  const int fd = app.fd;
  app.fd = -1;
  app.ended = true;
  if (app.reset_wanted) {
    const user_linger linger{1, 0};
    co_await host.syscalls().Setsockopt(thread, fd, kSolSocket, kSoLinger, &linger, sizeof(linger));
  }
  co_await host.syscalls().Close(thread, fd);
}

// --- Streams. ---

Task<> ReadStream(Thread& thread, AppWorld& world, FlowApp& app) {
  Host& host = *world.host;
  while (!app.close_wanted) {
    const int64_t bytes =
        co_await host.syscalls().Read(thread, app.fd, std::span(world.buffer, kReadBytes));
    if (bytes <= 0) {
      if (!app.close_wanted) NoteError(app, bytes);
      if (bytes == 0) ++app.received;  // the FIN
      if (bytes < 0) app.ended = true;
      break;
    }
    const auto wanted =
        std::min<uint64_t>(static_cast<uint64_t>(bytes),
                           app.flow->read_bytes - std::min(app.read_bytes, app.flow->read_bytes));
    app.read_hash.Add(std::span(world.buffer, static_cast<size_t>(wanted)));
    app.read_bytes += static_cast<uint64_t>(bytes);
    app.received += bytes;
    NoteReached(app, host.kernel().now());
  }
  app.reader = nullptr;
  if (app.close_wanted || app.ended || app.writer_done) {
    const bool over =
        app.close_wanted || app.ended ||
        (!app.flow->actions.empty() && app.flow->actions.back().kind == ActionKind::kShutdown);
    if (over) co_await CloseSocket(thread, host, app);
  }
  NoteReached(app, host.kernel().now());
}

// Waits until action `i` is due. False where it never will be.
Task<bool> WaitForAction(Thread& thread, AppWorld& world, FlowApp& app, size_t i) {
  const Action& action = app.flow->actions[i];
  AppProgress progress(app, action.after);
  co_await Block(thread, progress);
  if (app.ended && (!app.open || app.received < action.after)) co_return false;
  if (app.reached_at[i] == SimTime::Never()) app.reached_at[i] = world.host->kernel().now();
  const SimTime due = Before(app.reached_at[i] + Duration::Nanoseconds(action.delay_ns), world,
                             *app.flow, action.data.size());
  const SimTime now = world.host->kernel().now();
  if (due > now) {
    WakeAt(world, app, due);
    if (!co_await SleepFor(thread, due - now)) co_return false;
  }
  co_return !app.ended;
}

Task<> AskForClose(Thread& thread, AppWorld& world, FlowApp& app) {
  app.close_wanted = true;
  if (app.reader != nullptr) {
    app.reader->Interrupt();
    co_return;
  }
  co_await CloseSocket(thread, *world.host, app);
}

Task<> DoStreamAction(Thread& thread, AppWorld& world, FlowApp& app, const Action& action) {
  Syscalls& sys = world.host->syscalls();
  switch (action.kind) {
    case ActionKind::kWrite: {
      if (action.together == Together::kCork) {
        const int on = 1;
        co_await sys.Setsockopt(thread, app.fd, kSolTcp, kTcpCork, &on, sizeof(on));
      }
      const uint32_t flags =
          (action.together == Together::kMore ? kSendMore : 0) | (action.urgent ? kSendUrgent : 0);
      NoteError(app, co_await sys.Sendto(thread, app.fd, action.data, flags));
      break;
    }
    case ActionKind::kShutdown:
      NoteError(app, co_await sys.Shutdown(thread, app.fd, kShutWrite));
      break;
    case ActionKind::kReset:
      app.reset_wanted = true;
      [[fallthrough]];
    case ActionKind::kClose:
      co_await AskForClose(thread, world, app);
      break;
  }
}

Task<> WriteStream(Thread& thread, AppWorld& world, FlowApp& app) {
  const std::vector<Action>& actions = app.flow->actions;
  for (size_t i = app.next_action; i < actions.size(); ++i) {
    app.next_action = static_cast<uint32_t>(i);
    if (!co_await WaitForAction(thread, world, app, i)) break;
    if (app.fd < 0) break;
    co_await DoStreamAction(thread, world, app, actions[i]);
  }
  app.next_action = static_cast<uint32_t>(actions.size());
  app.writer_done = true;
  NeverWakes(world, app);
  const bool half_closed = !actions.empty() && actions.back().kind == ActionKind::kShutdown;
  if (app.reader == nullptr && half_closed) co_await CloseSocket(thread, *world.host, app);
}

Task<> SetFlowOptions(Thread& thread, AppWorld& world, int fd, const PlanFlow& flow) {
  Syscalls& sys = world.host->syscalls();
  const int on = 1;
  co_await sys.Setsockopt(thread, fd, kSolSocket, kSoReuseaddr, &on, sizeof(on));
  const uint32_t headers = flow.local.address.is_v4() ? kHeaderBytes4 : kHeaderBytes6;
  const int mss = flow.settings.mss_bytes;
  if (mss != 0 && static_cast<uint32_t>(mss) + headers < world.plan->mtu_bytes) {
    co_await sys.Setsockopt(thread, fd, kSolTcp, kTcpMaxseg, &mss, sizeof(mss));
  }
  co_await sys.Setsockopt(thread, fd, kSolTcp, kTcpNodelay, &on, sizeof(on));
  // Urgent bytes are read like all others.
  co_await sys.Setsockopt(thread, fd, kSolSocket, kSoOobinline, &on, sizeof(on));
}

// Opens the connection: with the first write in the SYN, or waiting for it, where L did so.
Task<int64_t> OpenFlow(Thread& thread, AppWorld& world, FlowApp& app, int fd) {
  Syscalls& sys = world.host->syscalls();
  const PlanFlow& flow = *app.flow;
  const bool with_data = flow.settings.fast_open != FastOpen::kNone && !flow.actions.empty() &&
                         flow.actions[0].kind == ActionKind::kWrite && flow.actions[0].after == 0;
  if (!with_data) co_return co_await sys.Connect(thread, fd, flow.remote);
  app.next_action = 1;
  co_return co_await sys.Sendto(thread, fd, flow.actions[0].data, kSendFastOpen, flow.remote);
}

void StartConnection(AppWorld* world, FlowApp* app, int fd) {
  app->fd = fd;
  app->open = true;
  NoteReached(*app, world->host->kernel().now());
  app->reader = world->host->kernel().Spawn(
      0, [world, app](Thread& thread) { return ReadStream(thread, *world, *app); });
  world->host->kernel().Spawn(
      0, [world, app](Thread& thread) { return WriteStream(thread, *world, *app); });
}

Task<> SetSendBuffer(Thread& thread, AppWorld& world, FlowApp& app, int fd) {
  int64_t total = kSendBufferSpare;
  for (const Action& action : app.flow->actions) {
    total += 2 * static_cast<int64_t>(action.data.size());
  }
  const int bytes = static_cast<int>(std::min(total, kSendBufferMax));
  co_await world.host->syscalls().Setsockopt(thread, fd, kSolSocket, kSoSndbufforce, &bytes,
                                             sizeof(bytes));
}

// The application that waits for a connection between these ends; nullptr where none does.
FlowApp* FindWaiting(AppWorld& world, const Endpoint& local, const Endpoint& remote) {
  const auto found = world.index->find({local, remote});
  if (found == world.index->end()) return nullptr;
  for (const uint32_t i : found->second) {
    if (!world.apps[i].taken) return &world.apps[i];
  }
  return nullptr;
}

// tcp_rmem, whose second number is what a new socket begins with. `bytes` of 0: the usual.
void SetReceiveBuffer(Host& host, uint64_t bytes, uint64_t largest) {
  constexpr uint64_t kUsual = 131'072;
  const uint64_t initial = std::max(bytes, kUsual);
  largest = std::min<uint64_t>(std::max(largest, initial), 0x7fffffff);
  host.kernel().sysctl().Write("net/ipv4/tcp_rmem",
                               "4096 " + std::to_string(initial) + " " + std::to_string(largest));
}

// A connection has its listener's buffer: what any of them needs.
void PrepareListener(AppWorld& world, const Plan::Listener& listener) {
  uint32_t bytes = 0;
  for (const PlanFlow& flow : world.plan->flows) {
    if (flow.local == listener.local) bytes = std::max(bytes, flow.settings.receive_buffer_bytes);
  }
  if (bytes != 0) SetReceiveBuffer(*world.host, bytes, kReceiveLargest);
}

Task<> AcceptFlows(Thread& thread, AppWorld& world, const Plan::Listener& listener) {
  Syscalls& sys = world.host->syscalls();
  const SimTime open_at =
      world.start + Duration::Nanoseconds(static_cast<uint64_t>(listener.open_ns));
  if (listener.open_ns > 0) {
    if (!co_await SleepFor(thread, open_at - world.host->kernel().now())) co_return;
  }
  PrepareListener(world, listener);
  const auto fd =
      static_cast<int>(co_await sys.Socket(thread, DomainOf(listener.local), SOCK_STREAM, 0));
  if (fd < 0) co_return;
  for (const PlanFlow& flow : world.plan->flows) {
    if (flow.local == listener.local && flow.role == Role::kPassive && !flow.expected.empty()) {
      co_await SetFlowOptions(thread, world, fd, flow);
      break;
    }
  }
  co_await sys.Setsockopt(thread, fd, kSolTcp, kTcpFastopen, &kFastOpenQueue,
                          sizeof(kFastOpenQueue));
  if (co_await sys.Bind(thread, fd, listener.local) < 0) co_return;
  if (co_await sys.Listen(thread, fd, kAppsBacklog) < 0) co_return;
  while (true) {
    SockAddr peer;
    const int64_t child = co_await sys.Accept(thread, fd, &peer);
    if (child == -EINTR || child == -EBADF || child == -EINVAL) co_return;
    if (child < 0) {
      // No memory: it may be there later.
      if (!co_await SleepFor(thread, kAcceptAgain)) co_return;
      continue;
    }
    const auto remote = peer.ToEndpoint();
    FlowApp* const app = remote.has_value() ? FindWaiting(world, listener.local, *remote) : nullptr;
    if (app == nullptr) {
      co_await sys.Close(thread, static_cast<int>(child));
      continue;
    }
    app->taken = true;
    co_await SetSendBuffer(thread, world, *app, static_cast<int>(child));
    StartConnection(&world, app, static_cast<int>(child));
  }
}

Task<> ConnectFlow(Thread& thread, AppWorld& world, FlowApp& app) {
  Syscalls& sys = world.host->syscalls();
  const PlanFlow& flow = *app.flow;
  const SimTime at = Before(
      world.start + Duration::Nanoseconds(static_cast<uint64_t>(flow.open_ns)), world, flow, 0);
  WakeAt(world, app, at);
  const SimTime now = world.host->kernel().now();
  if (at > now && !co_await SleepFor(thread, at - now)) co_return;
  app.taken = true;
  ApplyFlowSettings(*world.host, flow.settings);
  const auto fd =
      static_cast<int>(co_await sys.Socket(thread, DomainOf(flow.local), SOCK_STREAM, 0));
  if (fd < 0) co_return;
  co_await SetFlowOptions(thread, world, fd, flow);
  co_await SetSendBuffer(thread, world, app, fd);
  int64_t result = co_await sys.Bind(thread, fd, flow.local);
  if (result == 0) result = co_await OpenFlow(thread, world, app, fd);
  NeverWakes(world, app);
  if (result < 0) {
    NoteError(app, result);
    app.ended = app.writer_done = true;
    co_await sys.Close(thread, fd);
    co_return;
  }
  StartConnection(&world, &app, fd);
}

// --- Datagrams. ---

Task<> WriteDatagrams(Thread& thread, AppWorld& world, FlowApp& app) {
  const std::vector<Action>& actions = app.flow->actions;
  for (size_t i = 0; i < actions.size(); ++i) {
    app.next_action = static_cast<uint32_t>(i);
    if (!co_await WaitForAction(thread, world, app, i)) break;
    NoteError(app, co_await world.host->syscalls().Sendto(thread, app.fd, actions[i].data, 0,
                                                          app.flow->remote));
  }
  app.next_action = static_cast<uint32_t>(actions.size());
  app.writer_done = true;
  NeverWakes(world, app);
}

// Datagrams before the first are counted from the flow's first packet in the capture.
Task<> OpenDatagrams(Thread& thread, AppWorld& world, FlowApp& app) {
  const SimTime open_at =
      world.start + Duration::Nanoseconds(static_cast<uint64_t>(app.flow->open_ns));
  const std::vector<Action>& actions = app.flow->actions;
  const SimTime at =
      Before(open_at, world, *app.flow, actions.empty() ? 0 : actions.front().data.size());
  const SimTime now = world.host->kernel().now();
  WakeAt(world, app, at);
  if (at > now && !co_await SleepFor(thread, at - now)) co_return;
  app.open = true;
  if (app.arrived_at == SimTime::Zero()) app.arrived_at = open_at;
  NoteReached(app, open_at);
  co_await WriteDatagrams(thread, world, app);
}

// Membership of the group that the socket is bound to.
Task<> JoinGroup(Thread& thread, Host& host, int fd, const IpAddress& group) {
  if (group.is_v4()) {
    const ip_mreqn request{group.v4(), kIpv4Any, kDeviceIndex};
    co_await host.syscalls().Setsockopt(thread, fd, kSolIp, kIpAddMembership, &request,
                                        sizeof(request));
  } else {
    const ipv6_mreq request{group.v6(), kDeviceIndex};
    co_await host.syscalls().Setsockopt(thread, fd, kSolIpv6, kIpv6AddMembership, &request,
                                        sizeof(request));
  }
}

Task<> ServeDatagrams(Thread& thread, AppWorld& world, const Plan::Listener& listener) {
  Syscalls& sys = world.host->syscalls();
  const auto fd =
      static_cast<int>(co_await sys.Socket(thread, DomainOf(listener.local), SOCK_DGRAM, 0));
  if (fd < 0) co_return;
  const int on = 1;
  co_await sys.Setsockopt(thread, fd, kSolSocket, kSoReuseaddr, &on, sizeof(on));
  co_await sys.Setsockopt(thread, fd, kSolSocket, kSoBroadcast, &on, sizeof(on));
  if (co_await sys.Bind(thread, fd, listener.local) < 0) co_return;
  if (listener.local.address.IsMulticast()) {
    co_await JoinGroup(thread, *world.host, fd, listener.local.address);
  }
  for (size_t i = 0; i < world.plan->flows.size(); ++i) {
    FlowApp* const app = &world.apps[i];
    if (app->flow->protocol != listener.protocol || app->flow->local != listener.local) continue;
    app->fd = fd;
    app->taken = true;
    world.host->kernel().Spawn(
        0, [world = &world, app](Thread& its) { return OpenDatagrams(its, *world, *app); });
  }
  while (true) {
    SockAddr from;
    const int64_t bytes =
        co_await sys.Recvfrom(thread, fd, std::span(world.buffer, kReadBytes), 0, &from);
    if (bytes == -EINTR || bytes == -EBADF) co_return;
    if (bytes < 0) continue;  // an ICMP error to something this port has sent
    const auto remote = from.ToEndpoint();
    if (!remote.has_value()) continue;
    const auto found = world.index->find({listener.local, *remote});
    if (found == world.index->end()) continue;
    FlowApp& app = world.apps[found->second.front()];
    app.open = true;
    app.read_hash.Add(std::span(world.buffer, static_cast<size_t>(bytes)));
    app.read_bytes += static_cast<uint64_t>(bytes);
    ++app.received;
    NoteReached(app, world.host->kernel().now());
  }
}

}  // namespace

void ApplyFlowSettings(Host& host, const FlowSettings& settings) {
  SysctlTree& sysctl = host.kernel().sysctl();
  sysctl.Write("net/ipv4/tcp_sack", settings.sack ? "1" : "0");
  sysctl.Write("net/ipv4/tcp_timestamps", settings.timestamps ? "1" : "0");
  sysctl.Write("net/ipv4/tcp_window_scaling", settings.window_scale.has_value() ? "1" : "0");
  sysctl.Write("net/ipv4/tcp_ecn", settings.ecn ? "1" : "0");
  sysctl.Write("net/ipv4/tcp_fastopen", settings.fast_open == FastOpen::kData     ? kFastOpenData
                                        : settings.fast_open == FastOpen::kCookie ? kFastOpenCookie
                                                                                  : "1");
  // tcp_select_initial_window: the scale is what the largest buffer needs.
  const uint8_t scale = settings.window_scale.value_or(kWindowScaleDefault);
  const uint64_t largest = scale == kWindowScaleDefault
                               ? kReceiveLargest
                               : uint64_t{3} << (14 + std::min<int>(scale, 14));
  sysctl.Write("net/core/rmem_max", std::to_string(std::min<uint64_t>(largest, 212'992)));
  SetReceiveBuffer(host, settings.receive_buffer_bytes, largest);
}

AppWorld* StartApps(Host& host, const Plan& plan, const FlowIndex& index, SimTime start,
                    const SendLatency& latency) {
  Arena& arena = host.kernel().world().arena();
  auto* const world = arena.New<AppWorld>();
  world->host = &host;
  world->plan = &plan;
  world->index = &index;
  world->apps = arena.NewArray<FlowApp>(plan.flows.size());
  world->sleeping = arena.NewArray<uint32_t>(plan.flows.size());
  world->buffer = arena.NewArray<uint8_t>(kReadBytes);
  world->start = start;
  world->latency = &latency;
  // L had them all open: as ulimit -n.
  int& files_max = host.syscalls().files().rlimit_nofile;
  files_max = std::max(files_max,
                       static_cast<int>(plan.flows.size() + plan.listeners.size() + kFilesBeside));
  for (size_t i = 0; i < plan.flows.size(); ++i) {
    FlowApp* const app = &world->apps[i];
    app->flow = &plan.flows[i];
    app->reached_at = arena.NewArray<SimTime>(plan.flows[i].actions.size());
    std::fill_n(app->reached_at, plan.flows[i].actions.size(), SimTime::Never());
    if (app->flow->protocol == wire::kIpProtoTcp && app->flow->role == Role::kActive) {
      host.kernel().Spawn(
          0, [world, app](Thread& thread) { return ConnectFlow(thread, *world, *app); });
    }
  }
  for (const Plan::Listener& listener : plan.listeners) {
    const Plan::Listener* const its = &listener;
    if (listener.protocol == wire::kIpProtoTcp) {
      host.kernel().Spawn(
          0, [world, its](Thread& thread) { return AcceptFlows(thread, *world, *its); });
    } else {
      host.kernel().Spawn(
          0, [world, its](Thread& thread) { return ServeDatagrams(thread, *world, *its); });
    }
  }
  return world;
}

}  // namespace tapedeck::standin
