#include "replay/live/live_session.h"

#include <poll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <ctime>
#include <utility>

#include "absl/strings/str_cat.h"

namespace tapedeck {

namespace {

using std::chrono::duration_cast;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;

constexpr size_t kFramesPerTurn = 1024;
constexpr size_t kWaitingBytesMax = size_t{16} << 20;
constexpr size_t kFrameBytesMax = 65'536;
constexpr nanoseconds kWorkPerTurn = milliseconds(2);
constexpr int kStepsPerLook = 64;  // at the clock
// What is nearer than this is not worth going to sleep for.
constexpr nanoseconds kSleepMin{10'000};
constexpr nanoseconds kSleepMax = milliseconds(100);
constexpr nanoseconds kStatusPeriod = milliseconds(250);
constexpr nanoseconds kFlushPeriod = milliseconds(50);
constexpr Duration kMarkPeriod = Duration::Seconds(1);

Duration ToDuration(nanoseconds wall) {
  return Duration::Nanoseconds(static_cast<uint64_t>(std::max<int64_t>(wall.count(), 0)));
}

constexpr SimTime CeilToNanosecond(SimTime time) { return SimTime{(time.ps + 999) / 1000 * 1000}; }

sigset_t StopSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGHUP);
  return signals;
}

}  // namespace

LiveSession::LiveSession(TapDevice& tap, const LiveSettings& settings, LiveRun& run,
                         Options options)
    : tap_(tap),
      settings_(settings),
      run_(run),
      options_(std::move(options)),
      transmitter_(*this),
      buffer_(kFrameBytesMax) {}

LiveSession::~LiveSession() { run_.host().syscalls().set_tracer(nullptr); }

absl::Status LiveSession::Start() {
  prctl(PR_SET_TIMERSLACK, 1UL);
  const sigset_t signals = StopSignals();
  sigprocmask(SIG_BLOCK, &signals, nullptr);
  signals_ = OwnFd(signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC));
  kernel_drops_at_start_ = tap_.KernelDrops();
  if (!options_.record.empty()) {
    const auto wall_ns =
        duration_cast<nanoseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
    RecordingHeader header{BuildName(), wall_ns - static_cast<int64_t>(run_.start().ns()),
                           settings_};
    absl::StatusOr<std::unique_ptr<RecordingWriter>> recording =
        RecordingWriter::Create(options_.record, tap_.name(), header);
    if (!recording.ok()) return recording.status();
    recording_ = *std::move(recording);
    run_.lab().recorder().AddObserver(recording_.get());
    run_.host().syscalls().set_tracer(recording_.get());
  }
  run_.lab().recorder().AddObserver(&transmitter_);
  began_ = WallClock::now();
  next_status_ = next_flush_ = began_;
  next_mark_ = run_.start() + kMarkPeriod;
  return absl::OkStatus();
}

void LiveSession::Transmitter::Observe(uint64_t, const TraceEvent& event, const FrameLedger&) {
  if (event.kind != TraceKind::kWireTx) return;
  LiveSession& session = session_;
  session.last_sent_ = Later(session.last_sent_, event.time);
  ++session.frames_out_;
  const int error = session.tap_.Write(event.bytes);
  if (error != 0) ++session.refused_[error];
}

SimTime LiveSession::VirtualNow() const {
  return run_.start() + ToDuration(WallClock::now() - began_);
}

absl::Status LiveSession::ReadFrames() {
  for (size_t i = 0; i < kFramesPerTurn && waiting_bytes_ < kWaitingBytesMax; ++i) {
    const absl::StatusOr<size_t> bytes = tap_.Read(buffer_);
    if (!bytes.ok()) return bytes.status();
    if (*bytes == 0) break;
    WaitingFrame frame;
    if (!spare_.empty()) {
      frame.bytes = std::move(spare_.back());
      spare_.pop_back();
    }
    frame.at = VirtualNow();
    frame.bytes.assign(buffer_.begin(), buffer_.begin() + static_cast<ptrdiff_t>(*bytes));
    waiting_bytes_ += *bytes;
    waiting_.push_back(std::move(frame));
  }
  return absl::OkStatus();
}

SimTime LiveSession::ArrivalTime() const {
  return Later(waiting_.front().at, CeilToNanosecond(last_sent_));
}

void LiveSession::TakeFrame() {
  WaitingFrame& frame = waiting_.front();
  if (recording_ != nullptr) recording_->Input(run_.now(), frame.bytes);
  run_.Receive(frame.bytes);
  waiting_bytes_ -= frame.bytes.size();
  spare_.push_back(std::move(frame.bytes));
  waiting_.pop_front();
}

bool LiveSession::RunToNow() {
  const WallClock::time_point stop = WallClock::now() + kWorkPerTurn;
  const SimTime now = VirtualNow();
  int steps = 0;
  while (true) {
    const SimTime limit = waiting_.empty() ? now : Earlier(ArrivalTime(), now);
    if (!run_.Step(limit)) {
      if (waiting_.empty() || ArrivalTime() > now) return true;
      CHECK_EQ(run_.now().ps, ArrivalTime().ps);
      TakeFrame();
    }
    if (++steps % kStepsPerLook == 0 && WallClock::now() >= stop) return false;
  }
}

absl::Status LiveSession::Housekeep(bool caught_up) {
  const WallClock::time_point now = WallClock::now();
  if (options_.status && now >= next_status_) {
    next_status_ = now + kStatusPeriod;
    options_.status(Status());
  }
  if (recording_ == nullptr) return absl::OkStatus();
  if (caught_up && run_.now() >= next_mark_) {
    next_mark_ = run_.now() + kMarkPeriod;
    recording_->Mark(run_, KernelDrops());
  }
  if (now < next_flush_) return absl::OkStatus();
  next_flush_ = now + kFlushPeriod;
  return recording_->Flush();
}

bool LiveSession::AwaitWork() {
  nanoseconds sleep = kSleepMax;
  const SimTime next = run_.NextEvent();
  const SimTime now = VirtualNow();
  if (next != SimTime::Never()) {
    sleep = std::min(sleep, nanoseconds(static_cast<int64_t>((next - now).ns())));
  }
  if (!waiting_.empty()) sleep = nanoseconds(0);
  if (options_.duration.has_value()) {
    const nanoseconds left = *options_.duration - (WallClock::now() - began_);
    sleep = std::clamp(left, nanoseconds(0), sleep);
  }
  if (sleep < kSleepMin) sleep = nanoseconds(0);
  struct ::pollfd fds[2] = {{tap_.fd(), POLLIN, 0}, {signals_.get(), POLLIN, 0}};
  // A full queue is let run over rather than asked about again and again.
  if (waiting_bytes_ >= kWaitingBytesMax) fds[0].fd = -1;
  const struct timespec timeout = {static_cast<time_t>(sleep.count() / 1'000'000'000),
                                   static_cast<long>(sleep.count() % 1'000'000'000)};
  ppoll(fds, 2, &timeout, nullptr);
  return fds[1].revents != 0;
}

absl::Status LiveSession::Run() {
  bool stop = false;
  while (!stop) {
    if (absl::Status read = ReadFrames(); !read.ok()) return read;
    const bool caught_up = RunToNow();
    lag_max_ = std::max(lag_max_, VirtualNow() - run_.now());
    if (absl::Status kept = Housekeep(caught_up); !kept.ok()) return kept;
    stop = AwaitWork();
    if (options_.duration.has_value() && WallClock::now() - began_ >= *options_.duration) {
      stop = true;
    }
  }
  RunToNow();
  // Where that was too much to do, it stopped in the middle of a moment.
  run_.RunUntil(CeilToNanosecond(run_.now()));
  if (recording_ == nullptr) return absl::OkStatus();
  run_.host().syscalls().set_tracer(nullptr);
  return recording_->Close(run_, KernelDrops());
}

uint64_t LiveSession::KernelDrops() const {
  const std::optional<uint64_t> drops = tap_.KernelDrops();
  return drops.has_value() && kernel_drops_at_start_.has_value() ? *drops - *kernel_drops_at_start_
                                                                 : 0;
}

LiveStatus LiveSession::Status() const {
  LiveStatus status;
  const Recorder& recorder = run_.lab().recorder();
  status.wall_s = std::chrono::duration<double>(WallClock::now() - began_).count();
  status.frames_in = recorder.ledger().frames_in();
  status.frames_out = frames_out_;
  status.dropped = recorder.ledger().dropped();
  status.connections = run_.connections();
  status.lag = VirtualNow() - run_.now();
  status.lag_max = lag_max_;
  status.waiting = waiting_.size();
  status.kernel_drops = KernelDrops();
  status.refused = refused_;
  return status;
}

}  // namespace tapedeck
