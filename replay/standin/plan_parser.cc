// The text of a plan, read: line by line, word by word.
#include <algorithm>
#include <charconv>
#include <limits>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "replay/script/absl_view.h"
#include "replay/standin/plan_text.h"
#include "stack/wire/ip_protocol.h"

namespace tapedeck::standin {
namespace {

constexpr int64_t kNanoseconds = 1'000'000'000;

std::optional<uint8_t> HexDigit(char c) {
  if (c >= '0' && c <= '9') return static_cast<uint8_t>(c - '0');
  if (c >= 'a' && c <= 'f') return static_cast<uint8_t>(c - 'a' + 10);
  return std::nullopt;
}

// The words of one line. The first mistake stays.
class Words {
 public:
  explicit Words(std::string_view line) : rest_(line) {}

  bool ok() const { return error_.empty(); }
  const std::string& error() const { return error_; }

  std::string_view Peek() {
    SkipBlanks();
    return rest_.substr(0, rest_.find_first_of(" \t"));
  }
  std::string_view Next() {
    const std::string_view word = Peek();
    rest_.remove_prefix(word.size());
    return word;
  }
  bool at_end() { return Peek().empty(); }
  bool Take(std::string_view word) {
    if (Peek() != word) return false;
    Next();
    return true;
  }
  void Want(std::string_view word) {
    const std::string_view found = Next();
    if (found != word) Expected(absl::StrCat("'", Absl(word), "'"), found);
  }
  void Expected(const std::string& what, std::string_view found) {
    if (!error_.empty()) return;
    error_ = absl::StrCat("expected ", what, ", found '", Absl(found.substr(0, 40)), "'");
  }
  // What is left of the line: text that prints as it is.
  std::string_view Rest() {
    SkipBlanks();
    const bool prints = std::none_of(rest_.begin(), rest_.end(),
                                     [](char c) { return static_cast<unsigned char>(c) < ' '; });
    if (!prints) Expected("text without control characters", rest_);
    return std::exchange(rest_, {});
  }

  template <typename T>
  T Number() {
    const std::string_view word = Next();
    T value{};
    if (!Convert(word, 10, &value)) Expected("a number", word);
    return value;
  }
  uint64_t Hash() {
    const std::string_view word = Next();
    uint64_t value = 0;
    if (!Convert(word, 16, &value)) Expected("a hash", word);
    return value;
  }
  int64_t Time() {
    std::string_view word = Next();
    const std::string_view whole = word;
    const bool negative = !word.empty() && word[0] == '-';
    if (negative) word.remove_prefix(1);
    const size_t point = word.find('.');
    uint64_t seconds = 0;
    uint64_t fraction = 0;
    constexpr size_t kDigits = 9;
    constexpr uint64_t kSecondsMax =
        static_cast<uint64_t>(std::numeric_limits<int64_t>::max() / kNanoseconds) - 1;
    if (point == std::string_view::npos || word.size() != point + 1 + kDigits ||
        !Convert(word.substr(0, point), 10, &seconds) ||
        !Convert(word.substr(point + 1), 10, &fraction) || seconds > kSecondsMax) {
      Expected("a time as 0.000000000", whole);
      return 0;
    }
    const int64_t ns =
        static_cast<int64_t>(seconds) * kNanoseconds + static_cast<int64_t>(fraction);
    return negative ? -ns : ns;
  }
  uint64_t Span() {
    const int64_t ns = Time();
    if (ns < 0) Expected("a time that is not negative", "-");
    return ns < 0 ? 0 : static_cast<uint64_t>(ns);
  }
  std::vector<uint8_t> Bytes() {
    Want("{");
    std::vector<uint8_t> bytes;
    for (std::string_view word = Next(); word != "}"; word = Next()) {
      if (word.empty() || word.size() % 2 != 0) {
        Expected("bytes in hexadecimal and '}'", word);
        return bytes;
      }
      for (size_t i = 0; i < word.size(); i += 2) {
        const auto high = HexDigit(word[i]);
        const auto low = HexDigit(word[i + 1]);
        if (!high || !low) {
          Expected("bytes in hexadecimal", word);
          return bytes;
        }
        bytes.push_back(static_cast<uint8_t>(*high << 4 | *low));
      }
    }
    return bytes;
  }
  template <typename T>
  T Parsed(const char* what) {
    const std::string_view word = Next();
    const std::optional<T> value = T::Parse(word);
    if (!value.has_value()) Expected(what, word);
    return value.value_or(T());
  }
  Provenance From() {
    Provenance from;
    if (Take("synth")) return from;
    if (Take("split")) {
      const std::string_view pieces = Next();
      const size_t slash = pieces.find('/');
      if (slash == std::string_view::npos || !Convert(pieces.substr(0, slash), 10, &from.piece) ||
          !Convert(pieces.substr(slash + 1), 10, &from.pieces)) {
        Expected("a piece as 3/8", pieces);
      }
      Want("of");
    }
    const std::string_view word = Next();
    if (word.substr(0, 4) != "cap#" || !Convert(word.substr(4), 10, &from.record)) {
      Expected("'synth' or a record as cap#41", word);
    }
    return from;
  }

 private:
  template <typename T>
  static bool Convert(std::string_view word, int base, T* value) {
    const char* const end = word.data() + word.size();
    const auto [stopped, error] = std::from_chars(word.data(), end, *value, base);
    return error == std::errc() && stopped == end && !word.empty();
  }
  void SkipBlanks() {
    const size_t first = rest_.find_first_not_of(" \t");
    rest_.remove_prefix(first == std::string_view::npos ? rest_.size() : first);
    if (!rest_.empty() && rest_[0] == '#') rest_ = {};
  }

  std::string_view rest_;
  std::string error_;
};

class PlanParser {
 public:
  explicit PlanParser(const std::string& name) : name_(name) {}

  absl::StatusOr<Plan> Parse(std::string_view text) {
    if (!LooksLikePlan(text)) return Error("expected 'tapedeck-plan 1'");
    while (!text.empty()) {
      ++line_;
      const size_t end = text.find('\n');
      Words words(text.substr(0, end));
      text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
      if (line_ == 1 || words.at_end()) continue;
      ParseLine(words);
      if (words.ok() && !words.at_end()) words.Expected("the end of the line", words.Peek());
      if (!words.ok()) return Error(words.error());
    }
    if (plan_.addresses.empty()) return Error("expected a line 'host' with an address");
    return std::move(plan_);
  }

 private:
  absl::Status Error(const std::string& what) const {
    return absl::InvalidArgumentError(absl::StrCat(name_, ":", std::max(line_, 1), ": ", what));
  }

  void ParseLine(Words& words) {
    const std::string_view what = words.Next();
    if (what == "source") {
      ParseSource(words);
    } else if (what == "host") {
      ParseHost(words);
    } else if (what == "neighbour") {
      PlanNeighbour neighbour;
      neighbour.address = words.Parsed<IpAddress>("an address");
      neighbour.mac = words.Parsed<MacAddress>("a MAC address");
      plan_.neighbours.push_back(neighbour);
    } else if (what == "sysctl") {
      const std::string_view setting = words.Next();
      plan_.sysctls.emplace_back(setting, words.Rest());
    } else if (what == "listen") {
      Plan::Listener listener;
      listener.protocol = Protocol(words);
      listener.local = words.Parsed<Endpoint>("an address with port");
      words.Want("at");
      listener.open_ns = words.Time();
      plan_.listeners.push_back(listener);
    } else if (what == "guess") {
      plan_.guesses.emplace_back(words.Rest());
    } else if (what == "flow") {
      ParseFlow(words);
    } else if (what == "in") {
      ParseStimulus(words);
    } else if (plan_.flows.empty()) {
      words.Expected("source, host, sysctl, neighbour, listen, guess, flow or in", what);
    } else {
      ParseFlowLine(what, words);
    }
  }

  void ParseSource(Words& words) {
    std::string_view rest = words.Rest();
    const size_t last = rest.rfind('"');
    if (rest.empty() || rest[0] != '"' || last == 0) {
      words.Expected("a name in quotes", rest);
      return;
    }
    plan_.source = std::string(rest.substr(1, last - 1));
    Words time(rest.substr(last + 1));
    plan_.start_ns = time.Time();
    if (!time.ok() || !time.at_end()) words.Expected("the time of the first record", rest);
  }

  void ParseHost(Words& words) {
    plan_.host_mac = words.Parsed<MacAddress>("a MAC address");
    words.Want("mtu");
    plan_.mtu_bytes = words.Number<uint32_t>();
    constexpr uint32_t kPlanMtuMin = 68;
    constexpr uint32_t kPlanMtuMax = 9'710;
    if (plan_.mtu_bytes < kPlanMtuMin || plan_.mtu_bytes > kPlanMtuMax) {
      words.Expected("an MTU of 68 to 9710", absl::StrCat(plan_.mtu_bytes));
    }
    if (words.Take("hz")) {
      plan_.hz = words.Number<uint32_t>();
      if (plan_.hz != 100 && plan_.hz != 250 && plan_.hz != 1000) {
        words.Expected("100, 250 or 1000 ticks a second", absl::StrCat(plan_.hz));
      }
    }
    while (words.ok() && words.Take("address")) {
      const auto address = words.Parsed<IpAddress>("an address");
      if (address.IsAny() || address.IsLoopback() || address.IsMulticast()) {
        words.Expected("the address of a host", address.ToString());
      }
      plan_.addresses.push_back(address);
    }
  }

  uint8_t Protocol(Words& words) {
    if (words.Take("udp")) return wire::kIpProtoUdp;
    words.Want("tcp");
    return wire::kIpProtoTcp;
  }

  void ParseFlow(Words& words) {
    PlanFlow flow;
    const auto number = words.Number<uint32_t>();
    if (number != plan_.flows.size() + 1) words.Expected("the next flow's number", "another");
    if (number > kPlanFlowsMax)
      words.Expected(absl::StrCat("at most ", kPlanFlowsMax, " flows"), "more");
    flow.protocol = Protocol(words);
    flow.role = words.Take("active") ? Role::kActive : Role::kPassive;
    if (flow.role == Role::kPassive) words.Want("passive");
    flow.local = words.Parsed<Endpoint>("an address with port");
    flow.remote = words.Parsed<Endpoint>("an address with port");
    words.Want("isn");
    flow.local_initial = words.Number<uint32_t>();
    flow.remote_initial = words.Number<uint32_t>();
    words.Want("open");
    flow.open_ns = words.Time();
    FlowSettings& settings = flow.settings;
    if (words.Take("mss")) settings.mss_bytes = words.Number<uint16_t>();
    if (words.Take("wscale")) settings.window_scale = words.Number<uint8_t>();
    settings.sack = !words.Take("nosack");
    settings.timestamps = !words.Take("nots");
    settings.ecn = words.Take("ecn");
    if (words.Take("fastopen")) {
      settings.fast_open = words.Take("cookie") ? FastOpen::kCookie : FastOpen::kData;
      if (settings.fast_open == FastOpen::kData) words.Want("data");
    }
    if (words.Take("rcvbuf")) settings.receive_buffer_bytes = words.Number<uint32_t>();
    plan_.flows.push_back(std::move(flow));
  }

  void ParseFlowLine(std::string_view what, Words& words) {
    PlanFlow& flow = plan_.flows.back();
    if (what == "read") {
      flow.read_bytes = words.Number<uint64_t>();
      words.Want("of");
      words.Want("hash");
      flow.read_hash = words.Hash();
    } else if (what == "do") {
      flow.actions.push_back(ParseAction(words));
    } else if (what == "expect") {
      flow.expected.push_back(ParseExpectation(words));
    } else {
      words.Expected("read, do, expect, guess, flow or in", what);
    }
  }

  Action ParseAction(Words& words) {
    Action action;
    action.from = words.From();
    const std::string_view kind = words.Next();
    if (kind == "write") {
      action.kind = ActionKind::kWrite;
    } else if (kind == "shutdown") {
      action.kind = ActionKind::kShutdown;
    } else if (kind == "close") {
      action.kind = ActionKind::kClose;
    } else if (kind == "reset") {
      action.kind = ActionKind::kReset;
    } else {
      words.Expected("write, shutdown, close or reset", kind);
    }
    words.Want("after");
    action.after = words.Number<int64_t>();
    words.Want("delay");
    action.delay_ns = words.Span();
    if (words.Take("more")) action.together = Together::kMore;
    if (words.Take("cork")) action.together = Together::kCork;
    action.urgent = words.Take("urgent");
    if (action.kind == ActionKind::kWrite) action.data = words.Bytes();
    return action;
  }

  Expectation ParseExpectation(Words& words) {
    Expectation expectation;
    SegmentFacts& facts = expectation.facts;
    expectation.from = words.From();
    expectation.time_ns = words.Time();
    words.Want("flags");
    facts.flags = words.Number<uint16_t>();
    words.Want("seq");
    facts.seq = words.Number<int64_t>();
    words.Want("length");
    facts.length = words.Number<uint32_t>();
    words.Want("ack");
    facts.ack = words.Number<int64_t>();
    words.Want("win");
    facts.window = words.Number<uint16_t>();
    if (words.Take("mss")) facts.mss = words.Number<uint16_t>();
    if (words.Take("wscale")) facts.window_scale = words.Number<uint8_t>();
    facts.sack_permitted = words.Take("sackok");
    facts.timestamps = words.Take("ts");
    while (words.ok() && words.Take("edge")) facts.sack_edges.Add(words.Number<int64_t>());
    return expectation;
  }

  static Cut ParseCut(Words& words) {
    Cut cut;
    cut.from = words.From();
    cut.offset = words.Number<uint32_t>();
    cut.length = words.Number<uint32_t>();
    words.Want("before");
    cut.before_ns = words.Span();
    cut.header = words.Bytes();
    return cut;
  }

  void ParseStimulus(Words& words) {
    Stimulus stimulus;
    stimulus.from = words.From();
    if (words.Take("flow")) {
      const auto number = words.Number<uint32_t>();
      if (number == 0 || number > plan_.flows.size()) {
        words.Expected("a flow from above", absl::StrCat(number));
        return;
      }
      stimulus.flow = number - 1;
    }
    words.Want("at");
    stimulus.time_ns = words.Time();
    if (words.Take("previous")) {
      stimulus.cause.kind = CauseKind::kPrevious;
    } else if (words.Take("sent")) {
      stimulus.cause.kind = CauseKind::kSent;
      stimulus.cause.position = words.Number<int64_t>();
      words.Want("nth");
      stimulus.cause.nth = words.Number<uint32_t>();
    } else {
      words.Want("start");
    }
    words.Want("gap");
    stimulus.cause.gap_ns = words.Span();
    if (words.Take("echo")) stimulus.echo_of = words.Number<int64_t>();
    if (words.Take("lost")) stimulus.skip = SkipCause::kLost;
    if (words.Take("unanswered")) stimulus.skip = SkipCause::kUnanswered;
    stimulus.to_all = words.Take("group");
    stimulus.packet = words.Bytes();
    while (words.ok() && words.Take("cut")) stimulus.cuts.Add(ParseCut(words));
    if (CutDataBytes(stimulus.cuts.all()) > stimulus.packet.size()) {
      words.Expected("cuts within the packet", "one beyond its end");
    }
    plan_.stimuli.push_back(std::move(stimulus));
  }

  std::string name_;
  int line_ = 0;
  Plan plan_;
};

}  // namespace

absl::StatusOr<Plan> ParsePlan(std::string_view text, const std::string& name) {
  return PlanParser(name).Parse(text);
}

}  // namespace tapedeck::standin
