#include "replay/differential/judge.h"

#include <algorithm>
#include <utility>

#include "replay/differential/counters.h"

namespace tapedeck::differential {

absl::StatusOr<std::unique_ptr<Judge>> Judge::Create(KnownDifferences known,
                                                     std::vector<Capture> captures) {
  std::unique_ptr<Judge> judge(new Judge(std::move(known)));
  judge->captures_ = std::move(captures);
  for (const AddressFamily family : {AddressFamily::kIpv4, AddressFamily::kIpv6}) {
    const absl::Status opened = judge->Open(family);
    if (!opened.ok()) return opened;
  }
  return judge;
}

absl::Status Judge::Open(AddressFamily family) {
  Sides& sides = SidesOf(family);
  const std::vector<Setting> settings = KernelSide::MachineSettings();
  absl::StatusOr<std::unique_ptr<KernelSide>> kernel = KernelSide::Create(family);
  if (!kernel.ok()) return kernel.status();
  sides.kernel = *std::move(kernel);
  sides.host = std::make_unique<HostSide>(family, settings);
  for (size_t i = 0; i < CounterNames().size(); ++i) {
    sides.has_counter.push_back(sides.kernel->has_counter(i));
  }
  return absl::OkStatus();
}

Case Judge::Make(const Source& source, const Selection* selection) {
  const uint32_t place = SidesOf(source.kind->family).kernel->NextPlace();
  Case made = Generate(*source.kind, source.seed, source.number, place, captures_);
  if (selection == nullptr) return made;
  Case selected = made;
  selected.steps.clear();
  selected.settings.clear();
  for (size_t i = 0; i < made.steps.size(); ++i) {
    if (selection->steps[i]) selected.steps.push_back(made.steps[i]);
  }
  for (size_t i = 0; i < made.settings.size(); ++i) {
    if (selection->settings[i]) selected.settings.push_back(made.settings[i]);
  }
  return selected;
}

std::vector<Difference> Judge::Differences(const Case& played, bool* explained) {
  const Sides& sides = SidesOf(played.family);
  our_run_ = Play(played, sides.host.get());
  kernel_run_ = Play(played, sides.kernel.get());
  std::vector<Difference> differences = Compare(played, our_run_, kernel_run_, sides.has_counter);
  std::vector<std::string> all;
  for (const Difference& difference : differences) all.push_back(difference.signature);
  std::erase_if(differences, [&](const Difference& difference) {
    return known_.Explains(played.kind, difference.signature, all);
  });
  if (explained != nullptr) *explained = differences.size() < all.size();
  return differences;
}

Judge::Verdict Judge::Try(const Source& source) {
  Verdict verdict;
  if (Differences(Make(source, nullptr), &verdict.explained).empty()) return verdict;
  // What other cases left behind (limits by peer, what was learnt of routes) may be to blame.
  const bool steady = !Differences(Make(source, nullptr)).empty();
  if (steady) SidesOf(source.kind->family).kernel->Renew();
  const Case whole = Make(source, nullptr);
  const std::vector<Difference> again = Differences(whole);
  if (!steady || again.empty()) {
    verdict.unsteady = true;
    return verdict;
  }
  verdict.same = false;
  for (const Difference& difference : again) {
    verdict.findings.push_back({difference.signature, ""});
  }
  Finding& first = verdict.findings.front();
  if (!found_.insert(first.signature).second) return verdict;
  const Selection selection = Minimise(source, whole, first.signature);
  const Case small = Make(source, &selection);
  const std::vector<Difference> differences = Differences(small);
  first.report = Report(small, our_run_, kernel_run_, differences);
  return verdict;
}

bool Judge::StillDiffers(const Source& source, const Selection& selection,
                         const std::string& signature) {
  const std::vector<Difference> differences = Differences(Make(source, &selection));
  return std::any_of(differences.begin(), differences.end(), [&](const Difference& difference) {
    return difference.signature == signature;
  });
}

Judge::Selection Judge::Minimise(const Source& source, const Case& whole,
                                 const std::string& signature) {
  Selection selection;
  selection.steps.assign(whole.steps.size(), true);
  selection.settings.assign(whole.settings.size(), true);
  // From the end, as what comes later needs what came before. Twice, as one step may be needed
  // only by another that goes.
  for (int round = 0; round < 2; ++round) {
    for (std::vector<bool> Selection::* part : {&Selection::steps, &Selection::settings}) {
      for (size_t i = (selection.*part).size(); i-- > 0;) {
        if (!(selection.*part)[i]) continue;
        (selection.*part)[i] = false;
        if (!StillDiffers(source, selection, signature)) (selection.*part)[i] = true;
      }
    }
  }
  return selection;
}

std::string Judge::Show(const Source& source) {
  const Case played = Make(source, nullptr);
  const std::vector<Difference> differences = Differences(played);
  return Report(played, our_run_, kernel_run_, differences);
}

}  // namespace tapedeck::differential
