// The text spelling of faults and settings (fault_step.h).
//
//   link down                                    link up
//   nic write RDT(0) 5      nic read EICR        nic set CTRL 0x4      clear, flip; 0x10108 for a
//                                                register without a name
//   nic fault rx_write_back lose                 the next time; rx_write_back 3: the third
//   nic fault tx_write_back 2 delay 0.001        repeat 0.001: again so much later
//   nic fault rx_write_back change status 0x20000000
//   nic interrupt 0                              a message of vector 0, without a cause
//   fail skb 3                                   the third; slab, page
//   sysctl "net/ipv4/tcp_sack=0"
//   cpu 0 busy 0.001
//   snapshot save                                snapshot restore
#ifndef TAPEDECK_REPLAY_SCRIPT_FAULT_TEXT_H_
#define TAPEDECK_REPLAY_SCRIPT_FAULT_TEXT_H_

#include <string>
#include <string_view>

#include "replay/script/script.h"
#include "replay/script/text_parser.h"

namespace tapedeck {

// Whether `word` begins one of these statements.
bool BeginsFaultStatement(std::string_view word);
// REQUIRES: BeginsFaultStatement(next token).
void ParseFaultStatement(TextParser& parser, Step& step);

void PrintFault(std::string& out, const LinkStep& step);
void PrintFault(std::string& out, const NicRegisterStep& step);
void PrintFault(std::string& out, const NicFaultStep& step);
void PrintFault(std::string& out, const SpuriousInterruptStep& step);
void PrintFault(std::string& out, const AllocationFailureStep& step);
void PrintFault(std::string& out, const SysctlStep& step);
void PrintFault(std::string& out, const CpuBusyStep& step);
void PrintFault(std::string& out, const SnapshotStep& step);

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_SCRIPT_FAULT_TEXT_H_
