// Says of an input how it ends: it holds, or what it breaks.
#ifndef TAPEDECK_FUZZ_CAMPAIGN_JUDGE_H_
#define TAPEDECK_FUZZ_CAMPAIGN_JUDGE_H_

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace tapedeck::fuzz {

struct Judgement {
  std::optional<uint64_t> digest;  // of a run that held
  bool cut_short = false;          // it held as far as it came (RunResult)
  std::string signature;           // of one that did not (signature.h); empty where it held
  std::string errors;              // what it wrote
  int signal = 0;
  int exit_code = 0;

  bool held() const { return signature.empty(); }
  bool out_of_bounds() const { return held() && !digest.has_value(); }
};

class Judge {
 public:
  virtual ~Judge() = default;
  // An error says that nothing can be judged any more.
  virtual absl::StatusOr<Judgement> Run(std::span<const uint8_t> input) = 0;
};

// Asks a replayer (fuzz/judge_protocol.h), which runs beside us and forks for each input: some
// hundred inputs a second, and nothing of ours is in danger.
class ReplayerJudge : public Judge {
 public:
  // `seconds_max` of wall time for an input.
  static absl::StatusOr<std::unique_ptr<ReplayerJudge>> Start(const std::string& replayer,
                                                              uint32_t seconds_max = 20);
  ~ReplayerJudge() override;
  ReplayerJudge(const ReplayerJudge&) = delete;
  ReplayerJudge& operator=(const ReplayerJudge&) = delete;

  absl::StatusOr<Judgement> Run(std::span<const uint8_t> input) override;

 private:
  ReplayerJudge() = default;

  std::string replayer_;
  uint32_t seconds_max_ = 0;
  pid_t pid_ = -1;
  int fd_ = -1;
};

}  // namespace tapedeck::fuzz

#endif  // TAPEDECK_FUZZ_CAMPAIGN_JUDGE_H_
