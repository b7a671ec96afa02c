// Routes, groups and anycast addresses of IPv6 in /proc/net (ipv6_route_seq_show,
// igmp6_mc_seq_show, igmp6_mcf_seq_show, ac6_seq_show). Each function appends its file's text.
#ifndef TAPEDECK_STACK_IPV6_IPV6_PROC_H_
#define TAPEDECK_STACK_IPV6_IPV6_PROC_H_

#include <string>

#include "stack/core/net.h"

namespace tapedeck {

void ipv6_route_seq_show(net& net, std::string* text);
void igmp6_mc_seq_show(net& net, std::string* text);
void igmp6_mcf_seq_show(net& net, std::string* text);
void ac6_seq_show(net& net, std::string* text);

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_IPV6_IPV6_PROC_H_
