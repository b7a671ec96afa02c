// A page about campaigns: targets, speed, coverage over time, bugs with what happened on the wire
// and the command that shows it again. Self-contained; no date, no folder of the machine.
#ifndef TAPEDECK_FUZZ_CAMPAIGN_REPORT_H_
#define TAPEDECK_FUZZ_CAMPAIGN_REPORT_H_

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "fuzz/campaign/campaign.h"

namespace tapedeck::fuzz {

struct ReportBug {
  std::string signature;
  size_t inputs = 0;
  std::string name;                 // of the smallest: SHA-1
  std::vector<std::string> says;    // DescribeInput()
  std::vector<std::string> ladder;  // LadderLines()
  std::string command;
};

struct ReportTarget {
  std::string name;
  std::vector<std::string> jobs;  // "libfuzzer-0: seed 1"
  // Of each worker, in order of time.
  std::vector<std::vector<CampaignSample>> workers;
  std::vector<ReportBug> bugs;
};

// What the folder of a campaign says of itself; its crashes are run by `judge` and `replayer`.
absl::StatusOr<ReportTarget> ReadCampaign(const Workspace& workspace, const std::string& out);

// Of the events of a run those between hosts and at system calls, with an arrow for a frame's
// direction.
std::vector<std::string> LadderLines(const std::vector<std::string>& events);

// Samples from progress.jsonl; lines that are not whole are left out.
std::vector<CampaignSample> ParseProgress(std::string_view text);

std::string ReportPage(const std::vector<ReportTarget>& targets);

}  // namespace tapedeck::fuzz

#endif  // TAPEDECK_FUZZ_CAMPAIGN_REPORT_H_
