#include "replay/standin/plan_text.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "stack/wire/ip_protocol.h"
#include "stack/wire/text.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace tapedeck::standin {
namespace {

constexpr std::string_view kMagic = "tapedeck-plan 1\n";
constexpr int64_t kNsPerS = 1'000'000'000;

std::string Seconds(int64_t ns) {
  const char* const sign = ns < 0 ? "-" : "";
  const uint64_t size =
      ns < 0 ? uint64_t{0} - static_cast<uint64_t>(ns) : static_cast<uint64_t>(ns);
  return absl::StrFormat("%s%d.%09d", sign, size / kNsPerS, size % kNsPerS);
}
std::string Seconds(uint64_t ns) { return absl::StrFormat("%d.%09d", ns / kNsPerS, ns % kNsPerS); }

const char* ProtocolName(uint8_t protocol) { return protocol == wire::kIpProtoUdp ? "udp" : "tcp"; }

const char* ActionName(ActionKind kind) {
  switch (kind) {
    case ActionKind::kWrite:
      return "write";
    case ActionKind::kShutdown:
      return "shutdown";
    case ActionKind::kClose:
      return "close";
    case ActionKind::kReset:
      return "reset";
  }
  return "";
}

// A guess is the rest of its line.
std::string OneLine(std::string text) {
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < ' ') c = ' ';
  }
  return text;
}

// A name in quotes: what could end it becomes '_'.
std::string Quoted(std::string text) {
  for (char& c : text) {
    if (c == '"' || static_cast<unsigned char>(c) < ' ') c = '_';
  }
  return absl::StrCat("\"", text, "\"");
}

class PlanPrinter {
 public:
  explicit PlanPrinter(const std::function<void(std::string_view)>& print) : print_(print) {}

  void Print(const Plan& plan) {
    text_ = std::string(kMagic);
    PrintHost(plan);
    for (const std::string& guess : plan.guesses) {
      absl::StrAppend(&text_, "guess ", OneLine(guess), "\n");
    }
    for (size_t i = 0; i < plan.flows.size(); ++i) PrintFlow(i + 1, plan.flows[i]);
    for (const Stimulus& stimulus : plan.stimuli) PrintStimulus(stimulus);
    print_(text_);
  }

 private:
  static constexpr size_t kPieceBytes = size_t{1} << 16;

  void EndLine() {
    text_ += '\n';
    if (text_.size() < kPieceBytes) return;
    print_(text_);
    text_.clear();
  }

  void PrintHost(const Plan& plan) {
    absl::StrAppend(&text_, "source ", Quoted(plan.source), " ", Seconds(plan.start_ns), "\n");
    absl::StrAppend(&text_, "host ", plan.host_mac.ToString(), " mtu ", plan.mtu_bytes);
    if (plan.hz != 0) absl::StrAppend(&text_, " hz ", plan.hz);
    for (const IpAddress& address : plan.addresses) {
      absl::StrAppend(&text_, " address ", address.ToString());
    }
    absl::StrAppend(&text_, "\n");
    for (const auto& [name, value] : plan.sysctls) {
      absl::StrAppend(&text_, "sysctl ", name, " ", value, "\n");
    }
    for (const PlanNeighbour& neighbour : plan.neighbours) {
      absl::StrAppend(&text_, "neighbour ", neighbour.address.ToString(), " ",
                      neighbour.mac.ToString(), "\n");
    }
    for (const Plan::Listener& listener : plan.listeners) {
      absl::StrAppend(&text_, "listen ", ProtocolName(listener.protocol), " ",
                      listener.local.ToString(), " at ", Seconds(listener.open_ns), "\n");
    }
  }

  void PrintFlow(size_t number, const PlanFlow& flow) {
    absl::StrAppend(&text_, "flow ", number, " ", ProtocolName(flow.protocol),
                    flow.role == Role::kActive ? " active " : " passive ", flow.local.ToString(),
                    " ", flow.remote.ToString(), " isn ", flow.local_initial, " ",
                    flow.remote_initial, " open ", Seconds(flow.open_ns));
    const FlowSettings& settings = flow.settings;
    if (settings.mss_bytes != 0) absl::StrAppend(&text_, " mss ", settings.mss_bytes);
    if (settings.window_scale.has_value()) {
      absl::StrAppend(&text_, " wscale ", static_cast<int>(*settings.window_scale));
    }
    if (!settings.sack) absl::StrAppend(&text_, " nosack");
    if (!settings.timestamps) absl::StrAppend(&text_, " nots");
    if (settings.ecn) absl::StrAppend(&text_, " ecn");
    if (settings.fast_open == FastOpen::kCookie) absl::StrAppend(&text_, " fastopen cookie");
    if (settings.fast_open == FastOpen::kData) absl::StrAppend(&text_, " fastopen data");
    if (settings.receive_buffer_bytes != 0) {
      absl::StrAppend(&text_, " rcvbuf ", settings.receive_buffer_bytes);
    }
    absl::StrAppend(&text_, "\n  read ", flow.read_bytes, " of hash ",
                    absl::StrFormat("%016x", flow.read_hash), "\n");
    for (const Action& action : flow.actions) PrintAction(action);
    for (const Expectation& expectation : flow.expected) PrintExpectation(expectation);
  }

  void PrintAction(const Action& action) {
    absl::StrAppend(&text_, "  do ", ProvenanceText(action.from), " ", ActionName(action.kind),
                    " after ", action.after, " delay ", Seconds(action.delay_ns));
    if (action.together == Together::kMore) absl::StrAppend(&text_, " more");
    if (action.together == Together::kCork) absl::StrAppend(&text_, " cork");
    if (action.urgent) absl::StrAppend(&text_, " urgent");
    if (action.kind == ActionKind::kWrite) PrintBytes(action.data);
    EndLine();
  }

  void PrintExpectation(const Expectation& expectation) {
    const SegmentFacts& facts = expectation.facts;
    absl::StrAppend(&text_, "  expect ", ProvenanceText(expectation.from), " ",
                    Seconds(expectation.time_ns), " flags ", facts.flags, " seq ", facts.seq,
                    " length ", facts.length, " ack ", facts.ack, " win ", facts.window);
    if (facts.mss.has_value()) absl::StrAppend(&text_, " mss ", *facts.mss);
    if (facts.window_scale.has_value()) {
      absl::StrAppend(&text_, " wscale ", static_cast<int>(*facts.window_scale));
    }
    if (facts.sack_permitted) absl::StrAppend(&text_, " sackok");
    if (facts.timestamps) absl::StrAppend(&text_, " ts");
    for (const int64_t edge : facts.sack_edges.all()) absl::StrAppend(&text_, " edge ", edge);
    EndLine();
  }

  void PrintStimulus(const Stimulus& stimulus) {
    absl::StrAppend(&text_, "in ", ProvenanceText(stimulus.from));
    if (stimulus.flow != kNoFlow) absl::StrAppend(&text_, " flow ", stimulus.flow + 1);
    absl::StrAppend(&text_, " at ", Seconds(stimulus.time_ns));
    switch (stimulus.cause.kind) {
      case CauseKind::kStart:
        absl::StrAppend(&text_, " start");
        break;
      case CauseKind::kPrevious:
        absl::StrAppend(&text_, " previous");
        break;
      case CauseKind::kSent:
        absl::StrAppend(&text_, " sent ", stimulus.cause.position, " nth ", stimulus.cause.nth);
        break;
    }
    absl::StrAppend(&text_, " gap ", Seconds(stimulus.cause.gap_ns));
    if (stimulus.echo_of.has_value()) absl::StrAppend(&text_, " echo ", *stimulus.echo_of);
    if (stimulus.skip == SkipCause::kLost) absl::StrAppend(&text_, " lost");
    if (stimulus.skip == SkipCause::kUnanswered) absl::StrAppend(&text_, " unanswered");
    if (stimulus.to_all) absl::StrAppend(&text_, " group");
    PrintBytes(stimulus.packet);
    for (const Cut& cut : stimulus.cuts.all()) PrintCut(cut);
    EndLine();
  }

  void PrintCut(const Cut& cut) {
    absl::StrAppend(&text_, " cut ", ProvenanceText(cut.from), " ", cut.offset, " ", cut.length,
                    " before ", Seconds(cut.before_ns));
    PrintBytes(cut.header);
  }

  void PrintBytes(const std::vector<uint8_t>& bytes) {
    absl::StrAppend(&text_, " { ", wire::HexBytes(bytes), " }");
  }

  const std::function<void(std::string_view)>& print_;
  std::string text_;
};

}  // namespace

void PrintPlan(const Plan& plan, const std::function<void(std::string_view)>& print) {
  PlanPrinter(print).Print(plan);
}

std::string PrintPlan(const Plan& plan) {
  std::string text;
  PrintPlan(plan, [&text](std::string_view piece) { text += piece; });
  return text;
}

std::string FlowName(const PlanFlow& flow) {
  return absl::StrCat(ProtocolName(flow.protocol), " ", flow.local.ToString(),
                      flow.role == Role::kActive ? " > " : " < ", flow.remote.ToString());
}

uint64_t PlanHash(const Plan& plan) {
  XXH3_state_t state;
  XXH3_64bits_reset(&state);
  PrintPlan(plan, [&state](std::string_view piece) {
    XXH3_64bits_update(&state, piece.data(), piece.size());
  });
  return XXH3_64bits_digest(&state);
}

bool LooksLikePlan(std::string_view beginning) {
  return beginning.substr(0, kMagic.size()) == kMagic;
}

std::string ProvenanceText(const Provenance& from) {
  if (from.record == 0) return "synth";
  if (from.pieces == 0) return absl::StrCat("cap#", from.record);
  return absl::StrCat("split ", from.piece, "/", from.pieces, " of cap#", from.record);
}

}  // namespace tapedeck::standin
