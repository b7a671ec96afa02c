// System calls as strace writes them.
#include "replay/lab/strace.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <cstring>

#include "stack/core/uapi.h"

namespace tapedeck {
namespace {

constexpr size_t kStringBytes = 4;

TEST(StraceTest, ArgumentsHaveTheirNames) {
  SyscallArgs args;
  args.number = SyscallNumber::kSocket;
  args.a = kAfInet6;
  args.b = int{SOCK_STREAM} | static_cast<int>(SOCK_NONBLOCK);
  args.c = 6;
  EXPECT_EQ(StraceCallText(args, 3, kStringBytes),
            "socket(AF_INET6, SOCK_STREAM|SOCK_NONBLOCK, IPPROTO_TCP)");
}

TEST(StraceTest, DataAreCutAndAddressesSpelt) {
  char data[] = "ab\ncdef";
  SyscallArgs args;
  args.number = SyscallNumber::kSendto;
  args.fd = 3;
  args.buffer.iov_base = reinterpret_cast<uint8_t*>(data);
  args.buffer.iov_len = std::strlen(data);
  args.has_address = true;
  args.address = SockAddr(Endpoint{IpAddress(Ipv4Address(10, 0, 0, 2)), be16(53)});
  EXPECT_EQ(StraceCallText(args, 7, kStringBytes),
            "sendto(3, \"ab\\nc\"..., 7, 0, {sa_family=AF_INET, sin_port=htons(53), "
            "sin_addr=inet_addr(\"10.0.0.2\")}, 16)");
}

TEST(StraceTest, MessagesAreToldOneByOne) {
  char data[] = "ab";
  const iovec piece = {reinterpret_cast<uint8_t*>(data), 2};
  mmsghdr messages[2];
  messages[0] = {.msg_hdr = {.msg_iov = {&piece, 1}}, .msg_len = 1};
  SyscallArgs args;
  args.number = SyscallNumber::kRecvmmsg;
  args.fd = 3;
  args.memory = messages;
  args.length = 2;
  args.timeout = Duration::Milliseconds(1500);
  EXPECT_EQ(StraceCallText(args, 1, kStringBytes),
            "recvmmsg(3, [{msg_hdr={msg_name=NULL, msg_iov=[{iov_base=\"a\", iov_len=2}], 1, "
            "msg_controllen=0, msg_flags=0}, msg_len=1}, {msg_hdr={msg_name=NULL, msg_iov=[], 0, "
            "msg_controllen=0, msg_flags=0}}], 2, 0, {tv_sec=1, tv_nsec=500000000})");
  args.number = SyscallNumber::kSendmmsg;
  args.memory = nullptr;
  EXPECT_EQ(StraceCallText(args, -EFAULT, kStringBytes), "sendmmsg(3, NULL, 2, 0)");
}

TEST(StraceTest, OptionsHaveTheirNames) {
  int32_t one = 1;
  SyscallArgs args;
  args.number = SyscallNumber::kSetsockopt;
  args.fd = 4;
  args.a = 6;
  args.b = 1;
  args.memory = &one;
  args.length = sizeof(one);
  EXPECT_EQ(StraceCallText(args, 0, kStringBytes), "setsockopt(4, SOL_TCP, TCP_NODELAY, [1], 4)");
}

TEST(StraceTest, ResultsAreNumbersOrErrors) {
  EXPECT_EQ(StraceResultText(7), "7");
  EXPECT_EQ(StraceResultText(-EAGAIN), "-1 EAGAIN");
}

}  // namespace
}  // namespace tapedeck
