// Cases from a seed: a kind names what is tried, a number which of its cases.
#ifndef TAPEDECK_REPLAY_DIFFERENTIAL_GENERATE_H_
#define TAPEDECK_REPLAY_DIFFERENTIAL_GENERATE_H_

#include <cstdint>
#include <span>
#include <string_view>

#include "replay/differential/case.h"
#include "replay/differential/case_builder.h"

namespace tapedeck::differential {

struct Kind {
  const char* name;
  AddressFamily family;
  const char* what;  // for --help
  void (*generate)(CaseBuilder& builder);
  bool needs_captures = false;
};

std::span<const Kind> Kinds();
// nullptr where there is none.
const Kind* FindKind(std::string_view name);

// The same for the same arguments, on every machine. `place` (below kPlaces) changes addresses and
// ports, and nothing else.
// REQUIRES: `captures` for a kind that needs them.
Case Generate(const Kind& kind, uint64_t seed, uint64_t number, uint32_t place,
              std::span<const Capture> captures = {});

// The kinds, each in a file of its own.
void GenerateArp(CaseBuilder& builder);
void GenerateIcmp(CaseBuilder& builder);
void GenerateIcmpError(CaseBuilder& builder);
void GenerateIpHeader(CaseBuilder& builder);
void GenerateIpOptions(CaseBuilder& builder);
void GenerateFragments(CaseBuilder& builder);
void GenerateForward(CaseBuilder& builder);
void GenerateOddAddresses(CaseBuilder& builder);
void GenerateUdp(CaseBuilder& builder);
void GenerateTcpHandshake(CaseBuilder& builder);
void GenerateTcpState(CaseBuilder& builder);
void GenerateTcpWindow(CaseBuilder& builder);
void GenerateErrno(CaseBuilder& builder);
void GenerateCapture(CaseBuilder& builder);
void GenerateNd(CaseBuilder& builder);
void GenerateNdRedirect(CaseBuilder& builder);
void GenerateNdRouter(CaseBuilder& builder);
void GenerateIcmpv6(CaseBuilder& builder);
void GenerateIp6Header(CaseBuilder& builder);
void GenerateIp6Extension(CaseBuilder& builder);
void GenerateOddAddresses6(CaseBuilder& builder);
void GenerateForward6(CaseBuilder& builder);

}  // namespace tapedeck::differential

#endif  // TAPEDECK_REPLAY_DIFFERENTIAL_GENERATE_H_
