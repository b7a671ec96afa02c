#include "replay/script/fault_text.h"

#include <algorithm>
#include <cstdint>
#include <span>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "nicmodel/register_names.h"
#include "replay/script/symbols.h"

namespace tapedeck {
namespace {

template <typename Enum>
constexpr int32_t AsNumber(Enum value) {
  return static_cast<int32_t>(value);
}

constexpr Symbol kRegisterActionNames[] = {{"write", AsNumber(NicRegisterStep::Action::kWrite)},
                                           {"read", AsNumber(NicRegisterStep::Action::kRead)},
                                           {"set", AsNumber(NicRegisterStep::Action::kSet)},
                                           {"clear", AsNumber(NicRegisterStep::Action::kClear)},
                                           {"flip", AsNumber(NicRegisterStep::Action::kFlip)}};
constexpr SymbolTable kRegisterActions = {"write, read, set, clear, flip, fault or interrupt", -1,
                                          kRegisterActionNames};

constexpr Symbol kFaultPointNames[] = {{"rx_write_back", AsNumber(nic::FaultPoint::kRxWriteBack)},
                                       {"tx_write_back", AsNumber(nic::FaultPoint::kTxWriteBack)},
                                       {"rx_fetch", AsNumber(nic::FaultPoint::kRxFetch)},
                                       {"tx_fetch", AsNumber(nic::FaultPoint::kTxFetch)},
                                       {"message", AsNumber(nic::FaultPoint::kMessage)},
                                       {"wire", AsNumber(nic::FaultPoint::kWire)}};
constexpr SymbolTable kFaultPointSymbols = {
    "rx_write_back, tx_write_back, rx_fetch, tx_fetch, message or wire", -1, kFaultPointNames};

constexpr Symbol kFaultKindNames[] = {{"lose", AsNumber(nic::FaultKind::kLose)},
                                      {"delay", AsNumber(nic::FaultKind::kDelay)},
                                      {"repeat", AsNumber(nic::FaultKind::kRepeat)},
                                      {"change", AsNumber(nic::FaultKind::kChange)}};
constexpr SymbolTable kFaultKindSymbols = {"lose, delay, repeat or change", -1, kFaultKindNames};

// The words of descriptors (datasheet 7.1.6, 7.2.3.2.4); those of a frame are numbers.
constexpr Symbol kRxWriteBackWords[] = {{"type", 0}, {"hash", 1}, {"status", 2}, {"length", 3}};
constexpr Symbol kTxWriteBackWords[] = {{"status", 0}};
constexpr Symbol kRxFetchWords[] = {{"address", 0}, {"address_high", 1}};
constexpr Symbol kTxFetchWords[] = {
    {"address", 0}, {"address_high", 1}, {"command", 2}, {"offloads", 3}};

SymbolTable WordsOf(nic::FaultPoint point) {
  std::span<const Symbol> names;
  if (point == nic::FaultPoint::kRxWriteBack) names = kRxWriteBackWords;
  if (point == nic::FaultPoint::kTxWriteBack) names = kTxWriteBackWords;
  if (point == nic::FaultPoint::kRxFetch) names = kRxFetchWords;
  if (point == nic::FaultPoint::kTxFetch) names = kTxFetchWords;
  return {"a word of a descriptor or a frame", -1, names};
}

constexpr Symbol kAllocationNames[] = {{"slab", AsNumber(AllocationFailureStep::Kind::kSlab)},
                                       {"page", AsNumber(AllocationFailureStep::Kind::kPage)},
                                       {"skb", AsNumber(AllocationFailureStep::Kind::kSkb)}};
constexpr SymbolTable kAllocationSymbols = {"slab, page or skb", -1, kAllocationNames};

constexpr std::string_view kFaultWords[] = {"link", "nic", "fail", "sysctl", "cpu", "snapshot"};

// One of the names of `table`; no number.
template <typename Enum>
Enum Name(TextParser& parser, const SymbolTable& table) {
  const Token token = parser.Take();
  const std::optional<int32_t> value =
      token.kind == TokenKind::kWord ? table.Find(token.text) : std::nullopt;
  if (!value.has_value()) parser.FailAt(token, table.what);
  return static_cast<Enum>(value.value_or(0));
}

uint32_t Word32(TextParser& parser, std::string_view what) {
  return static_cast<uint32_t>(parser.Integer(0, UINT32_MAX, what));
}

// "3", or nothing, which is 1.
uint32_t Nth(TextParser& parser) {
  if (parser.Peek().kind != TokenKind::kNumber) return 1;
  return static_cast<uint32_t>(parser.Integer(1, UINT32_MAX, "which time"));
}

// "CTRL", "RDT(0)", "0x10108"
uint32_t Register(TextParser& parser) {
  const Token token = parser.Peek();
  if (token.kind == TokenKind::kNumber) {
    return static_cast<uint32_t>(parser.Integer(0, nic::kRegisterBytes - 1, "a register"));
  }
  parser.Take();
  const uint32_t count = nic::RegisterCount(token.text);
  if (token.kind != TokenKind::kWord || count == 0) {
    parser.FailAt(token, "a register of the 82599");
    return 0;
  }
  uint32_t index = 0;
  if (count > 1) {
    parser.Expect("(");
    index = static_cast<uint32_t>(parser.Integer(0, count - 1, "a register's number"));
    parser.Expect(")");
  }
  return nic::FindRegister(token.text, index).value_or(0);
}

void ParseRegister(TextParser& parser, NicRegisterStep& step) {
  step.action = Name<NicRegisterStep::Action>(parser, kRegisterActions);
  step.offset = Register(parser);
  if (step.action != NicRegisterStep::Action::kRead) step.value = Word32(parser, "a value");
}

void ParseNicFault(TextParser& parser, nic::Fault& fault) {
  parser.Expect("fault");
  fault.point = Name<nic::FaultPoint>(parser, kFaultPointSymbols);
  fault.nth = Nth(parser);
  fault.kind = Name<nic::FaultKind>(parser, kFaultKindSymbols);
  if (fault.kind == nic::FaultKind::kDelay || fault.kind == nic::FaultKind::kRepeat) {
    fault.delay = parser.Time();
  } else if (fault.kind == nic::FaultKind::kChange) {
    fault.word = parser.Peek().kind == TokenKind::kNumber
                     ? static_cast<uint16_t>(parser.Integer(0, UINT16_MAX, "a word"))
                     : Name<uint16_t>(parser, WordsOf(fault.point));
    fault.flip = Word32(parser, "bits");
  }
}

void ParseNic(TextParser& parser, Step& step) {
  if (parser.Peek().Is("fault")) {
    ParseNicFault(parser, step.what.emplace<NicFaultStep>().fault);
  } else if (parser.TakeIf("interrupt")) {
    step.what.emplace<SpuriousInterruptStep>().vector = static_cast<uint8_t>(
        parser.Integer(0, SpuriousInterruptStep::kVectorsMax - 1, "an interrupt vector"));
  } else {
    ParseRegister(parser, step.what.emplace<NicRegisterStep>());
  }
}

void ParseSysctlStep(TextParser& parser, SysctlStep& step) {
  const Token token = parser.Peek();
  const std::string_view text = parser.String("\"path=value\"");
  const size_t equals = text.find('=');
  if (equals == std::string_view::npos) {
    parser.FailAt(token, "\"path=value\"");
    return;
  }
  step.path = std::string(text.substr(0, equals));
  step.value = std::string(text.substr(equals + 1));
}

void ParseCpu(TextParser& parser, CpuBusyStep& step) {
  step.cpu = static_cast<uint8_t>(parser.Integer(0, CpuBusyStep::kCpusMax - 1, "a CPU"));
  parser.Expect("busy");
  step.duration = parser.Time();
}

// The one of two words that comes next; true where it is `yes`.
bool Either(TextParser& parser, std::string_view yes, std::string_view no) {
  if (parser.TakeIf(yes)) return true;
  parser.Expect(no);
  return false;
}

}  // namespace

bool BeginsFaultStatement(std::string_view word) {
  return std::find(std::begin(kFaultWords), std::end(kFaultWords), word) != std::end(kFaultWords);
}

void ParseFaultStatement(TextParser& parser, Step& step) {
  if (parser.TakeIf("link")) {
    step.what.emplace<LinkStep>().up = Either(parser, "up", "down");
  } else if (parser.TakeIf("nic")) {
    ParseNic(parser, step);
  } else if (parser.TakeIf("fail")) {
    auto& failure = step.what.emplace<AllocationFailureStep>();
    failure.kind = Name<AllocationFailureStep::Kind>(parser, kAllocationSymbols);
    failure.nth = Nth(parser);
  } else if (parser.TakeIf("sysctl")) {
    ParseSysctlStep(parser, step.what.emplace<SysctlStep>());
  } else if (parser.TakeIf("cpu")) {
    ParseCpu(parser, step.what.emplace<CpuBusyStep>());
  } else {
    parser.Expect("snapshot");
    step.what.emplace<SnapshotStep>().action = Either(parser, "save", "restore")
                                                   ? SnapshotStep::Action::kSave
                                                   : SnapshotStep::Action::kRestore;
  }
}

void PrintFault(std::string& out, const LinkStep& step) {
  out += step.up ? "link up" : "link down";
}

void PrintFault(std::string& out, const NicRegisterStep& step) {
  const std::string name = nic::RegisterNameOf(step.offset);
  absl::StrAppend(&out, "nic ", kRegisterActions.Print(AsNumber(step.action)), " ",
                  name.empty() ? absl::StrFormat("%#x", step.offset) : name);
  if (step.action != NicRegisterStep::Action::kRead) {
    absl::StrAppendFormat(&out, " %#x", step.value);
  }
}

void PrintFault(std::string& out, const NicFaultStep& step) {
  const nic::Fault& fault = step.fault;
  absl::StrAppend(&out, "nic fault ", kFaultPointSymbols.Print(AsNumber(fault.point)), " ");
  if (fault.nth != 1) absl::StrAppend(&out, fault.nth, " ");
  out += kFaultKindSymbols.Print(AsNumber(fault.kind));
  if (fault.kind == nic::FaultKind::kDelay || fault.kind == nic::FaultKind::kRepeat) {
    absl::StrAppend(&out, " ", TimeText(fault.delay));
  } else if (fault.kind == nic::FaultKind::kChange) {
    absl::StrAppendFormat(&out, " %s %#x", WordsOf(fault.point).Print(fault.word), fault.flip);
  }
}

void PrintFault(std::string& out, const SpuriousInterruptStep& step) {
  absl::StrAppend(&out, "nic interrupt ", static_cast<int>(step.vector));
}

void PrintFault(std::string& out, const AllocationFailureStep& step) {
  absl::StrAppend(&out, "fail ", kAllocationSymbols.Print(AsNumber(step.kind)));
  if (step.nth != 1) absl::StrAppend(&out, " ", step.nth);
}

void PrintFault(std::string& out, const SysctlStep& step) {
  absl::StrAppend(&out, "sysctl \"", step.path, "=", step.value, "\"");
}

void PrintFault(std::string& out, const CpuBusyStep& step) {
  absl::StrAppend(&out, "cpu ", static_cast<int>(step.cpu), " busy ", TimeText(step.duration));
}

void PrintFault(std::string& out, const SnapshotStep& step) {
  out += step.action == SnapshotStep::Action::kSave ? "snapshot save" : "snapshot restore";
}

}  // namespace tapedeck
