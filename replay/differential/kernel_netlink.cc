#include "replay/differential/kernel_netlink.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace tapedeck::differential {

namespace {

constexpr size_t kBufferBytes = 64 * 1024;

template <typename Body>
struct Request {
  nlmsghdr header;
  Body body;
};

size_t BodyBytes(uint16_t type) {
  switch (type) {
    case RTM_GETNEIGH:
      return sizeof(ndmsg);
    case RTM_GETADDR:
      return sizeof(ifaddrmsg);
    default:
      return sizeof(rtmsg);
  }
}

// What changes in a row while it stays the same one: an address's times, a route's use.
bool IsVolatile(uint16_t table, uint16_t attribute) {
  switch (table) {
    case RTM_GETADDR:
      return attribute == IFA_CACHEINFO || attribute == IFA_FLAGS;
    case RTM_GETROUTE:
      return attribute == RTA_CACHEINFO;
    default:
      return false;
  }
}

}  // namespace

// The body of a message with those attributes that a request to delete understands.
struct KernelNetlink::Row {
  std::string bytes;
};

absl::Status KernelNetlink::Open() {
  socket_ = OwnFd(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
  if (socket_.get() < 0) {
    return absl::UnavailableError(absl::StrCat("a netlink socket: ", strerror(errno)));
  }
  buffer_.resize(kBufferBytes);
  return absl::OkStatus();
}

bool KernelNetlink::Receive(const std::function<bool(std::span<const uint8_t>)>& take) {
  for (;;) {
    const ssize_t received = recv(socket_.get(), buffer_.data(), buffer_.size(), 0);
    if (received <= 0) return false;
    std::span<const uint8_t> rest(buffer_.data(), static_cast<size_t>(received));
    while (rest.size() >= sizeof(nlmsghdr)) {
      nlmsghdr header;
      std::memcpy(&header, rest.data(), sizeof(header));
      if (header.nlmsg_len < sizeof(header) || header.nlmsg_len > rest.size()) return false;
      if (header.nlmsg_seq == sequence_) {
        if (header.nlmsg_type == NLMSG_DONE || header.nlmsg_type == NLMSG_ERROR) return true;
        if (!take(rest.first(header.nlmsg_len).subspan(sizeof(header)))) return false;
      }
      rest = rest.subspan(std::min<size_t>(NLMSG_ALIGN(header.nlmsg_len), rest.size()));
    }
  }
}

std::vector<KernelNetlink::Row> KernelNetlink::Dump(uint16_t type, uint8_t family) {
  const size_t body_bytes = BodyBytes(type);
  Request<rtmsg> request = {};
  request.header.nlmsg_len = static_cast<uint32_t>(sizeof(nlmsghdr) + body_bytes);
  request.header.nlmsg_type = type;
  request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
  request.header.nlmsg_seq = ++sequence_;
  request.body.rtm_family = family;  // the first byte of all bodies
  std::vector<Row> rows;
  if (send(socket_.get(), &request, request.header.nlmsg_len, 0) < 0) return rows;
  Receive([&](std::span<const uint8_t> body) {
    if (body.size() < body_bytes) return false;
    std::string& bytes = rows.emplace_back().bytes;
    bytes.assign(body.begin(), body.begin() + static_cast<ptrdiff_t>(body_bytes));
    for (std::span<const uint8_t> rest = body.subspan(body_bytes); rest.size() >= sizeof(rtattr);) {
      rtattr attribute;
      std::memcpy(&attribute, rest.data(), sizeof(attribute));
      const size_t aligned = std::min<size_t>(RTA_ALIGN(attribute.rta_len), rest.size());
      if (attribute.rta_len < sizeof(attribute)) return false;
      if (!IsVolatile(type, attribute.rta_type)) {
        bytes.append(rest.begin(), rest.begin() + static_cast<ptrdiff_t>(aligned));
      }
      rest = rest.subspan(aligned);
    }
    return true;
  });
  return rows;
}

void KernelNetlink::Delete(uint16_t type, const std::vector<Row>& rows,
                           const std::set<std::string>& keep) {
  for (const Row& row : rows) {
    if (keep.contains(row.bytes)) continue;
    nlmsghdr header = {};
    header.nlmsg_len = static_cast<uint32_t>(sizeof(header) + row.bytes.size());
    header.nlmsg_type = type;
    header.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
    header.nlmsg_seq = ++sequence_;
    std::string message(reinterpret_cast<const char*>(&header), sizeof(header));
    message += row.bytes;
    if (send(socket_.get(), message.data(), message.size(), 0) < 0) return;
    Receive([](std::span<const uint8_t>) { return true; });
  }
}

void KernelNetlink::RememberRoutes() {
  for (const Row& row : Dump(RTM_GETADDR, AF_INET6)) addresses_.insert(row.bytes);
  for (const Row& row : Dump(RTM_GETROUTE, AF_INET6)) routes_.insert(row.bytes);
}

void KernelNetlink::ForgetRoutes() {
  // An address's routes go with it.
  Delete(RTM_DELADDR, Dump(RTM_GETADDR, AF_INET6), addresses_);
  Delete(RTM_DELROUTE, Dump(RTM_GETROUTE, AF_INET6), routes_);
}

void KernelNetlink::ForgetNeighbours() { Delete(RTM_DELNEIGH, Dump(RTM_GETNEIGH, AF_UNSPEC), {}); }

}  // namespace tapedeck::differential
