// Makes an input shorter, a few steps at a time, while somebody else says whether it is still what
// it was.
#ifndef TAPEDECK_FUZZ_MUTATE_TRIM_H_
#define TAPEDECK_FUZZ_MUTATE_TRIM_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "replay/script/script.h"

namespace tapedeck::fuzz {

class Trimmer {
 public:
  explicit Trimmer(std::span<const uint8_t> input);

  // How many tries there are at most. The first is the input in its canonical spelling; each of the
  // others leaves out a part of the steps, ever smaller ones.
  size_t attempts() const { return kRounds * (2 << kRounds) + 1; }

  // The next try. REQUIRES: Judge() has not said that there is none.
  std::vector<uint8_t> Next();
  // Whether the last one may stay. Returns the number of the next try; attempts() where there is
  // none.
  size_t Judge(bool good);

 private:
  // Steps are left out in parts of a half, a quarter, ... a sixteenth of all.
  static constexpr size_t kRounds = 4;

  size_t Part() const;

  Script kept_;
  Script tried_;
  size_t attempt_ = 0;
  size_t round_ = 1;
  size_t at_ = 0;  // where the part begins that is left out next
};

}  // namespace tapedeck::fuzz

#endif  // TAPEDECK_FUZZ_MUTATE_TRIM_H_
