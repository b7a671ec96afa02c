#include "replay/differential/compare.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "replay/differential/canonical.h"
#include "replay/differential/counters.h"
#include "replay/differential/field_name.h"
#include "stack/wire/describe.h"

namespace tapedeck::differential {

namespace {

struct CanonicalReply {
  int port = 0;
  std::vector<uint8_t> bytes;
  friend bool operator==(const CanonicalReply&, const CanonicalReply&) = default;
};
using Replies = std::vector<CanonicalReply>;

std::vector<Replies> Canonicalise(const Case& played, const Run& run) {
  Canonical canonical(played);
  std::vector<Replies> all;
  for (const StepResult& step : run.steps) {
    Replies& replies = all.emplace_back();
    for (const Reply& reply : step.replies) replies.push_back({reply.port, canonical.Of(reply)});
  }
  return all;
}

std::string ReplyText(const CanonicalReply& reply) {
  return absl::StrCat("tap", reply.port, " > ", wire::DescribeFrame(reply.bytes));
}

// Takes out of both what both have; whether that was all.
void TakeCommon(Replies* ours, Replies* kernel) {
  for (size_t i = 0; i < ours->size();) {
    const auto found = std::find(kernel->begin(), kernel->end(), (*ours)[i]);
    if (found == kernel->end()) {
      ++i;
      continue;
    }
    kernel->erase(found);
    ours->erase(ours->begin() + static_cast<ptrdiff_t>(i));
  }
}

class Comparison {
 public:
  Comparison(const Case& played, const Run& ours, const Run& kernel)
      : played_(played), ours_(ours), kernel_(kernel) {}

  std::vector<Difference> Make(const std::vector<bool>& has_counter) {
    const std::vector<Replies> ours = Canonicalise(played_, ours_);
    const std::vector<Replies> kernel = Canonicalise(played_, kernel_);
    for (size_t step = 0; step < ours.size(); ++step) {
      step_ = step;
      if (step < played_.steps.size()) CompareCalls();
      if (ours[step] != kernel[step]) CompareReplies(ours[step], kernel[step]);
    }
    CompareCounters(has_counter);
    return std::move(differences_);
  }

 private:
  void Add(std::string signature, std::string ours, std::string kernel) {
    differences_.push_back({step_, std::move(signature), std::move(ours), std::move(kernel)});
  }

  void CompareReplies(Replies ours, Replies kernel) {
    TakeCommon(&ours, &kernel);
    if (ours.empty() && kernel.empty()) return Add("order of replies", "", "");
    const size_t pairs = std::min(ours.size(), kernel.size());
    for (size_t i = 0; i < pairs; ++i) ComparePair(ours[i], kernel[i]);
    for (size_t i = pairs; i < ours.size(); ++i) {
      const std::string text = ReplyText(ours[i]);
      Add(absl::StrCat("reply of ours alone: ", Shape(text)), text, "");
    }
    for (size_t i = pairs; i < kernel.size(); ++i) {
      const std::string text = ReplyText(kernel[i]);
      Add(absl::StrCat("reply of the kernel alone: ", Shape(text)), "", text);
    }
  }

  void ComparePair(const CanonicalReply& ours, const CanonicalReply& kernel) {
    const std::string our_text = ReplyText(ours);
    const std::string kernel_text = ReplyText(kernel);
    const std::string shape = Shape(our_text);
    if (shape != Shape(kernel_text)) {
      return Add(absl::StrCat("reply: ours ", shape, " kernel ", Shape(kernel_text)), our_text,
                 kernel_text);
    }
    const size_t bytes = std::min(ours.bytes.size(), kernel.bytes.size());
    const auto at = static_cast<size_t>(
        std::mismatch(ours.bytes.begin(), ours.bytes.begin() + static_cast<ptrdiff_t>(bytes),
                      kernel.bytes.begin())
            .first -
        ours.bytes.begin());
    Add(absl::StrCat("reply ", FieldName(kernel.bytes, at), " of ", shape),
        absl::StrCat(our_text, "\n", HexText(ours.bytes)),
        absl::StrCat(kernel_text, "\n", HexText(kernel.bytes)));
  }

  void CompareCalls() {
    const auto* const call = std::get_if<CallStep>(&played_.steps[step_]);
    if (call == nullptr) return;
    const CallResult& ours = ours_.steps[step_].call;
    const CallResult& kernel = kernel_.steps[step_].call;
    const std::string name = CallShape(*call);
    if (ours.value != kernel.value) {
      const std::string our_text = ErrorText(ours.value);
      const std::string kernel_text = ErrorText(kernel.value);
      const bool counts = ours.value >= 0 && kernel.value >= 0;
      return Add(counts ? absl::StrCat("call ", name, ": ours ",
                                       ours.value > kernel.value ? "more" : "less")
                        : absl::StrCat("call ", name, ": ours ", our_text, " kernel ", kernel_text),
                 our_text, kernel_text);
    }
    if (ours.data != kernel.data) {
      Add(absl::StrCat("call ", name, ": data"), HexText(ours.data), HexText(kernel.data));
    }
    if (ours.length != kernel.length) {
      Add(absl::StrCat("call ", name, ": length"), absl::StrCat(ours.length),
          absl::StrCat(kernel.length));
    }
    const std::vector<uint8_t> our_address = Canonical::OfAddress(ours.address);
    const std::vector<uint8_t> kernel_address = Canonical::OfAddress(kernel.address);
    if (our_address != kernel_address) {
      Add(absl::StrCat("call ", name, ": address"), HexText(our_address), HexText(kernel_address));
    }
  }

  static std::string CallShape(const CallStep& call) {
    if (call.name == CallName::kIoctl) return absl::StrCat(NameOf(call.name), "(", call.a, ")");
    const bool option = call.name == CallName::kSetsockopt || call.name == CallName::kGetsockopt;
    return option ? absl::StrCat(NameOf(call.name), "(", call.a, ", ", call.b, ")")
                  : std::string(NameOf(call.name));
  }

  void CompareCounters(const std::vector<bool>& has_counter) {
    step_ = played_.steps.size();
    for (size_t i = 0; i < ours_.counters.size(); ++i) {
      const int64_t ours = ours_.counters[i];
      const int64_t kernel = kernel_.counters[i];
      if (ours == kernel || !has_counter[i]) continue;
      Add(absl::StrCat("counter ", CounterNames()[i], ": ours ", ours > kernel ? "more" : "less"),
          absl::StrCat(CounterNames()[i], " ", ours), absl::StrCat(CounterNames()[i], " ", kernel));
    }
  }

  const Case& played_;
  const Run& ours_;
  const Run& kernel_;
  size_t step_ = 0;
  std::vector<Difference> differences_;
};

void AppendReplies(const Replies& ours, const Replies& kernel, std::string* text) {
  Replies of_ours = ours;
  Replies of_kernel = kernel;
  TakeCommon(&of_ours, &of_kernel);
  for (const CanonicalReply& reply : ours) {
    const bool alone = std::find(of_ours.begin(), of_ours.end(), reply) != of_ours.end();
    absl::StrAppend(text, alone ? "     ours   " : "     both   ", ReplyText(reply), "\n");
    if (alone) absl::StrAppend(text, "            ", HexText(reply.bytes), "\n");
  }
  for (const CanonicalReply& reply : of_kernel) {
    absl::StrAppend(text, "     kernel ", ReplyText(reply), "\n            ", HexText(reply.bytes),
                    "\n");
  }
}

}  // namespace

std::vector<Difference> Compare(const Case& played, const Run& ours, const Run& kernel,
                                const std::vector<bool>& has_counter) {
  return Comparison(played, ours, kernel).Make(has_counter);
}

std::string Report(const Case& played, const Run& ours, const Run& kernel,
                   const std::vector<Difference>& differences) {
  std::string text = absl::StrCat("case ", played.kind, " ", played.seed, ":", played.number, "\n");
  for (const Setting& setting : played.settings) {
    absl::StrAppend(&text, "     ", setting.path, " = ", setting.value, "\n");
  }
  const std::vector<Replies> our_replies = Canonicalise(played, ours);
  const std::vector<Replies> kernel_replies = Canonicalise(played, kernel);
  for (size_t i = 0; i < our_replies.size(); ++i) {
    const bool is_end = i == played.steps.size();
    absl::StrAppend(&text, absl::StrCat(i + 1), is_end ? "  end" : "  ",
                    is_end ? "" : TextOf(played.steps[i]));
    const auto* const call = is_end ? nullptr : std::get_if<CallStep>(&played.steps[i]);
    if (call != nullptr && ours.steps[i].call.value == kernel.steps[i].call.value) {
      absl::StrAppend(&text, " = ", ErrorText(ours.steps[i].call.value));
    }
    absl::StrAppend(&text, "\n");
    const auto* const frame = is_end ? nullptr : std::get_if<FrameStep>(&played.steps[i]);
    if (frame != nullptr) absl::StrAppend(&text, "       ", HexText(frame->bytes), "\n");
    AppendReplies(our_replies[i], kernel_replies[i], &text);
    for (const Difference& difference : differences) {
      if (difference.step != i || absl::StartsWith(difference.signature, "reply")) continue;
      absl::StrAppend(&text, "     ours   ", difference.ours, "\n     kernel ", difference.kernel,
                      "\n");
    }
  }
  for (const Difference& difference : differences) {
    absl::StrAppend(&text, "  = ", difference.signature, "\n");
  }
  return text;
}

}  // namespace tapedeck::differential
