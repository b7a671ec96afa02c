// /proc/sys/net/ipv4/tcp_*: names, kinds and ranges of net/ipv4/sysctl_net_ipv4.c, Linux 7.2.
#include <climits>
#include <string>
#include <string_view>

#include "stack/kernel/sysctl.h"
#include "stack/tcp/netns_tcp.h"
#include "stack/tcp/tcp_cong.h"
#include "stack/tcp/tcp_fastopen.h"

namespace tapedeck {
namespace {

constexpr int kU8Max = 255;
constexpr int kOneDayS = 24 * 3600;
constexpr int kEcnModeMax = 5;
constexpr int kRcvbufMin = 4096;

struct IntSetting {
  const char* path;
  int32_t tcp_settings::* value;
  int32_t min;
  int32_t max;
};

constexpr IntSetting kIntSettings[] = {
    {"net/ipv4/tcp_max_orphans", &tcp_settings::max_orphans, INT_MIN, INT_MAX},
    {"net/ipv4/tcp_low_latency", &tcp_settings::low_latency, INT_MIN, INT_MAX},
    {"net/ipv4/tcp_max_tw_buckets", &tcp_settings::max_tw_buckets, INT_MIN, INT_MAX},
    {"net/ipv4/tcp_max_syn_backlog", &tcp_settings::max_syn_backlog, INT_MIN, INT_MAX},
    {"net/ipv4/tcp_ecn", &tcp_settings::ecn, 0, kEcnModeMax},
    {"net/ipv4/tcp_ecn_option", &tcp_settings::ecn_option, 0, 3},
    {"net/ipv4/tcp_ecn_option_beacon", &tcp_settings::ecn_option_beacon, 0, 3},
    {"net/ipv4/tcp_ecn_fallback", &tcp_settings::ecn_fallback, 0, 1},
    {"net/ipv4/tcp_early_demux", &tcp_settings::early_demux, 0, kU8Max},
    {"net/ipv4/tcp_fwmark_accept", &tcp_settings::fwmark_accept, 0, kU8Max},
    {"net/ipv4/tcp_l3mdev_accept", &tcp_settings::l3mdev_accept, 0, 1},
    {"net/ipv4/tcp_mtu_probing", &tcp_settings::mtu_probing, 0, kU8Max},
    {"net/ipv4/tcp_base_mss", &tcp_settings::base_mss, INT_MIN, INT_MAX},
    {"net/ipv4/tcp_min_snd_mss", &tcp_settings::min_snd_mss, TCP_MIN_SND_MSS, UINT16_MAX},
    {"net/ipv4/tcp_mtu_probe_floor", &tcp_settings::mtu_probe_floor, TCP_MIN_SND_MSS, UINT16_MAX},
    {"net/ipv4/tcp_probe_threshold", &tcp_settings::probe_threshold, INT_MIN, INT_MAX},
    {"net/ipv4/tcp_keepalive_probes", &tcp_settings::keepalive_probes, 0, kU8Max},
    {"net/ipv4/tcp_syn_retries", &tcp_settings::syn_retries, 1, MAX_TCP_SYNCNT},
    {"net/ipv4/tcp_synack_retries", &tcp_settings::synack_retries, 0, kU8Max},
    {"net/ipv4/tcp_syncookies", &tcp_settings::syncookies, 0, kU8Max},
    {"net/ipv4/tcp_migrate_req", &tcp_settings::migrate_req, 0, 1},
    {"net/ipv4/tcp_retries1", &tcp_settings::retries1, 0, kU8Max},
    {"net/ipv4/tcp_retries2", &tcp_settings::retries2, 0, kU8Max},
    {"net/ipv4/tcp_orphan_retries", &tcp_settings::orphan_retries, 0, kU8Max},
    {"net/ipv4/tcp_tw_reuse", &tcp_settings::tw_reuse, 0, 2},
    {"net/ipv4/tcp_fastopen", &tcp_settings::fastopen, INT_MIN, INT_MAX},
    {"net/ipv4/tcp_sack", &tcp_settings::sack, 0, kU8Max},
    {"net/ipv4/tcp_window_scaling", &tcp_settings::window_scaling, 0, kU8Max},
    {"net/ipv4/tcp_timestamps", &tcp_settings::timestamps, 0, kU8Max},
    {"net/ipv4/tcp_early_retrans", &tcp_settings::early_retrans, 0, 4},
    {"net/ipv4/tcp_recovery", &tcp_settings::recovery, 0, kU8Max},
    {"net/ipv4/tcp_thin_linear_timeouts", &tcp_settings::thin_linear_timeouts, 0, kU8Max},
    {"net/ipv4/tcp_slow_start_after_idle", &tcp_settings::slow_start_after_idle, 0, kU8Max},
    {"net/ipv4/tcp_retrans_collapse", &tcp_settings::retrans_collapse, 0, kU8Max},
    {"net/ipv4/tcp_stdurg", &tcp_settings::stdurg, 0, kU8Max},
    {"net/ipv4/tcp_rfc1337", &tcp_settings::rfc1337, 0, kU8Max},
    {"net/ipv4/tcp_abort_on_overflow", &tcp_settings::abort_on_overflow, 0, kU8Max},
    {"net/ipv4/tcp_fack", &tcp_settings::fack, 0, kU8Max},
    {"net/ipv4/tcp_dsack", &tcp_settings::dsack, 0, kU8Max},
    {"net/ipv4/tcp_app_win", &tcp_settings::app_win, 0, 31},
    {"net/ipv4/tcp_adv_win_scale", &tcp_settings::adv_win_scale, -31, 31},
    {"net/ipv4/tcp_frto", &tcp_settings::frto, 0, kU8Max},
    {"net/ipv4/tcp_no_metrics_save", &tcp_settings::no_metrics_save, 0, kU8Max},
    {"net/ipv4/tcp_no_ssthresh_metrics_save", &tcp_settings::no_ssthresh_metrics_save, 0, 1},
    {"net/ipv4/tcp_moderate_rcvbuf", &tcp_settings::moderate_rcvbuf, 0, kU8Max},
    {"net/ipv4/tcp_rcvbuf_low_rtt", &tcp_settings::rcvbuf_low_rtt_us, 0, INT_MAX},
    {"net/ipv4/tcp_tso_win_divisor", &tcp_settings::tso_win_divisor, 0, kU8Max},
    {"net/ipv4/tcp_workaround_signed_windows", &tcp_settings::workaround_signed_windows, 0, kU8Max},
    {"net/ipv4/tcp_limit_output_bytes", &tcp_settings::limit_output_bytes, INT_MIN, INT_MAX},
    {"net/ipv4/tcp_challenge_ack_limit", &tcp_settings::challenge_ack_limit, INT_MIN, INT_MAX},
    {"net/ipv4/tcp_min_tso_segs", &tcp_settings::min_tso_segs, 1, kU8Max},
    {"net/ipv4/tcp_tso_rtt_log", &tcp_settings::tso_rtt_log, 0, kU8Max},
    {"net/ipv4/tcp_min_rtt_wlen", &tcp_settings::min_rtt_wlen_s, 0, kOneDayS},
    {"net/ipv4/tcp_autocorking", &tcp_settings::autocorking, 0, 1},
    {"net/ipv4/tcp_pacing_ss_ratio", &tcp_settings::pacing_ss_ratio, 0, 1000},
    {"net/ipv4/tcp_pacing_ca_ratio", &tcp_settings::pacing_ca_ratio, 0, 1000},
    {"net/ipv4/tcp_comp_sack_delay_ns", &tcp_settings::comp_sack_delay_ns, 0, INT_MAX},
    {"net/ipv4/tcp_comp_sack_rtt_percent", &tcp_settings::comp_sack_rtt_percent, 1, 1000},
    {"net/ipv4/tcp_comp_sack_slack_ns", &tcp_settings::comp_sack_slack_ns, 0, INT_MAX},
    {"net/ipv4/tcp_comp_sack_nr", &tcp_settings::comp_sack_nr, 0, kU8Max},
    {"net/ipv4/tcp_backlog_ack_defer", &tcp_settings::backlog_ack_defer, 0, 1},
    {"net/ipv4/tcp_reflect_tos", &tcp_settings::reflect_tos, 0, 1},
    {"net/ipv4/tcp_plb_enabled", &tcp_settings::plb_enabled, 0, 1},
    {"net/ipv4/tcp_plb_idle_rehash_rounds", &tcp_settings::plb_idle_rehash_rounds, 0, 31},
    {"net/ipv4/tcp_plb_rehash_rounds", &tcp_settings::plb_rehash_rounds, 0, 31},
    {"net/ipv4/tcp_plb_suspend_rto_sec", &tcp_settings::plb_suspend_rto_s, 0, kU8Max},
    {"net/ipv4/tcp_plb_cong_thresh", &tcp_settings::plb_cong_thresh, 0, 256},
    {"net/ipv4/tcp_syn_linear_timeouts", &tcp_settings::syn_linear_timeouts, 0, MAX_TCP_SYNCNT},
    {"net/ipv4/tcp_shrink_window", &tcp_settings::shrink_window, 0, 1},
    {"net/ipv4/tcp_pingpong_thresh", &tcp_settings::pingpong_thresh, 1, kU8Max},
    {"net/ipv4/tcp_rto_min_us", &tcp_settings::rto_min_us, 1, INT_MAX},
    {"net/ipv4/tcp_rto_max_ms", &tcp_settings::rto_max_ms, 1000, TCP_RTO_MAX_SEC * 1000},
};

// --- Names of algorithms, keys: text. `context` is the netns_tcp. ---

netns_tcp& Tcp(void* context) { return *static_cast<netns_tcp*>(context); }

// All algorithms for which `wanted` holds, by name.
template <typename Wanted>
void AppendNames(std::string* text, Wanted wanted) {
  for (int i = 0; const tcp_congestion_ops* const ops = tcp_ca_at(i); ++i) {
    if (!wanted(ops)) continue;
    if (!text->empty()) text->push_back(' ');
    text->append(ops->name);
  }
}

void ReadCongestionControl(void* context, std::string* text) {
  text->append(Tcp(context).congestion_control->name);
}
int WriteCongestionControl(void* context, std::string_view text) {
  return tcp_set_default_congestion_control(Tcp(context).host_net,
                                            text.substr(0, TCP_CA_NAME_MAX - 1));
}
void ReadAvailable(void* /*context*/, std::string* text) {
  AppendNames(text, [](const tcp_congestion_ops*) { return true; });
}
void ReadAllowed(void* context, std::string* text) {
  const net& net = Tcp(context).host_net;
  AppendNames(text, [&net](const tcp_congestion_ops* ops) { return tcp_ca_allowed(net, ops); });
}
int WriteAllowed(void* context, std::string_view text) {
  return tcp_set_allowed_congestion_control(Tcp(context).host_net, text);
}
void ReadFastopenKey(void* context, std::string* text) {
  tcp_fastopen_key_read(Tcp(context).host_net, text);
}
int WriteFastopenKey(void* context, std::string_view text) {
  return tcp_fastopen_key_write(Tcp(context).host_net, text);
}
// No upper layer protocol is there.
void ReadNothing(void* /*context*/, std::string* /*text*/) {}

// --- Settings on which others depend. ---

void MemChanged(void* context) { tcp_memory_limits_changed(Tcp(context)); }
// A new time-out is a fresh start (RFC 7413 7.1.1).
void BlackholeTimeoutChanged(void* context) { Tcp(context).tfo_active_disable_times = 0; }

void OnChange(SysctlEntry* entry, void (*changed)(void* context), netns_tcp& ns) {
  entry->changed = changed;
  entry->context = &ns;
}

// tcp_reordering may be at most tcp_max_reordering is at the time.
void ListReordering(SysctlFiles& files, netns_tcp& ns) {
  tcp_settings& s = ns.settings;
  files.AddInt("net/ipv4/tcp_reordering", &s.reordering, 1, s.max_reordering);
  files.AddInt("net/ipv4/tcp_max_reordering", &s.max_reordering, 1, INT_MAX);
}

void ListTimes(SysctlFiles& files, netns_tcp& ns) {
  tcp_settings& s = ns.settings;
  files.AddJiffies("net/ipv4/tcp_keepalive_time", &s.keepalive_time);
  files.AddJiffies("net/ipv4/tcp_keepalive_intvl", &s.keepalive_intvl);
  files.AddJiffies("net/ipv4/tcp_fin_timeout", &s.fin_timeout);
  files.AddMsJiffies("net/ipv4/tcp_invalid_ratelimit", &s.invalid_ratelimit);
  files.AddUnsigned("net/ipv4/tcp_probe_interval", &s.probe_interval, 0, UINT32_MAX / ns.ticks.hz);
  files.AddUnsigned("net/ipv4/tcp_tw_reuse_delay", &s.tw_reuse_delay_ms, 1, TCP_PAWS_MSL_S * 1000);
  OnChange(files.AddInt("net/ipv4/tcp_fastopen_blackhole_timeout_sec",
                        &s.fastopen_blackhole_timeout_s, 0, INT_MAX),
           BlackholeTimeoutChanged, ns);
}

void ListSizes(SysctlFiles& files, netns_tcp& ns) {
  tcp_settings& s = ns.settings;
  files.AddInt("net/ipv4/tcp_wmem", s.wmem, 1, INT_MAX, 3);
  files.AddInt("net/ipv4/tcp_rmem", s.rmem, kRcvbufMin, INT_MAX, 3);
  OnChange(files.AddInt("net/ipv4/tcp_mem", s.mem_pages, 0, INT_MAX, 3), MemChanged, ns);
  files.AddUnsigned("net/ipv4/tcp_notsent_lowat", &s.notsent_lowat);
  files.AddUnsigned("net/ipv4/tcp_child_ehash_entries", &s.child_ehash_entries, 0, 1 << 24);
  files.AddInt("net/ipv4/tcp_ehash_entries", &s.ehash_entries)->read_only = true;
}

// What stands below /sys in Linux.
void ListModuleParameters(SysctlFiles& files, netns_tcp& ns) {
  struct Parameter {
    const char* path;
    int32_t tcp_settings::* value;
  };
  constexpr Parameter kCubic[] = {
      {"module/tcp_cubic/parameters/beta", &tcp_settings::cubic_beta},
      {"module/tcp_cubic/parameters/fast_convergence", &tcp_settings::cubic_fast_convergence},
      {"module/tcp_cubic/parameters/hystart", &tcp_settings::cubic_hystart},
      {"module/tcp_cubic/parameters/hystart_ack_delta_us",
       &tcp_settings::cubic_hystart_ack_delta_us},
      {"module/tcp_cubic/parameters/hystart_detect", &tcp_settings::cubic_hystart_detect},
      {"module/tcp_cubic/parameters/hystart_low_window", &tcp_settings::cubic_hystart_low_window},
      {"module/tcp_cubic/parameters/initial_ssthresh", &tcp_settings::cubic_initial_ssthresh},
      {"module/tcp_cubic/parameters/tcp_friendliness", &tcp_settings::cubic_tcp_friendliness},
  };
  for (const Parameter& parameter : kCubic) {
    files.AddInt(parameter.path, &(ns.settings.*parameter.value));
  }
  files.AddInt("module/tcp_cubic/parameters/bic_scale", &ns.settings.cubic_bic_scale)->read_only =
      true;
}

void ListTexts(SysctlFiles& files, netns_tcp& ns) {
  files.AddText("net/ipv4/tcp_congestion_control", ReadCongestionControl, WriteCongestionControl,
                &ns);
  files.AddText("net/ipv4/tcp_available_congestion_control", ReadAvailable, nullptr, &ns);
  files.AddText("net/ipv4/tcp_allowed_congestion_control", ReadAllowed, WriteAllowed, &ns);
  files.AddText("net/ipv4/tcp_fastopen_key", ReadFastopenKey, WriteFastopenKey, &ns);
  files.AddText("net/ipv4/tcp_available_ulp", ReadNothing, nullptr, &ns);
}

void ListTcpSettings(SysctlFiles& files, void* owner) {
  netns_tcp& ns = *static_cast<netns_tcp*>(owner);
  for (const IntSetting& setting : kIntSettings) {
    files.AddInt(setting.path, &(ns.settings.*setting.value), setting.min, setting.max);
  }
  ListReordering(files, ns);
  ListTimes(files, ns);
  ListSizes(files, ns);
  ListModuleParameters(files, ns);
  ListTexts(files, ns);
}

}  // namespace

void tcp_sysctl_register(netns_tcp& ns) {
  ns.host_net.kernel.sysctl().AddOwner(ListTcpSettings, &ns);
}

}  // namespace tapedeck
