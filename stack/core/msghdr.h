// One send or receive call on its way through a protocol: struct msghdr with its control messages
// (net/core/scm.c).
#ifndef TAPEDECK_STACK_CORE_MSGHDR_H_
#define TAPEDECK_STACK_CORE_MSGHDR_H_

#include <cstddef>
#include <cstdint>

#include "stack/core/iov_iter.h"
#include "stack/core/uapi.h"

namespace tapedeck {

// Head of a control message; its data follows, padded to 8 bytes. As on 64-bit Linux.
struct cmsghdr {
  uint64_t cmsg_len;  // head and data
  int32_t cmsg_level;
  int32_t cmsg_type;
};
constexpr size_t CmsgAlign(size_t bytes) { return (bytes + 7) & ~size_t{7}; }
constexpr size_t CmsgLen(size_t data_bytes) { return sizeof(cmsghdr) + data_bytes; }
constexpr size_t CmsgSpace(size_t data_bytes) { return sizeof(cmsghdr) + CmsgAlign(data_bytes); }

struct ubuf_info;

struct msghdr {
  // Send: the destination in its sockaddr_* layout, copied from the user, or nullptr. Receive: room
  // for the source, or nullptr; msg_namelen is set to its length.
  void* msg_name = nullptr;
  uint32_t msg_namelen = 0;
  uint32_t msg_flags = 0;  // MSG_*; receive: what the call reports
  iov_iter msg_iter;
  // Send: the control messages, copied from the user. Receive: the room that is left; put_cmsg
  // moves it on.
  uint8_t* msg_control = nullptr;
  size_t msg_controllen = 0;
  // Of a call that slept and goes on: the bytes that its earlier attempts have moved, which
  // msg_iter is past. See stack/socket/system_call.h.
  size_t msg_copied = 0;
  bool msg_again = false;  // not the call's first attempt
  // The call's zero-copy notification, once the protocol has made it (zerocopy.h). The reference is
  // the call's: the socket layer puts it in the end.
  ubuf_info* msg_ubuf = nullptr;
};

// Appends a control message for the user. Where there is no room for all of it, it is cut and
// MSG_CTRUNC set, as in Linux.
void put_cmsg(msghdr* msg, int level, int type, const void* data, size_t data_bytes);

// Walks the control messages of a send: the first / next one, nullptr at the end. A head that says
// less than its own size or more than there is (CMSG_OK false) is the caller's -EINVAL.
const cmsghdr* cmsg_firsthdr(const msghdr* msg);
const cmsghdr* cmsg_nxthdr(const msghdr* msg, const cmsghdr* cmsg);
bool cmsg_ok(const msghdr* msg, const cmsghdr* cmsg);
inline const uint8_t* cmsg_data(const cmsghdr* cmsg) {
  return reinterpret_cast<const uint8_t*>(cmsg + 1);
}

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_CORE_MSGHDR_H_
