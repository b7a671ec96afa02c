// What tells one bug from another, read from what a failing run printed: stable from build to
// build, so without line numbers, addresses and other figures.
#ifndef TAPEDECK_FUZZ_CAMPAIGN_SIGNATURE_H_
#define TAPEDECK_FUZZ_CAMPAIGN_SIGNATURE_H_

#include <string>
#include <string_view>

namespace tapedeck::fuzz {

// How a run ended, besides what it printed.
struct RunEnd {
  int signal = 0;
  int exit_code = 0;
};

// The signature of a run that did not hold, one line; the first of these that `errors` shows:
//
//   RES:empty:sk                          ASSERTION FAILED of an oracle
//   CHECK:a == b:fuzz/stage.cc            a CHECK of ours: condition and file
//   ASAN:heap-use-after-free:tcp_rcv      AddressSanitizer: kind, and the first function of ours
//   UBSAN:shift-exponent:stack/tcp/tcp.cc UndefinedBehaviorSanitizer: kind and file
//   SIGNAL:Segmentation fault             nothing was printed
//   TIMEOUT                               it was ended by SIGALRM
//   EXIT:1
//
// Empty where the run held: no signal, exit code 0.
std::string SignatureOf(std::string_view errors, const RunEnd& end);

// A name for files and folders: letters, digits and dashes, at most 80; two signatures that differ
// have names that differ (a hash is added where anything was lost).
std::string SignatureSlug(std::string_view signature);

}  // namespace tapedeck::fuzz

#endif  // TAPEDECK_FUZZ_CAMPAIGN_SIGNATURE_H_
