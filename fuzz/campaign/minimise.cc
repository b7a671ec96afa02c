#include "fuzz/campaign/minimise.h"

#include <algorithm>
#include <array>
#include <map>
#include <utility>

#include "absl/status/status.h"
#include "fuzz/campaign/ddmin.h"
#include "fuzz/campaign/files.h"
#include "replay/script/bytes.h"
#include "replay/script/script.h"
#include "replay/script/text_bytes.h"
#include "stack/base/time.h"

namespace tapedeck::fuzz {
namespace {

// A text or a capture that is longer is not taken apart byte by byte.
constexpr size_t kBytewiseMax = 4096;

// What a delay may become, the plainest first: none, a power of ten, a figure of one digit below
// and above. In nanoseconds; finer ones the spelling by one byte does not have.
std::vector<Duration> PlainerDelays(Duration delay) {
  const uint64_t ns = delay.ns();
  uint64_t power = 1;
  while (ns / power >= 10) power *= 10;
  const uint64_t below = ns / power * power;
  std::vector<Duration> plainer;
  for (const uint64_t value : {uint64_t{0}, power, below, below + power}) {
    const Duration candidate = Duration::Nanoseconds(value);
    if (candidate == delay) break;
    plainer.push_back(candidate);
  }
  return plainer;
}

// What byte `i` of a record may become. In a statement spelled as text a zero is written as four
// characters of a string, which would be zeros next: there only digits become plainer.
uint8_t PlainByte(const Bytes& record, size_t i) {
  if (record[0] != kOpText) return 0;
  return record[i] >= '0' && record[i] <= '9' ? uint8_t{'0'} : record[i];
}

class Minimiser {
 public:
  Minimiser(Judge& judge, const MinimiseOptions& options) : judge_(judge), options_(options) {}

  absl::StatusOr<Minimised> Run(std::span<const uint8_t> input) {
    best_.assign(input.begin(), input.end());
    const absl::StatusOr<Judgement> first = judge_.Run(best_);
    if (!first.ok()) return first.status();
    if (first->held()) return absl::FailedPreconditionError("it holds: there is nothing to keep");
    signature_ = first->signature;
    const size_t pieces_before = CountPieces();
    Bytes before;
    do {
      before = best_;
      LeaveOutPieces();
      if (options_.kind == InputKind::kScript) {
        LeaveOutSteps();
        MakeTimesPlain();
        MakeCanonical();
        MakeOperandsPlain();
        MakeCanonical();
      } else {
        LeaveOutBytes();
      }
    } while (best_ != before && !is_over());
    if (!status_.ok()) return status_;
    return Minimised{best_, signature_, pieces_before, CountPieces(), runs_};
  }

 private:
  bool is_over() const { return runs_ >= options_.runs_max || !status_.ok(); }
  size_t CountPieces() const { return SplitInput(options_.kind, best_).list.size(); }

  // `candidate` breaks the same, and is the best from now on.
  bool Take(const Bytes& candidate) {
    if (candidate == best_) return true;
    if (is_over()) return false;
    const auto [known, is_new] = known_.try_emplace(InputName(candidate), false);
    if (is_new) {
      ++runs_;
      const absl::StatusOr<Judgement> judgement = judge_.Run(candidate);
      if (!judgement.ok()) {
        status_ = judgement.status();
        return false;
      }
      known->second = judgement->signature == signature_;
    }
    if (!known->second) return false;
    best_ = candidate;
    if (options_.progress) options_.progress(CountPieces(), best_.size(), runs_);
    return true;
  }

  bool TakeScript(const Script& script) {
    if (!ValidateScript(script).ok()) return false;
    const absl::StatusOr<std::vector<uint8_t>> bytes = EncodeScript(script);
    return bytes.ok() && Take(*bytes);
  }

  void LeaveOutPieces() {
    const Pieces pieces = SplitInput(options_.kind, best_);
    Ddmin<Bytes>(
        pieces.list, [this](const std::vector<Bytes>& list) { return Take(JoinPieces(list)); },
        pieces.fixed);
  }

  void MakeCanonical() { TakeScript(DecodeScript(best_)); }

  // Without a step, but with the time that it took.
  void LeaveOutSteps() {
    Script script = DecodeScript(best_);
    for (size_t i = script.steps.size(); i-- > 0 && !is_over();) {
      Script shorter = script;
      const Duration delay = shorter.steps[i].delay;
      shorter.steps.erase(shorter.steps.begin() + static_cast<std::ptrdiff_t>(i));
      if (i < shorter.steps.size() && shorter.steps[i].base == TimeBase::kStepBefore) {
        shorter.steps[i].delay += delay;
      }
      if (TakeScript(shorter)) script = std::move(shorter);
    }
  }

  void MakeTimesPlain() {
    Script script = DecodeScript(best_);
    for (Step& step : script.steps) {
      const Duration original = step.delay;
      for (const Duration plainer : PlainerDelays(original)) {
        step.delay = plainer;
        if (TakeScript(script)) break;
        step.delay = original;
      }
    }
  }

  // Bytes of each record from the end: cut off, or zero. Whatever the operation is, that makes its
  // operands the likeliest ones.
  void MakeOperandsPlain() {
    std::vector<Bytes> records = SplitInput(options_.kind, best_).list;
    for (Bytes& record : records) {
      for (size_t i = record.size(); i-- > 1 && !is_over();) {
        if (i + 1 >= record.size()) continue;  // its end stays
        Bytes shorter = record;
        shorter.erase(shorter.begin() + static_cast<std::ptrdiff_t>(i), shorter.end() - 1);
        Bytes zeroed = record;
        zeroed[i] = PlainByte(record, i);
        for (const Bytes& plainer : {shorter, zeroed}) {
          const Bytes before = std::exchange(record, plainer);
          if (before != plainer && Take(JoinPieces(records))) break;
          record = before;
        }
      }
    }
  }

  // Of what has no records: bytes are left out, then made zero.
  void LeaveOutBytes() {
    if (best_.size() > kBytewiseMax) return;
    Ddmin<uint8_t>(best_, [this](const Bytes& bytes) { return Take(bytes); });
    Bytes bytes = best_;
    for (uint8_t& byte : bytes) {
      if (byte == 0 || options_.kind == InputKind::kText) continue;
      const uint8_t before = std::exchange(byte, uint8_t{0});
      if (!Take(bytes)) byte = before;
    }
  }

  Judge& judge_;
  const MinimiseOptions& options_;
  Bytes best_;
  std::string signature_;
  std::map<std::string, bool> known_;  // by the input's name: it keeps the signature
  uint64_t runs_ = 0;
  absl::Status status_;
};

}  // namespace

absl::StatusOr<Minimised> Minimise(Judge& judge, std::span<const uint8_t> input,
                                   const MinimiseOptions& options) {
  return Minimiser(judge, options).Run(input);
}

}  // namespace tapedeck::fuzz
