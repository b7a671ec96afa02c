// Socket options and structures of multicast that both families have (RFC 3678; in.h). Where
// <netinet/in.h> makes a name a macro, ours is another: MCAST_JOIN_GROUP is kMcastJoinGroup.
#ifndef TAPEDECK_STACK_IPV4_MCAST_UAPI_H_
#define TAPEDECK_STACK_IPV4_MCAST_UAPI_H_

namespace tapedeck {

enum : int {
  kIpUnblockSource = 37,
  kIpBlockSource = 38,
  kIpAddSourceMembership = 39,
  kIpDropSourceMembership = 40,
  kIpMsfilter = 41,
  kMcastJoinGroup = 42,
  kMcastBlockSource = 43,
  kMcastUnblockSource = 44,
  kMcastLeaveGroup = 45,
  kMcastJoinSourceGroup = 46,
  kMcastLeaveSourceGroup = 47,
  kMcastMsfilter = 48,
};

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_IPV4_MCAST_UAPI_H_
