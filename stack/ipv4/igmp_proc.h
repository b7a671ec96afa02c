// Groups of IPv4 in /proc/net/igmp and mcfilter (igmp_mc_seq_show, igmp_mcf_seq_show).
#ifndef TAPEDECK_STACK_IPV4_IGMP_PROC_H_
#define TAPEDECK_STACK_IPV4_IGMP_PROC_H_

#include <string>

#include "stack/core/net.h"

namespace tapedeck {

// Each appends its text to *text.
void igmp_mc_seq_show(net& net, std::string* text);
void igmp_mcf_seq_show(net& net, std::string* text);

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_IPV4_IGMP_PROC_H_
