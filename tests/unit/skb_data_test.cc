// The bytes of packets: copying to and from users, checksums verified, put off and filled in.
#include "stack/core/skb_data.h"

#include <gtest/gtest.h>

#include <cerrno>

#include "core_host.h"
#include "stack/core/msghdr.h"
#include "stack/wire/ip_protocol.h"

namespace tapedeck {
namespace {

class SkbDataTest : public testing::Test {
 protected:
  ~SkbDataTest() override { EXPECT_EQ(host_.LivePackets(), 0U); }
  // 30 bytes in four places.
  sk_buff* Scattered() {
    sk_buff* const skb = MakePacket(host_.n, Pattern(10));
    AddFrag(skb, Pattern(7, 70));
    AddFrag(skb, Pattern(3, 119));
    AddToFragList(skb, MakePacket(host_.n, Pattern(10, 140)));
    return skb;
  }
  CoreHost host_;
};

TEST_F(SkbDataTest, RangesOutsideThePacketAreRefused) {
  sk_buff* const skb = Scattered();
  EXPECT_EQ(BytesOf(skb), Pattern(30));
  uint8_t buffer[40];
  EXPECT_EQ(skb_copy_bits(skb, 0, buffer, 31), -EFAULT);
  EXPECT_EQ(skb_copy_bits(skb, ~0U, buffer, 2), -EFAULT);
  EXPECT_EQ(skb_store_bits(skb, 30, buffer, 1), -EFAULT);
  EXPECT_EQ(skb_header_pointer(skb, 4, 6, buffer), skb->data + 4);
  EXPECT_EQ(skb_header_pointer(skb, 5, 6, buffer), buffer);
  EXPECT_EQ(std::memcmp(buffer, Pattern(30).data() + 5, 6), 0);
  EXPECT_EQ(skb_header_pointer(skb, 25, 6, buffer), nullptr);
  kfree_skb(skb);
}

TEST_F(SkbDataTest, CopiesToScatteredUserMemory) {
  sk_buff* const skb = Scattered();
  Bytes a(4);
  Bytes b(25);
  const iovec pieces[] = {{a.data(), 4}, {nullptr, 0}, {b.data(), 25}};
  iov_iter iter(pieces);
  EXPECT_EQ(iov_iter_count(&iter), 29U);
  EXPECT_EQ(skb_copy_datagram_iter(skb, 1, &iter, 29), 0);
  EXPECT_EQ(iov_iter_count(&iter), 0U);
  a.insert(a.end(), b.begin(), b.end());
  EXPECT_EQ(a, Pattern(29, 7));

  const iovec bad[] = {{b.data(), 4}, {nullptr, 100}};
  iov_iter faulty(bad);
  EXPECT_EQ(skb_copy_datagram_iter(skb, 0, &faulty, 20), -EFAULT);
  kfree_skb(skb);
}

TEST_F(SkbDataTest, FillsFromUserMemory) {
  sk_buff* const skb = Scattered();
  Bytes user = Pattern(20, 3);
  const iovec pieces[] = {{user.data(), 13}, {user.data() + 13, 7}};
  iov_iter iter(pieces);
  EXPECT_EQ(skb_copy_datagram_from_iter(skb, 5, &iter, 20), 0);
  Bytes expected = Pattern(30);
  std::copy(user.begin(), user.end(), expected.begin() + 5);
  EXPECT_EQ(BytesOf(skb), expected);
  kfree_skb(skb);
}

TEST_F(SkbDataTest, IterCopiesAllOrNothingWhereAsked) {
  Bytes user = Pattern(10);
  const iovec pieces[] = {{user.data(), 3}, {user.data() + 3, 7}};
  iov_iter iter(pieces);
  Bytes to(20);
  wsum csum = 0x1234;
  EXPECT_FALSE(copy_from_iter_full(to.data(), 11, &iter));
  EXPECT_FALSE(csum_and_copy_from_iter_full(to.data(), 11, &csum, 0, &iter));
  EXPECT_EQ(csum, 0x1234U);
  EXPECT_EQ(iov_iter_count(&iter), 10U);
  // Sums of pieces at odd places.
  csum = 0;
  EXPECT_TRUE(csum_and_copy_from_iter_full(to.data(), 5, &csum, 1, &iter));
  EXPECT_TRUE(csum_and_copy_from_iter_full(to.data() + 5, 5, &csum, 6, &iter));
  Bytes shifted = Pattern(10);
  shifted.insert(shifted.begin(), 0);
  EXPECT_EQ(csum, csum_partial_scalar(shifted, 0));
  iov_iter again(pieces);
  iov_iter_advance(&again, 4);
  iov_iter_truncate(&again, 2);
  EXPECT_EQ(copy_from_iter(to.data(), 20, &again), 2U);
  EXPECT_EQ(to[0], Pattern(10)[4]);
}

// A UDP-like packet: 8 bytes of header whose bytes 6 and 7 hold the checksum over all and a
// pseudo-header sum.
constexpr wsum kPseudo = 0x4321;
Bytes Summed(size_t payload, bool right) {
  Bytes bytes = Pattern(8 + payload);
  bytes[6] = bytes[7] = 0;
  StoreBe16(bytes.data() + 6, csum_fold(csum_partial_scalar(bytes, kPseudo)));
  if (!right) bytes[9] ^= 1;
  return bytes;
}

TEST_F(SkbDataTest, ShortPacketsAreVerifiedAtOnceAndLongOnesWhenCopied) {
  for (const bool right : {true, false}) {
    for (const size_t payload : {20U, 21U, 500U, 501U}) {
      const Bytes bytes = Summed(payload, right);
      sk_buff* const skb = MakePacket(host_.n, bytes);
      const uint16_t at_once = skb_checksum_validate(skb, false, true, 1, kPseudo);
      if (payload < 60) {
        EXPECT_EQ(at_once == 0, right);
        EXPECT_EQ(skb->csum_valid, right);
      } else {
        EXPECT_EQ(at_once, 0);
        EXPECT_FALSE(skb->csum_valid);
      }
      if (payload >= 60 || right) {
        Bytes user(payload);
        const iovec piece[] = {{user.data(), user.size()}};
        iov_iter iter(piece);
        if (payload >= 60) {
          EXPECT_EQ(skb_copy_and_csum_datagram_iter(skb, 8, &iter), right ? 0 : -EINVAL);
          EXPECT_EQ(iov_iter_count(&iter), right ? 0 : payload);
        }
        EXPECT_EQ(skb_checksum_complete(skb) == 0, right);
      }
      kfree_skb(skb);
    }
  }
}

TEST_F(SkbDataTest, ABufferTooSmallForTheSumTakesAPassOfItsOwn) {
  for (const bool right : {true, false}) {
    sk_buff* const skb = MakePacket(host_.n, Summed(300, right));
    skb_checksum_validate(skb, false, true, 1, kPseudo);
    Bytes user(10);
    const iovec piece[] = {{user.data(), user.size()}};
    iov_iter iter(piece);
    EXPECT_EQ(skb_copy_and_csum_datagram_iter(skb, 8, &iter), right ? 0 : -EINVAL);
    kfree_skb(skb);
  }
}

TEST_F(SkbDataTest, WhatTheDeviceVouchesForIsNotSummed) {
  sk_buff* const skb = MakePacket(host_.n, Summed(20, false));
  skb->ip_summed = CHECKSUM_UNNECESSARY;
  skb->csum_level = 1;
  EXPECT_EQ(skb_checksum_validate(skb, true, false, 1, kPseudo), 0);
  EXPECT_EQ(skb->ip_summed, CHECKSUM_UNNECESSARY);  // one level is left
  EXPECT_EQ(skb_checksum_validate(skb, true, false, 1, kPseudo), 0);
  EXPECT_EQ(skb->ip_summed, CHECKSUM_NONE);
  EXPECT_NE(skb_checksum_validate(skb, true, false, 1, kPseudo), 0);
  EXPECT_EQ(skb_checksum_validate(skb, true, true, 0, kPseudo), 0);  // no checksum, allowed
  kfree_skb(skb);
}

TEST_F(SkbDataTest, ACompleteSumIsTakenFromTheDevice) {
  for (const bool right : {true, false}) {
    const Bytes bytes = Summed(20, right);
    sk_buff* const skb = MakePacket(host_.n, bytes);
    skb->ip_summed = CHECKSUM_COMPLETE;
    skb->csum = csum_partial_scalar(bytes, 0);
    EXPECT_EQ(skb_checksum_validate(skb, true, false, 1, kPseudo) == 0, right);
    kfree_skb(skb);
  }
}

TEST_F(SkbDataTest, HelpFillsTheChecksumOfAPartialPacket) {
  for (const uint32_t payload : {0U, 1U, 100U, 999U}) {
    Bytes bytes = Pattern(20 + 8 + payload);
    StoreBe16(bytes.data() + 26,
              csum_from64to16(kPseudo));  // a sender leaves the pseudo-header's sum there
    sk_buff* const skb = MakePacket(host_.n, bytes);
    skb->ip_summed = CHECKSUM_PARTIAL;
    skb->csum_start = static_cast<uint16_t>(skb_headroom(skb) + 20);
    skb->csum_offset = 6;
    sk_buff* const clone = skb_clone(skb);
    ASSERT_EQ(skb_checksum_help(skb), 0);
    EXPECT_EQ(skb->ip_summed, CHECKSUM_NONE);
    const Bytes sent = BytesOf(skb);
    const std::span<const uint8_t> transport(sent.data() + 20, sent.size() - 20);
    EXPECT_EQ(csum_fold(csum_partial_scalar(transport, kPseudo)), 0);
    EXPECT_EQ(BytesOf(clone), bytes);
    kfree_skb(skb);
    kfree_skb(clone);
  }
  sk_buff* const skb = MakePacket(host_.n, Pattern(20));
  skb->ip_summed = CHECKSUM_PARTIAL;
  skb->csum_start = static_cast<uint16_t>(skb_headroom(skb) + 13);
  skb->csum_offset = 6;
  EXPECT_EQ(skb_checksum_help(skb), -EINVAL);
  kfree_skb(skb);
}

TEST_F(SkbDataTest, ControlMessagesHaveLinuxLayout) {
  alignas(8) uint8_t control[64] = {};
  msghdr msg;
  msg.msg_control = control;
  msg.msg_controllen = sizeof(control);
  const uint32_t ttl = 63;
  put_cmsg(&msg, 0, 2, &ttl, sizeof(ttl));
  const uint8_t info[12] = {1, 2, 3};
  put_cmsg(&msg, 0, 8, info, sizeof(info));
  EXPECT_EQ(msg.msg_controllen, sizeof(control) - 24 - 32);
  EXPECT_EQ(msg.msg_flags, 0U);
  put_cmsg(&msg, 0, 8, info, sizeof(info));  // 8 bytes are left: not even its head
  EXPECT_EQ(msg.msg_flags, MSG_CTRUNC);

  msghdr sent;
  sent.msg_control = control;
  sent.msg_controllen = 24 + 32;
  const cmsghdr* cmsg = cmsg_firsthdr(&sent);
  ASSERT_TRUE(cmsg != nullptr && cmsg_ok(&sent, cmsg));
  EXPECT_EQ(cmsg->cmsg_len, 20U);
  EXPECT_EQ(cmsg->cmsg_type, 2);
  EXPECT_EQ(std::memcmp(cmsg_data(cmsg), &ttl, 4), 0);
  cmsg = cmsg_nxthdr(&sent, cmsg);
  ASSERT_TRUE(cmsg != nullptr && cmsg_ok(&sent, cmsg));
  EXPECT_EQ(cmsg->cmsg_len, 28U);
  EXPECT_EQ(cmsg_nxthdr(&sent, cmsg), nullptr);
  // A length that wraps, and one that reaches past the end.
  reinterpret_cast<cmsghdr*>(control)->cmsg_len = ~uint64_t{0};
  EXPECT_FALSE(cmsg_ok(&sent, cmsg_firsthdr(&sent)));
  EXPECT_EQ(cmsg_nxthdr(&sent, cmsg_firsthdr(&sent)), nullptr);
  reinterpret_cast<cmsghdr*>(control)->cmsg_len = 8;
  EXPECT_FALSE(cmsg_ok(&sent, cmsg_firsthdr(&sent)));
}

}  // namespace
}  // namespace tapedeck
