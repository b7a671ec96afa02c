// tapedeck ss: the sockets of a host after a run.
#include <cinttypes>
#include <cstdio>
#include <memory>
#include <string>

#include "stack/socket/sock_diag.h"
#include "stack/tcp/tcp.h"
#include "stack/tcp/tcp_cong.h"
#include "stack/tcp/tcp_sock.h"
#include "stack/tcp/tcp_uapi.h"
#include "stack/wire/ip_protocol.h"
#include "tools/commands.h"
#include "tools/inspect.h"

namespace tapedeck::tools {

namespace {

struct SsFlags {
  InspectFlags inspect;
  bool tcp = false;
  bool udp = false;
  bool info = false;
};

// As ss names them.
const char* StateName(const sock_diag_entry& entry) {
  constexpr const char* kNames[] = {"?",          "ESTAB",      "SYN-SENT",  "SYN-RECV",
                                    "FIN-WAIT-1", "FIN-WAIT-2", "TIME-WAIT", "UNCONN",
                                    "CLOSE-WAIT", "LAST-ACK",   "LISTEN",    "CLOSING"};
  return entry.state < std::size(kNames) ? kNames[entry.state] : "?";
}

std::string EndText(const Endpoint& end) {
  const std::string address =
      end.address.is_v6() ? "[" + end.address.ToString() + "]" : end.address.ToString();
  const uint16_t port = end.port.host();
  return address + ":" + (port == 0 ? "*" : std::to_string(port));
}

// ss -i: the second line of a connection.
void PrintInfo(sock* sk) {
  tcp_info info;
  tcp_get_info(sk, &info);
  const tcp_sock* const tp = tcp_sk(sk);
  std::printf("\t %s", tp->icsk_ca_ops->name);
  if (tp->rx_opt.wscale_ok) {
    std::printf(" wscale:%u,%u", unsigned{tp->rx_opt.snd_wscale}, unsigned{tp->rx_opt.rcv_wscale});
  }
  std::printf(" rto:%g rtt:%g/%g ato:%g mss:%u pmtu:%u rcvmss:%u advmss:%u cwnd:%u",
              info.tcpi_rto / 1e3, info.tcpi_rtt / 1e3, info.tcpi_rttvar / 1e3, info.tcpi_ato / 1e3,
              info.tcpi_snd_mss, info.tcpi_pmtu, info.tcpi_rcv_mss, info.tcpi_advmss,
              info.tcpi_snd_cwnd);
  if (info.tcpi_snd_ssthresh < 0xffff) std::printf(" ssthresh:%u", info.tcpi_snd_ssthresh);
  std::printf(" bytes_sent:%" PRIu64 " bytes_acked:%" PRIu64 " bytes_received:%" PRIu64
              " segs_out:%u segs_in:%u",
              uint64_t{info.tcpi_bytes_sent}, uint64_t{info.tcpi_bytes_acked},
              uint64_t{info.tcpi_bytes_received}, info.tcpi_segs_out, info.tcpi_segs_in);
  if (info.tcpi_total_retrans != 0) {
    std::printf(" retrans:%u/%u", info.tcpi_retrans, info.tcpi_total_retrans);
  }
  if (info.tcpi_unacked != 0) std::printf(" unacked:%u", info.tcpi_unacked);
  if (info.tcpi_lost != 0) std::printf(" lost:%u", info.tcpi_lost);
  if (info.tcpi_sacked != 0) std::printf(" sacked:%u", info.tcpi_sacked);
  std::printf(" rcv_space:%u\n", info.tcpi_rcv_space);
}

void PrintEntry(const sock_diag_entry& entry, void* context) {
  const SsFlags& flags = *static_cast<const SsFlags*>(context);
  const bool tcp = entry.protocol == wire::kIpProtoTcp;
  if (flags.tcp != flags.udp && tcp != flags.tcp) return;
  // A datagram socket without a peer has TCP's state CLOSE.
  std::printf("%-5s %-10s %6u %6u %25s %25s\n", tcp ? "tcp" : "udp", StateName(entry), entry.rqueue,
              entry.wqueue, EndText(entry.local).c_str(), EndText(entry.peer).c_str());
  if (flags.info && tcp && entry.sk != nullptr && entry.state != TCP_LISTEN) PrintInfo(entry.sk);
}

int RunSs(SsFlags& flags) {
  Inspection inspection;
  inspection.ended = [&](Host& host) {
    std::printf("%-5s %-10s %6s %6s %25s %25s\n", "Netid", "State", "Recv-Q", "Send-Q",
                "Local Address:Port", "Peer Address:Port");
    sock_diag_for_each(host.network(), PrintEntry, &flags);
  };
  return InspectFiles("ss", flags.inspect, inspection);
}

}  // namespace

Run AddSsCommand(CLI::App& app, CLI::App** subcommand) {
  const auto flags = std::make_shared<SsFlags>();
  CLI::App* const sub = app.add_subcommand(
      "ss", "Print the sockets that a host has at the end of a capture or script");
  sub->footer(
      "As ss does: listeners, connections, requests, time-wait sockets, and those of UDP.\n"
      "Exit codes: 0 the run held, 1 it did not, 2 wrong flags or input.");
  AddInspectFlags(sub, &flags->inspect);
  sub->add_flag("-t,--tcp", flags->tcp, "Only TCP");
  sub->add_flag("-u,--udp", flags->udp, "Only UDP");
  sub->add_flag("-i,--info", flags->info, "What TCP_INFO tells of each connection");
  *subcommand = sub;
  return [flags] { return RunSs(*flags); };
}

}  // namespace tapedeck::tools
