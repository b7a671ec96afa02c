// Faults and settings of a script, done to hosts: each has its effect, and the host survives it.
#include "replay/lab/fault_steps.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "replay/lab/lab.h"
#include "replay/lab/script_hosts.h"
#include "replay/lab/script_player.h"
#include "replay/script/text.h"
#include "stack/drivers/ixgbe_adapter.h"

namespace tapedeck {
namespace {

using testing::IsEmpty;

constexpr std::string_view kBound =
    "0 socket(..., SOCK_DGRAM, IPPROTO_UDP) = 3\n"
    "+0 bind(3, ..., ...) = 0\n";
// A datagram of eight bytes from the first peer.
constexpr std::string_view kFrame =
    "frame repair { 020000000001 020000000101 0800 4500 0024 0000 4000 4011 0000 c000 0265 c000 "
    "0201"
    " 1f90 1f90 0010 0001 0001 0203 0405 0607 }\n";
constexpr std::string_view kReads = "recvfrom(3, ..., 100, MSG_DONTWAIT, ..., ...) = 8\n";
constexpr std::string_view kReadsNothing =
    "recvfrom(3, ..., 100, MSG_DONTWAIT, ..., ...) = -1 EAGAIN\n";
constexpr std::string_view kSends = "sendto(3, ..., 8, 0, ..., ...) = 8\n";

// One host with a NIC and its peers.
class FaultyLab {
 public:
  explicit FaultyLab(int nics = 1) : lab_(Options(nics)) {
    for (int nic = 0; nic < nics; ++nic) {
      lab_.port(0, nic).AnswerArp(&peers_, Duration::Microseconds(50));
    }
  }
  ~FaultyLab() {
    lab_.Shutdown();
    EXPECT_THAT(lab_.Leftovers(), IsEmpty());
  }

  // The script holds, on a host with a bound socket.
  void Play(std::string_view text) {
    const absl::StatusOr<Script> script = ParseScript(std::string(kBound) + std::string(text), "x");
    ASSERT_TRUE(script.ok()) << script.status();
    ScriptPlayer player(lab_, *script);
    player.Play();
    EXPECT_EQ(player.verdict().difference, "");
  }

  Lab& lab() { return lab_; }
  uint64_t Stat(std::string_view name) {
    uint64_t value = 0;
    EXPECT_TRUE(lab_.nic(0).Stat(name, &value));
    return value;
  }
  uint64_t Dropped(DropReason reason) { return lab_.recorder().ledger().dropped(reason); }
  const ixgbe::Adapter& adapter() { return *ixgbe::ixgbe_adapter_of(lab_.device(0)); }

 private:
  static LabOptions Options(int nics) {
    LabOptions options;
    options.hosts.push_back(ScriptHostOptions(0));
    options.hosts[0].driver.tx_ring_entries = 64;
    for (int nic = 1; nic < nics; ++nic) {
      options.hosts[0].more_nics.push_back(
          {.mac = HostMac(static_cast<uint8_t>(10 * nic)),
           .address = Ipv4Address(198, 51, 100, static_cast<uint8_t>(nic))});
    }
    return options;
  }

  ScriptPeers peers_;
  Lab lab_;
};

std::string Line(std::string_view time, std::string_view what) {
  return std::string(time) + " " + std::string(what);
}

// A datagram comes in; 1 ms later something happens.
std::string Comes(std::string_view then) { return Line("+0", kFrame) + Line("+1ms", then); }

// --- Link ---

TEST(FaultSteps, NothingComesInWhileTheLinkIsDown) {
  FaultyLab lab;
  const uint64_t before = lab.Stat("link_changes");
  lab.Play("+0 link down\n" + Comes(kReadsNothing) + "+0 link up\n+4 pause\n" + Comes(kReads));
  EXPECT_EQ(lab.Stat("link_changes"), before + 2);
  EXPECT_EQ(lab.Stat("rx_disabled"), 1U);
}

TEST(FaultSteps, ALinkThatIsDownIsToldToTheHost) {
  FaultyLab lab;
  lab.Play("+0 link down\n+1 pause\n");
  EXPECT_FALSE(netif_carrier_ok(lab.lab().device(0)));
}

// --- Registers ---

TEST(FaultSteps, ReceptionThatSomebodySwitchesOffComesBackWhenItIsOn) {
  FaultyLab lab;
  lab.Play("+0 nic clear RXCTRL 1\n+1us pause\n" + Comes(kReadsNothing) +
           "+0 nic set RXCTRL 1\n+1us pause\n" + Comes(kReads));
}

TEST(FaultSteps, ACauseThatSomebodyReadsAwayIsLostToNobody) {
  FaultyLab lab;
  lab.Play("+0 nic read EICR\n" + Comes(kReads) + "+0 nic read CRCERRS\n" + Comes(kReads));
}

TEST(FaultSteps, ATailOutsideTheRingIsReportedAndIgnored) {
  FaultyLab lab;
  lab.Play("+0 nic write RDT(0) 0xffff\n" + Comes(kReads));
  EXPECT_EQ(lab.lab().recorder().count(TraceKind::kDeviceFault), 1U);
}

TEST(FaultSteps, ModerationIsChanged) {
  FaultyLab lab;
  // 511 units of 2.048 us: the second datagram's interrupt waits for 1.05 ms.
  lab.Play("+0 nic write EITR(0) 0xff8\n+1us pause\n" + Comes(kReads) + "+2ms pause\n" +
           Line("+0", kFrame) + Line("+500us", kReads) + Line("+0", kFrame) +
           Line("+400us", kReadsNothing) + Line("+1ms", kReads));
}

// --- Faults of the NIC ---

TEST(FaultSteps, ALostReceiveWriteBackLosesItsFrame) {
  FaultyLab lab;
  lab.Play("+0 nic fault rx_write_back 2 lose\n" + Comes(kReads) + Comes(kReadsNothing));
  EXPECT_EQ(lab.Dropped(SKB_DROP_REASON_NIC_DMA_FAULT), 1U);
}

TEST(FaultSteps, ADelayedWriteBackIsSeenWithTheNextInterrupt) {
  FaultyLab lab;
  lab.Play("+0 nic fault rx_write_back delay 0.01\n" + Comes(kReadsNothing) + "+20ms pause\n" +
           Comes(kReads) + Line("+0", kReads));
}

TEST(FaultSteps, AnErrorBitDropsTheFrame) {
  FaultyLab lab;
  lab.Play("+0 nic fault rx_write_back change status 0x20000000\n" + Comes(kReadsNothing) +
           Comes(kReads));
  EXPECT_EQ(lab.lab().device(0)->stats.rx_errors, 1U);
}

TEST(FaultSteps, ALengthBeyondTheBufferDropsTheFrame) {
  FaultyLab lab;
  lab.Play("+0 nic fault rx_write_back change length 0x8000\n" + Comes(kReadsNothing) +
           Comes(kReads));
  EXPECT_EQ(lab.lab().device(0)->stats.rx_errors, 1U);
}

TEST(FaultSteps, ADuplicatedWriteBackOverAFreshDescriptorEndsInNoCrash) {
  FaultyLab lab;
  // The ring has gone round when the descriptor is written once more.
  std::string script = "+0 nic fault rx_write_back repeat 0.05\n" + Comes(kReads);
  for (int i = 0; i < 520; ++i) script += Line("+10us", kFrame);
  lab.Play(script + "+100ms pause\n");
}

TEST(FaultSteps, ALostTransmitWriteBackEndsInAResetOnceTheRingIsFull) {
  FaultyLab lab;
  std::string script = Line("+0", kSends) + "+1ms pause\n+0 nic fault tx_write_back lose\n";
  for (int i = 0; i < 70; ++i) script += Line("+1ms", kSends);
  lab.Play(script + "+6 pause\n" + Line("+4", kSends) + "+1ms pause\n");
  EXPECT_EQ(lab.adapter().tx_timeouts, 1U);
  EXPECT_TRUE(netif_carrier_ok(lab.lab().device(0)));
}

TEST(FaultSteps, ADescriptorThatIsReadWronglyIsReportedByTheBus) {
  FaultyLab lab;
  // The descriptors of an ARP request, and of a datagram: its context and its data.
  lab.Play("+0 nic fault tx_fetch 3 change address_high 0xffff0000\n" + Line("+1ms", kSends) +
           Line("+1ms", kSends) + Line("+1ms", kSends) + "+1ms pause\n");
  EXPECT_GE(lab.lab().recorder().count(TraceKind::kDeviceFault), 1U);
}

// --- Interrupts ---

TEST(FaultSteps, ALostMessageLeavesTheQueueMaskedUntilSomebodyUnmasksIt) {
  FaultyLab lab;
  // EIAM masked the vector with the message that nobody got.
  lab.Play("+0 nic fault message lose\n" + Comes(kReadsNothing) +
           "+0 nic write EIMS 1\n+0 nic write EICS 1\n" + Line("+1ms", kReads));
}

TEST(FaultSteps, ADelayedMessageDelaysThePoll) {
  FaultyLab lab;
  lab.Play("+0 nic fault message delay 0.01\n" + Comes(kReadsNothing) + Line("+10ms", kReads));
}

TEST(FaultSteps, AMessageWithoutACauseIsAnInterrupt) {
  FaultyLab lab;
  const uint64_t before = lab.lab().host(0).kernel().cpu(0).interrupts();
  lab.Play("+0 nic interrupt 0\n+1ms nic interrupt 1\n+1ms nic interrupt 40\n" + Comes(kReads));
  EXPECT_EQ(lab.lab().host(0).kernel().cpu(0).interrupts(), before + 3);
}

TEST(FaultSteps, ABusyCpuPollsLate) {
  FaultyLab lab;
  lab.Play("+0 cpu 0 busy 0.01\n" + Comes("pause\n") + Line("+10ms", kReads));
  const uint64_t ms = lab.lab().host(0).kernel().cpu(0).now().ns() / 1'000'000;
  EXPECT_GE(ms, 10U);
}

// --- Memory ---

TEST(FaultSteps, ASocketThatCannotBeAllocatedIsAnError) {
  FaultyLab lab;
  lab.Play(
      "+0 fail slab\n"
      "+0 socket(..., SOCK_DGRAM, IPPROTO_UDP) = -1 ENFILE\n"
      "+0 socket(..., SOCK_DGRAM, IPPROTO_UDP) = 4\n");
}

TEST(FaultSteps, APacketThatCannotBeAllocatedIsAnError) {
  FaultyLab lab;
  lab.Play(Line("+0", kSends) + "+0 fail skb\n+0 sendto(3, ..., 8, 0, ..., ...) = -1 ENOBUFS\n" +
           "+0 fail page\n+0 sendto(3, ..., 8, 0, ..., ...) = -1 ENOBUFS\n" + Line("+0", kSends));
}

TEST(FaultSteps, AFrameForWhichThereIsNoPacketIsDropped) {
  FaultyLab lab;
  lab.Play("+0 fail skb\n" + Comes(kReadsNothing) + Comes(kReads));
  EXPECT_EQ(lab.adapter().rx.alloc_failed, 1U);
}

// --- Settings ---

TEST(FaultSteps, ASettingIsWritten) {
  FaultyLab lab;
  lab.Play("+0 sysctl \"net/ipv4/ip_forward=1\"\n");
  std::string value;
  EXPECT_EQ(lab.lab().host(0).kernel().sysctl().Read("net/ipv4/ip_forward", &value), 0);
  EXPECT_EQ(value, "1\n");
}

TEST(FaultSteps, ASettingThatThereIsNotIsADifference) {
  LabOptions options;
  options.hosts.push_back(ScriptHostOptions(0));
  Lab lab(options);
  const Script script = *ParseScript("0 sysctl \"net/ipv4/nope=1\"", "x");
  ScriptPlayer player(lab, script);
  player.Play();
  EXPECT_THAT(player.verdict().difference, testing::HasSubstr("No such file"));
}

// --- Snapshots ---

TEST(FaultSteps, WhatLiesBetweenSavingAndRestoringHasNeverHappened) {
  const auto digest = [](const std::string& middle) {
    FaultyLab lab;
    lab.Play(Comes(kReads) + "+0 snapshot save\n" + middle + Comes(kReads));
    return lab.lab().recorder().digest().value();
  };
  const uint64_t straight = digest("");
  EXPECT_EQ(digest("+0 close(3) = 0\n+1 link down\n+1000 fail skb\n+0 snapshot restore\n"),
            straight);
  EXPECT_EQ(digest("+0 socket(..., SOCK_DGRAM, 0) = 7\n" + Comes("pause\n") +
                   "+0 snapshot restore\n+0 snapshot restore\n"),
            straight);
  EXPECT_NE(digest("+0 socket(..., SOCK_DGRAM, 0) = 7\n"), straight);
}

TEST(FaultSteps, ACallThatWaitsEndsWhenItIsTakenBack) {
  FaultyLab lab;
  lab.Play(
      "+0 snapshot save\n"
      "+0...1 recvfrom(3, ..., 100, 0, ..., ...) = 8\n"
      "+0 snapshot restore\n" +
      Comes(kReads));
}

// --- Several NICs ---

TEST(FaultSteps, EachNicHasItsOwnFrames) {
  FaultyLab lab(2);
  // To another's address on the first network, on the second NIC: the filter has it.
  lab.Play("+0 host 0 nic 1: " + std::string(kFrame) + "+1ms pause\n" + Comes(kReads));
}

}  // namespace
}  // namespace tapedeck
