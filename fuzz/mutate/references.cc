#include "fuzz/mutate/references.h"

#include <algorithm>
#include <map>
#include <span>
#include <variant>

#include "fuzz/mutate/choose.h"
#include "replay/script/syscall_signature.h"

namespace tapedeck::fuzz {

namespace {

// Calls `visit` for each number in `argument` that is a descriptor. Argument: Expression, const or
// not.
template <typename Argument, typename Visit>
void VisitFds(ArgumentKind kind, Argument& argument, const Visit& visit) {
  const auto visit_number = [&](Argument& number) {
    if (number.is_integer() && number.value >= 0) visit(number);
  };
  if (kind == ArgumentKind::kFd) visit_number(argument);
  if (kind != ArgumentKind::kPollEntries && kind != ArgumentKind::kFdSet) return;
  // [{fd=3, ...}, ...] and {fds=[3, ...], ...}
  const std::string_view name = kind == ArgumentKind::kPollEntries ? "fd" : "fds";
  std::span<Argument> owners(&argument, 1);
  if (argument.is_list()) owners = argument.items;
  for (Argument& owner : owners) {
    for (Argument& field : owner.items) {
      if (field.kind != Expression::Kind::kField || field.text != name) continue;
      if (field.items[0].is_list()) {
        for (Argument& number : field.items[0].items) visit_number(number);
      } else {
        visit_number(field.items[0]);
      }
    }
  }
}

template <typename Call, typename Visit>
void VisitUsedFds(Call& call, const Visit& visit) {
  const std::span<const ArgumentKind> signature = SignatureOf(call.name);
  for (size_t i = 0; i < call.arguments.size(); ++i)
    VisitFds(signature[i], call.arguments[i], visit);
}

// Segments that make a flow's connection: to drag along what follows them makes sense of nothing.
bool BeginsFlow(const SegmentStep& segment) { return (segment.flags & wire::kTcpSyn) != 0; }

// A call that prepares its first descriptor for what others do with it.
bool Prepares(SyscallName name) {
  switch (name) {
    case SyscallName::kBind:
    case SyscallName::kConnect:
    case SyscallName::kListen:
    case SyscallName::kSetsockopt:
    case SyscallName::kFcntl:
    case SyscallName::kEpollCtl:
      return true;
    default:
      return false;
  }
}

// What the steps so far want of those before them.
struct Wants {
  std::set<FdName> fds;
  uint16_t flows = 0;

  void Add(const Step& step) {
    for (const FdName& name : UsedBy(step)) fds.insert(name);
    if (const auto* const segment = std::get_if<SegmentStep>(&step.what)) {
      flows = static_cast<uint16_t>(flows | 1U << segment->flow);
    }
  }

  bool Has(const FdName& name) const { return fds.contains(name); }

  bool NeedsMaker(const Step& step) const {
    const std::vector<FdName> made = MadeBy(step);
    if (std::any_of(made.begin(), made.end(), [&](const FdName& name) { return Has(name); })) {
      return true;
    }
    if (const auto* const segment = std::get_if<SegmentStep>(&step.what)) {
      return (flows >> segment->flow & 1) != 0 && BeginsFlow(*segment);
    }
    const auto* const call = std::get_if<SyscallStep>(&step.what);
    if (call == nullptr || !Prepares(call->name)) return false;
    const std::vector<FdName> used = UsedBy(step);
    return !used.empty() && Has(used[0]);
  }
};

// A name for a new descriptor: one of those that bytes name shortly, as long as there are any.
int64_t FreshFd(Prng& random, uint8_t host, const std::set<FdName>& taken) {
  constexpr int64_t kFirst = 3;
  constexpr uint32_t kShort = 8;
  const int64_t start = kFirst + random.Below(kShort);
  for (int64_t fd = start; fd < kFirst + kShort; ++fd) {
    if (!taken.contains({host, fd})) return fd;
  }
  for (int64_t fd = kFirst; fd <= kFdMax; ++fd) {
    if (!taken.contains({host, fd})) return fd;
  }
  return start;
}

}  // namespace

void ForEachUsedFd(SyscallStep& call, const std::function<void(int64_t& fd)>& visit) {
  VisitUsedFds(call, [&](Expression& number) {
    const int64_t before = number.value;
    visit(number.value);
    if (number.value != before) number.text.clear();  // the spelling of the old one
  });
}

void ForEachMadeFd(SyscallStep& call, const std::function<void(int64_t& fd)>& visit) {
  if (const std::optional<size_t> pair = FdPairArgumentOf(call.name)) {
    for (Expression& end : call.arguments[*pair].items) visit(end.value);
  } else if (ReturnsFd(call.name) && call.fd != kFdNone) {
    int64_t fd = call.fd;
    visit(fd);
    call.fd = static_cast<int32_t>(fd);
    if (call.expected.has_value()) call.expected = fd;
  }
}

std::vector<FdName> UsedBy(const Step& step) {
  std::vector<FdName> names;
  if (const auto* const call = std::get_if<SyscallStep>(&step.what)) {
    VisitUsedFds(*call,
                 [&](const Expression& number) { names.push_back({step.host, number.value}); });
  }
  return names;
}

std::vector<FdName> MadeBy(const Step& step) {
  const auto* const call = std::get_if<SyscallStep>(&step.what);
  if (call == nullptr) return {};
  std::vector<FdName> names;
  if (const std::optional<size_t> pair = FdPairArgumentOf(call->name)) {
    for (const Expression& end : call->arguments[*pair].items) {
      names.push_back({step.host, end.value});
    }
  } else if (ReturnsFd(call->name) && call->fd != kFdNone) {
    names.push_back({step.host, call->fd});
  }
  return names;
}

std::set<FdName> MadeBefore(const Script& script, size_t end) {
  std::set<FdName> made;
  for (size_t i = 0; i < end; ++i) {
    for (const FdName& name : MadeBy(script.steps[i])) made.insert(name);
  }
  return made;
}

std::set<FdName> NamesIn(const Script& script) {
  std::set<FdName> names;
  for (const Step& step : script.steps) {
    for (const FdName& name : MadeBy(step)) names.insert(name);
    for (const FdName& name : UsedBy(step)) names.insert(name);
  }
  return names;
}

void RemoveSteps(Prng& random, Script& script, size_t first, size_t count) {
  const auto begin = script.steps.begin() + static_cast<std::ptrdiff_t>(first);
  const auto end = begin + static_cast<std::ptrdiff_t>(count);
  std::set<FdName> lost;
  for (auto step = begin; step != end; ++step) {
    for (const FdName& name : MadeBy(*step)) lost.insert(name);
  }
  script.steps.erase(begin, end);
  if (lost.empty()) return;
  std::set<FdName> made;
  for (Step& step : script.steps) {
    auto* const call = std::get_if<SyscallStep>(&step.what);
    if (call == nullptr) continue;
    ForEachUsedFd(*call, [&](int64_t& fd) {
      const FdName name = {step.host, fd};
      if (!lost.contains(name) || made.contains(name)) return;
      std::vector<int64_t> others;
      for (const FdName& other : made) {
        if (other.host == step.host) others.push_back(other.fd);
      }
      if (!others.empty()) fd = Pick(random, others);
    });
    for (const FdName& name : MadeBy(step)) made.insert(name);
  }
}

// Where there is no other descriptor it is the last that can be, not kFdNone: that is in no set of
// select().
void KeepWhole(Prng& random, Script& script) {
  std::set<FdName> later = MadeBefore(script, script.steps.size());
  if (later.empty()) return;
  std::set<FdName> made;
  for (Step& step : script.steps) {
    auto* const call = std::get_if<SyscallStep>(&step.what);
    if (call == nullptr) continue;
    ForEachUsedFd(*call, [&](int64_t& fd) {
      if (!later.contains({step.host, fd}) || made.contains({step.host, fd})) return;
      std::vector<int64_t> there;
      for (const FdName& name : made) {
        if (name.host == step.host) there.push_back(name.fd);
      }
      for (const int64_t usual : kUsualFds) {
        if (!later.contains({step.host, usual})) there.push_back(usual);
      }
      fd = there.empty() ? kFdMax : Pick(random, there);
    });
    for (const FdName& name : MadeBy(step)) made.insert(name);
  }
}

std::vector<size_t> WithNeeded(const Script& script, const std::vector<size_t>& wanted) {
  Wants wants;
  std::vector<size_t> steps;
  size_t left = wanted.size();
  for (size_t i = script.steps.size(); i-- > 0;) {
    const bool is_wanted = left != 0 && wanted[left - 1] == i;
    if (is_wanted) --left;
    if (!is_wanted && !wants.NeedsMaker(script.steps[i])) continue;
    wants.Add(script.steps[i]);
    steps.push_back(i);
  }
  std::reverse(steps.begin(), steps.end());
  return steps;
}

void RenameApart(Prng& random, const std::set<FdName>& taken, uint16_t flows_taken,
                 std::vector<Step>& steps) {
  std::set<FdName> used = taken;
  std::map<FdName, int64_t> names;
  // Flows stay what they are, so that two stories meet on one connection, or all move on.
  const bool own_flows = OneIn(random, 2);
  const auto shift = static_cast<uint8_t>(
      own_flows && flows_taken != 0 ? 1 + random.Below(kSegmentFlowsMax - 1) : 0);
  for (Step& step : steps) {
    if (auto* const segment = std::get_if<SegmentStep>(&step.what)) {
      segment->flow = static_cast<uint8_t>((segment->flow + shift) % kSegmentFlowsMax);
    }
    auto* const call = std::get_if<SyscallStep>(&step.what);
    if (call == nullptr) continue;
    ForEachUsedFd(*call, [&](int64_t& fd) {
      if (const auto found = names.find({step.host, fd}); found != names.end()) fd = found->second;
    });
    ForEachMadeFd(*call, [&](int64_t& fd) {
      const FdName old = {step.host, fd};
      if (taken.contains(old)) fd = FreshFd(random, step.host, used);
      names[old] = fd;
      used.insert({step.host, fd});
    });
  }
}

uint16_t FlowsOf(const std::vector<Step>& steps) {
  uint16_t flows = 0;
  for (const Step& step : steps) {
    if (const auto* const segment = std::get_if<SegmentStep>(&step.what)) {
      flows = static_cast<uint16_t>(flows | 1U << segment->flow);
    }
  }
  return flows;
}

}  // namespace tapedeck::fuzz
