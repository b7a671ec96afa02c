#include "stack/core/msghdr.h"

#include <algorithm>
#include <cstring>

namespace tapedeck {

void put_cmsg(msghdr* msg, int level, int type, const void* data, size_t data_bytes) {
  if (msg->msg_control == nullptr || msg->msg_controllen < sizeof(cmsghdr)) {
    msg->msg_flags |= MSG_CTRUNC;
    return;
  }
  size_t bytes = CmsgLen(data_bytes);
  if (msg->msg_controllen < bytes) {
    msg->msg_flags |= MSG_CTRUNC;
    bytes = msg->msg_controllen;
  }
  const cmsghdr head = {bytes, level, type};
  std::memcpy(msg->msg_control, &head, sizeof(head));
  std::memcpy(msg->msg_control + sizeof(head), data, bytes - sizeof(head));
  const size_t space = std::min(CmsgSpace(data_bytes), msg->msg_controllen);
  msg->msg_control += space;
  msg->msg_controllen -= space;
}

const cmsghdr* cmsg_firsthdr(const msghdr* msg) {
  if (msg->msg_control == nullptr || msg->msg_controllen < sizeof(cmsghdr)) return nullptr;
  return reinterpret_cast<const cmsghdr*>(msg->msg_control);
}

const cmsghdr* cmsg_nxthdr(const msghdr* msg, const cmsghdr* cmsg) {
  const auto* const at = reinterpret_cast<const uint8_t*>(cmsg);
  const auto used = static_cast<size_t>(at - msg->msg_control);
  const size_t left = msg->msg_controllen - used;
  const size_t step = CmsgAlign(cmsg->cmsg_len);
  if (step < sizeof(cmsghdr) || step > left || left - step < sizeof(cmsghdr)) return nullptr;
  return reinterpret_cast<const cmsghdr*>(at + step);
}

bool cmsg_ok(const msghdr* msg, const cmsghdr* cmsg) {
  const auto* const at = reinterpret_cast<const uint8_t*>(cmsg);
  const auto used = static_cast<size_t>(at - msg->msg_control);
  return cmsg->cmsg_len >= sizeof(cmsghdr) && cmsg->cmsg_len <= msg->msg_controllen - used;
}

}  // namespace tapedeck
