#include "tcp_lab.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "stack/tcp/netns_tcp.h"
#include "stack/tcp/tcp.h"
#include "stack/tcp/tcp_proc.h"

namespace tapedeck {
namespace {

constexpr Duration kStall = Duration::Seconds(300);
constexpr Duration kLook = Duration::Milliseconds(50);

std::string Print(const AppCounts& counts) {
  return absl::StrFormat(
      "%d connections, %d requests, %d bytes sent, %d received, %d wrong, %d failed calls (first "
      "%d), %d running",
      counts.connections, counts.requests, counts.bytes_sent, counts.bytes_received,
      counts.wrong_bytes, counts.failed_calls, counts.first_error, counts.running);
}

}  // namespace

LabOptions TcpLabOptions(const LinkOptions& link) {
  LabOptions options;
  options.back_to_back = true;
  options.hosts.resize(2);
  for (uint8_t i = 0; i < 2; ++i) {
    options.hosts[i].address = kTcpLabAddress[i];
    options.hosts[i].mac = TcpLabMac(i);
    options.links[i] = link;
  }
  return options;
}

TcpLab::TcpLab(const LabOptions& options, Arena* arena) : lab_(options, arena) {
  for (Counts*& counts : counts_) counts = lab_.arena().New<Counts>();
}

void TcpLab::Set(int i, std::string_view path, std::string_view text) {
  CHECK_EQ(lab_.host(i).kernel().sysctl().Write(path, text), 0);
}

void TcpLab::Serve(int i, uint32_t receive_buffer_bytes) {
  StartTcpServer(lab_.host(i), kTcpLabPort, &counts_[i]->server, receive_buffer_bytes);
}

void TcpLab::Ask(int i, const AppPlan& plan, uint64_t seed) {
  const Endpoint server{IpAddress(kTcpLabAddress[1 - i]), kTcpLabPort};
  StartTcpClient(lab_.host(i), server, plan, seed, &counts_[i]->client);
}

uint64_t TcpLab::Progress() const {
  uint64_t progress = 0;
  for (const Counts* counts : counts_) {
    for (const AppCounts* side : {&counts->server, &counts->client}) {
      progress += side->connections + side->requests + side->bytes_received + side->failed_calls;
    }
  }
  return progress;
}

bool TcpLab::Settled() const {
  for (int i = 0; i < 2; ++i) {
    if (client(i).running != 0) return false;
    if (client(i).failed_calls == 0 && client(i).requests != server(1 - i).requests) return false;
  }
  return true;
}

::testing::AssertionResult TcpLab::RunClients() {
  uint64_t progress = Progress();
  SimTime moved_at = now();
  while (!Settled()) {
    RunFor(kLook);
    if (Progress() != progress) {
      progress = Progress();
      moved_at = now();
    } else if (now() - moved_at > kStall) {
      return ::testing::AssertionFailure() << "nothing moved for 300 s:\n" << Describe();
    }
  }
  return ::testing::AssertionSuccess();
}

::testing::AssertionResult TcpLab::AllIsRight() const {
  for (int i = 0; i < 2; ++i) {
    const AppCounts& asking = client(i);
    const AppCounts& answering = server(1 - i);
    if (asking.wrong_bytes + answering.wrong_bytes + asking.failed_calls + answering.failed_calls !=
            0 ||
        asking.requests != answering.requests || asking.connections != answering.connections ||
        asking.bytes_sent != answering.bytes_received ||
        asking.bytes_received != answering.bytes_sent) {
      return ::testing::AssertionFailure() << "clients of host " << i << ": " << Print(asking)
                                           << "\ntheir servers: " << Print(answering);
    }
  }
  return ::testing::AssertionSuccess();
}

::testing::AssertionResult TcpLab::Shutdown() {
  lab_.Shutdown();
  const std::vector<std::string> left = lab_.Leftovers();
  if (left.empty()) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << absl::StrJoin(left, "\n");
}

tcp_info TcpLab::Info(int i, int fd) {
  file* const open = lab_.host(i).syscalls().files().fcheck(fd);
  CHECK(open != nullptr);
  tcp_info info;
  tcp_get_info(static_cast<socket*>(open->private_data)->sk, &info);
  return info;
}

std::string TcpLab::Describe() {
  std::string text = absl::StrFormat("at %d ms\n", now().ps / 1'000'000'000);
  for (int i = 0; i < 2; ++i) {
    absl::StrAppendFormat(&text, "host %d, clients: %s\nservers: %s\n", i,
                          Print(counts_[i]->client), Print(counts_[i]->server));
    tcp4_seq_show(network(i), &text);
    const int files = lab_.host(i).syscalls().files().max_fds;
    for (int fd = files_struct::kFirstFd; fd < files; ++fd) {
      if (lab_.host(i).syscalls().files().fcheck(fd) == nullptr) continue;
      const tcp_info info = Info(i, fd);
      absl::StrAppendFormat(
          &text,
          "fd %d: state %d ca_state %d cwnd %d unacked %d sacked %d lost %d retrans %d notsent %d "
          "snd_wnd %d rcv_wnd %d rto %d backoff %d probes %d\n",
          fd, info.tcpi_state, info.tcpi_ca_state, info.tcpi_snd_cwnd, info.tcpi_unacked,
          info.tcpi_sacked, info.tcpi_lost, info.tcpi_retrans, info.tcpi_notsent_bytes,
          info.tcpi_snd_wnd, info.tcpi_rcv_wnd, info.tcpi_rto, info.tcpi_backoff, info.tcpi_probes);
    }
  }
  return text;
}

}  // namespace tapedeck
