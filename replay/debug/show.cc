#include "replay/debug/show.h"

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "replay/debug/objects.h"
#include "replay/debug/socket_lookup.h"
#include "replay/lab/command_runner.h"
#include "replay/script/absl_view.h"
#include "stack/core/neighbour.h"
#include "stack/socket/proc_net.h"
#include "stack/tcp/tcp_sock.h"

namespace tapedeck {

namespace {

// Names and values in three columns.
std::string Columns(const std::vector<std::pair<std::string, std::string>>& values) {
  constexpr size_t kColumns = 3;
  constexpr size_t kWidth = 42;
  std::string text;
  for (size_t i = 0; i < values.size(); ++i) {
    const std::string cell = absl::StrCat(values[i].first, " ", values[i].second);
    const bool last = i % kColumns == kColumns - 1 || i + 1 == values.size();
    absl::StrAppend(&text, i % kColumns == 0 ? "  " : "", cell);
    if (last) {
      text += '\n';
    } else {
      text.append(cell.size() < kWidth ? kWidth - cell.size() : 1, ' ');
    }
  }
  return text;
}

std::string Heading(const StateObject& object) {
  return absl::StrCat(object.name, object.label.empty() ? "" : "  ", object.label, "\n");
}

std::string AllFieldsOf(const StateObject& object) {
  std::vector<std::pair<std::string, std::string>> values;
  for (const Field& field : FieldsOf(object.kind)) {
    values.emplace_back(field.name, field.read(object.object).ToString());
  }
  return absl::StrCat(Heading(object), Columns(values));
}

// The fields that one wants to see first.
std::string Summary(const StateObject& object) {
  constexpr std::array<const char*, 12> kOfTcp = {
      "snd_una",       "snd_nxt", "snd_wnd",  "rcv_nxt",     "rcv_wnd",        "snd_cwnd",
      "icsk_ca_state", "srtt_us", "icsk_rto", "packets_out", "sk_wmem_queued", "sk_rmem_alloc"};
  constexpr std::array<const char*, 4> kOfUdp = {"sk_rmem_alloc", "sk_rcvbuf", "sk_drops",
                                                 "sk_receive_queue.qlen"};
  std::vector<std::pair<std::string, std::string>> values;
  const auto add = [&](const char* name) {
    values.emplace_back(name, FindField(object.kind, name)->read(object.object).ToString());
  };
  if (object.kind == ObjectKind::kTcp) std::for_each(kOfTcp.begin(), kOfTcp.end(), add);
  if (object.kind == ObjectKind::kUdp) std::for_each(kOfUdp.begin(), kOfUdp.end(), add);
  if (values.empty()) return AllFieldsOf(object);
  return absl::StrCat(Heading(object), Columns(values));
}

std::string ShowKind(CaseRun& run, ObjectKind kind, bool whole) {
  std::string text;
  for (int i = 0; i < run.hosts(); ++i) {
    for (const StateObject& object : ObjectsOf(run.host(i), kind)) {
      text += whole ? AllFieldsOf(object) : Summary(object);
    }
  }
  return text.empty() ? absl::StrCat("no ", ObjectKindName(kind), "\n") : text;
}

// --- Packets. ---

std::string TcpPacketText(const sk_buff* skb) {
  const tcp_skb_cb* const cb = TCP_SKB_CB(skb);
  std::string flags;
  constexpr std::array<std::pair<uint16_t, char>, 6> kFlags = {{{TCPHDR_SYN, 'S'},
                                                                {TCPHDR_FIN, 'F'},
                                                                {TCPHDR_RST, 'R'},
                                                                {TCPHDR_PSH, 'P'},
                                                                {TCPHDR_ACK, '.'},
                                                                {TCPHDR_URG, 'U'}}};
  for (const auto& [bit, letter] : kFlags) {
    if ((cb->tcp_flags & bit) != 0) flags += letter;
  }
  std::string text = absl::StrFormat("seq %d:%d flags %s", cb->seq.value(), cb->end_seq.value(),
                                     flags.empty() ? "-" : flags);
  if ((cb->sacked & TCPCB_SACKED_ACKED) != 0) text += " sacked";
  if ((cb->sacked & TCPCB_LOST) != 0) text += " lost";
  if ((cb->sacked & TCPCB_SACKED_RETRANS) != 0) text += " retransmitted";
  return text;
}

void AddPacket(const char* queue, const sk_buff* skb, bool tcp, std::string* text) {
  absl::StrAppendFormat(text, "  %-18s %5d B  truesize %6d  frame %-6d %s\n", queue, skb->len,
                        skb->truesize, skb->frame_id, tcp ? TcpPacketText(skb) : "");
}

void AddQueue(const char* queue, const sk_buff_head& head, bool tcp, std::string* text) {
  for (const sk_buff* skb = skb_peek(&head); skb != nullptr && skb != head.as_skb();
       skb = skb->next) {
    AddPacket(queue, skb, tcp, text);
  }
}

void AddTree(const char* queue, const rb_root& root, std::string* text) {
  for (sk_buff* skb = skb_rb_first(&root); skb != nullptr; skb = skb_rb_next(skb)) {
    AddPacket(queue, skb, true, text);
  }
}

void AddPacketsOf(const sock* sk, ObjectKind kind, std::string* text) {
  const bool tcp = kind == ObjectKind::kTcp;
  AddQueue("sk_receive_queue", sk->sk_receive_queue, tcp, text);
  if (tcp) AddTree("out_of_order_queue", tcp_sk(sk)->out_of_order_queue, text);
  for (const sk_buff* skb = sk->sk_backlog.head; skb != nullptr; skb = skb->next) {
    AddPacket("sk_backlog", skb, tcp, text);
  }
  AddQueue("sk_write_queue", sk->sk_write_queue, tcp, text);
  if (tcp) AddTree("tcp_rtx_queue", tcp_sk(sk)->tcp_rtx_queue, text);
  AddQueue("sk_error_queue", sk->sk_error_queue, false, text);
}

std::string ShowPackets(CaseRun& run) {
  std::string text;
  for (int i = 0; i < run.hosts(); ++i) {
    Host& host = run.host(i);
    for (const FoundSock& found : AllSocks(host)) {
      std::string packets;
      AddPacketsOf(found.sk, KindOf(found.sk), &packets);
      if (packets.empty()) continue;
      absl::StrAppendFormat(&text, "%s(#%d)\n%s", ObjectKindName(KindOf(found.sk)), found.sk->sk_id,
                            packets);
    }
    for (const StateObject& object : ObjectsOf(host, ObjectKind::kNeigh)) {
      std::string packets;
      AddQueue("arp_queue", static_cast<const neighbour*>(object.object)->arp_queue, false,
               &packets);
      if (!packets.empty()) absl::StrAppend(&text, object.name, "\n", packets);
    }
    absl::StrAppendFormat(&text, "host %d: %d packets in all\n", i,
                          host.network().skbuff_cache.live_objects());
  }
  return text;
}

// --- Timers. ---

void AddTimer(Host& host, const std::string& owner, const char* name, const FieldValue& expires,
              std::string* text) {
  if (!expires.present()) return;
  const SimTime at = host.kernel().TimeOfJiffy(expires.number);
  absl::StrAppendFormat(text, "  %-14s %-32s due %s (jiffy %d)\n", owner, name,
                        ValueOf(at).ToString(), expires.number);
}

std::string ShowTimers(CaseRun& run) {
  std::string text;
  for (int i = 0; i < run.hosts(); ++i) {
    Host& host = run.host(i);
    absl::StrAppendFormat(&text, "host %d: now %s, %d timers on the wheels\n", i,
                          ValueOf(host.kernel().now()).ToString(), host.kernel().pending_timers());
    for (const ObjectKind kind : {ObjectKind::kTcp, ObjectKind::kNeigh}) {
      for (const StateObject& object : ObjectsOf(host, kind)) {
        for (const Field& field : FieldsOf(kind)) {
          if (std::string_view(field.name).ends_with("timer.expires")) {
            AddTimer(host, object.name, field.name, field.read(object.object), &text);
          }
        }
      }
    }
  }
  const auto queue = [&](const char* name, const EventQueue& events) {
    absl::StrAppendFormat(&text, "%s: %d, the next at %s\n", name, events.size(),
                          ValueOf(events.next_time()).ToString());
  };
  queue("events of wires and devices", run.world().device_events());
  queue("events of CPUs", run.world().cpu_events());
  return text;
}

// --- Tables. ---

std::string ShowCounters(CaseRun& run, std::string_view pattern) {
  std::string text;
  for (int i = 0; i < run.hosts(); ++i) {
    for (const auto& [name, value] : CountersOf(run.host(i).network())) {
      if (value == 0 || name.find(pattern) == std::string::npos) continue;
      absl::StrAppendFormat(&text, "%-40s %d\n", name, value);
    }
  }
  return text;
}

std::string ShowSettings(CaseRun& run, std::string_view pattern) {
  std::string text;
  const SysctlTree& tree = run.host(0).kernel().sysctl();
  for (std::string& name : tree.Paths()) {
    std::string value;
    if (tree.Read(name, &value) != 0) continue;
    std::replace(name.begin(), name.end(), '/', '.');
    if (name.find(pattern) == std::string::npos) continue;
    absl::StrAppend(&text, name, " = ", value);
  }
  return text;
}

std::string ShowProc(CaseRun& run, std::string_view name) {
  std::string text;
  for (int i = 0; i < run.hosts(); ++i) proc_net_read(run.host(i).network(), name, &text);
  return text;
}

std::string ShowRings(CaseRun& run) {
  return absl::StrCat(ShowKind(run, ObjectKind::kRxRing, true),
                      ShowKind(run, ObjectKind::kTxRing, true));
}

struct TopicEntry {
  ShowTopic topic;
  std::string (*show)(CaseRun& run, std::string_view rest);
};
constexpr std::array<TopicEntry, 13> kTopics = {{
    {{"tcp", "TCP sockets; tcp(3) for all fields of one"},
     [](CaseRun& run, std::string_view) { return ShowKind(run, ObjectKind::kTcp, false); }},
    {{"udp", "UDP sockets"},
     [](CaseRun& run, std::string_view) { return ShowKind(run, ObjectKind::kUdp, false); }},
    {{"sock", "other internet sockets"},
     [](CaseRun& run, std::string_view) { return ShowKind(run, ObjectKind::kSock, true); }},
    {{"skb", "packets in queues"}, [](CaseRun& run, std::string_view) { return ShowPackets(run); }},
    {{"ring", "rings of the NICs' drivers"},
     [](CaseRun& run, std::string_view) { return ShowRings(run); }},
    {{"dev", "devices and their queues"},
     [](CaseRun& run, std::string_view) { return ShowKind(run, ObjectKind::kDev, true); }},
    {{"timers", "timers that are armed"},
     [](CaseRun& run, std::string_view) { return ShowTimers(run); }},
    {{"neigh", "neighbours"},
     [](CaseRun& run, std::string_view) { return ShowKind(run, ObjectKind::kNeigh, true); }},
    {{"route", "the IPv4 routing table"},
     [](CaseRun& run, std::string_view) { return ShowProc(run, "route"); }},
    {{"sysctl", "settings [whose names contain ...]"}, &ShowSettings},
    {{"counters", "counters that are not 0 [whose names contain ...]"}, &ShowCounters},
    {{"cpu", "CPUs"},
     [](CaseRun& run, std::string_view) { return ShowKind(run, ObjectKind::kCpu, true); }},
    {{"proc", "a file of /proc/net"}, &ShowProc},
}};

}  // namespace

std::vector<ShowTopic> ShowTopics() {
  std::vector<ShowTopic> topics;
  topics.reserve(kTopics.size());
  for (const TopicEntry& entry : kTopics) topics.push_back(entry.topic);
  return topics;
}

absl::StatusOr<std::string> Show(CaseRun& run, std::string_view what) {
  const size_t space = what.find(' ');
  const std::string_view rest = space == std::string_view::npos ? "" : what.substr(space + 1);
  for (const TopicEntry& entry : kTopics) {
    if (what.substr(0, space) == entry.topic.name) return entry.show(run, rest);
  }
  for (int i = 0; i < run.hosts(); ++i) {
    for (int kind = 0; kind < kObjectKinds; ++kind) {
      for (const StateObject& object : ObjectsOf(run.host(i), static_cast<ObjectKind>(kind))) {
        if (what == object.name) return AllFieldsOf(object);
      }
    }
  }
  // A socket by its descriptor or ends: whichever has the number that this says.
  const size_t open = what.find('(');
  if (open != std::string_view::npos && what.ends_with(")")) {
    const absl::StatusOr<FieldName> id = FieldName::Parse(absl::StrCat(Absl(what), ".sk_id"), run);
    const FieldValue value = id.ok() ? id->Read(run) : FieldValue{};
    if (value.present()) {
      return Show(run, absl::StrFormat("%s(#%d)", what.substr(0, open), value.number));
    }
  }
  const absl::StatusOr<FieldName> field = FieldName::Parse(what, run);
  if (!field.ok()) return field.status();
  return absl::StrCat(Absl(what), " = ", field->Read(run).ToString(), "\n");
}

}  // namespace tapedeck
