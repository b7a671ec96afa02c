// Captures as frames with times, surveyed, and turned into scripts and back.
#include "replay/script/capture_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>

#include "capture_bytes.h"
#include "replay/script/addresses.h"
#include "replay/script/bytes.h"
#include "replay/script/capture_script.h"
#include "replay/script/capture_summary.h"
#include "replay/script/index_table.h"
#include "replay/script/text.h"
#include "stack/base/prng.h"
#include "stack/wire/frame_builder.h"

namespace tapedeck {
namespace {

namespace fs = std::filesystem;
using capture::CaptureReader;
using capture::PcapBytes;
using capture::PcapngBytes;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr uint32_t kNanoMagic = 0xa1b23c4d;
constexpr Ipv4Address kA(192, 0, 2, 1);
constexpr Ipv4Address kB(192, 0, 2, 2);
constexpr MacAddress kMacA(2, 0, 0, 0, 1, 1);
constexpr MacAddress kMacB(2, 0, 0, 0, 1, 2);

std::string AsText(std::span<const uint8_t> bytes) { return {bytes.begin(), bytes.end()}; }

// A UDP datagram of four bytes in a frame.
std::string UdpFrame(MacAddress dest_mac, MacAddress source_mac, Ipv4Address saddr,
                     Ipv4Address daddr, uint16_t source, std::optional<uint16_t> vlan = {}) {
  uint8_t buffer[128];
  wire::FrameBuilder builder(buffer);
  builder.Ethernet(dest_mac, source_mac);
  if (vlan.has_value()) builder.Vlan(*vlan);
  return AsText(builder.Ipv4({.ttl = 64, .saddr = saddr, .daddr = daddr})
                    .Udp({.source = source, .dest = uint16_t{53}})
                    .CountingPayload(4)
                    .Build());
}
std::string AToB(uint16_t source = 1000) { return UdpFrame(kMacB, kMacA, kA, kB, source); }
std::string BToA(uint16_t source = 53) { return UdpFrame(kMacA, kMacB, kB, kA, source); }

std::string ArpRequest(Ipv4Address sender, MacAddress sender_mac, Ipv4Address target) {
  uint8_t buffer[64];
  wire::ArpPacket arp;
  arp.ar_op = wire::kArpRequest;
  arp.ar_sha = sender_mac;
  arp.ar_sip = sender;
  arp.ar_tip = target;
  return AsText(wire::FrameBuilder(buffer).Ethernet(kMacBroadcast, sender_mac).Arp(arp).Build());
}

CaptureReader ReaderOf(const capture::Bytes& file) {
  absl::StatusOr<CaptureReader> reader = CaptureReader::FromBytes(file.get(), "test");
  EXPECT_TRUE(reader.ok()) << reader.status();
  return *std::move(reader);
}

CaptureSummary Scan(const capture::Bytes& file) {
  CaptureReader reader = ReaderOf(file);
  return ScanCapture(reader);
}

// --- CaptureSource ---

struct Taken {
  uint64_t ns;
  std::string bytes;
  uint64_t index;
  friend bool operator==(const Taken&, const Taken&) = default;
};

std::vector<Taken> TakeAll(CaptureSource& source) {
  std::vector<Taken> taken;
  TimedFrame frame;
  while (source.Next(&frame)) {
    taken.push_back({frame.time.ns(), AsText(frame.bytes), frame.file_index});
  }
  return taken;
}

TEST(CaptureSource, TimesCountFromTheFirstRecord) {
  PcapBytes file;
  file.Header(kNanoMagic).Record(5, 999'999'999, AToB()).Record(7, 1, BToA());
  CaptureReader reader = ReaderOf(file);
  CaptureSource source(reader);
  EXPECT_THAT(TakeAll(source), ElementsAre(Taken{0, AToB(), 1}, Taken{1'000'000'002, BToA(), 2}));
  EXPECT_EQ(source.start_ns(), 5'999'999'999);
  EXPECT_EQ(source.counts().records, 2U);
  EXPECT_EQ(source.counts().frames, 2U);
  EXPECT_TRUE(Warnings(source.counts()).empty());
}

TEST(CaptureSource, EmptyCaptureHasNoFrames) {
  PcapBytes file;
  file.Header();
  CaptureReader reader = ReaderOf(file);
  CaptureSource source(reader);
  TimedFrame frame;
  EXPECT_FALSE(source.Next(&frame));
  EXPECT_FALSE(source.Next(&frame));
  EXPECT_EQ(source.counts().records, 0U);
}

TEST(CaptureSource, TimeGoingBackwardsIsHeldAndCounted) {
  PcapBytes file;
  file.Header(kNanoMagic);
  file.Record(10, 0, AToB()).Record(10, 5'000'000, AToB()).Record(10, 4'500'000, AToB());
  CaptureReader reader = ReaderOf(file);
  CaptureSource source(reader);
  const std::vector<Taken> taken = TakeAll(source);
  EXPECT_EQ(taken[2].ns, 5'000'000U);
  EXPECT_EQ(source.counts().backwards, 1U);
  EXPECT_EQ(source.counts().backwards_max, Duration::Microseconds(500));
  EXPECT_TRUE(Warnings(source.counts()).empty()) << "half a millisecond is no news";
}

TEST(CaptureSource, TimeGoingFarBackwardsIsTold) {
  PcapBytes file;
  file.Header(kNanoMagic);
  file.Record(10, 0, AToB()).Record(9, 999'000'000 - 345'678, AToB()).Record(11, 0, AToB());
  CaptureReader reader = ReaderOf(file);
  CaptureSource source(reader);
  const std::vector<Taken> taken = TakeAll(source);
  EXPECT_EQ(taken[1].ns, 0U);
  EXPECT_EQ(taken[2].ns, 1'000'000'000U);
  EXPECT_THAT(Warnings(source.counts()),
              ElementsAre("time goes backwards 1 times, by up to 1.345 ms: held"));
}

TEST(CaptureSource, JumpsOfTheClockAreTakenOut) {
  constexpr uint64_t kDayNs = 86'400'000'000'000;
  PcapBytes file;
  file.Header(kNanoMagic);
  file.Record(0, 0, AToB()).Record(2'000'000'000, 0, AToB()).Record(2'000'000'000, 5, AToB());
  file.Record(1000, 0, AToB()).Record(1000, 7, AToB()).Record(1000 + 86'400, 7, AToB());
  CaptureReader reader = ReaderOf(file);
  CaptureSource source(reader);
  std::vector<uint64_t> times_ns;
  for (const Taken& taken : TakeAll(source)) times_ns.push_back(taken.ns);
  EXPECT_THAT(times_ns,
              ElementsAre(0, kDayNs, kDayNs + 5, kDayNs + 5, kDayNs + 12, 2 * kDayNs + 12));
  EXPECT_EQ(source.counts().clock_jumps, 2U);
  EXPECT_EQ(source.counts().backwards, 0U);
  EXPECT_THAT(Warnings(source.counts()),
              ElementsAre("the clock jumps by more than a day 2 times: no time passes backwards, a "
                          "day forwards"));
}

TEST(CaptureSource, TimesBeyondTheEndAreCut) {
  PcapBytes file;
  file.Header(kNanoMagic);
  for (uint32_t day = 0; day < 103; ++day) file.Record(86'400 * day, 0, AToB());
  CaptureReader reader = ReaderOf(file);
  CaptureSource source(reader);
  EXPECT_EQ(TakeAll(source).back().ns, kScriptDurationMax.ns());
  EXPECT_THAT(Warnings(source.counts()),
              ElementsAre("2 frames later than 100 days after the first record: injected then"));
}

TEST(CaptureSource, CutFramesEnterAsCaptured) {
  PcapBytes file;
  file.Header().Record(1, 0, AToB().substr(0, 30), 1514);
  CaptureReader reader = ReaderOf(file);
  CaptureSource source(reader);
  EXPECT_THAT(TakeAll(source), ElementsAre(Taken{0, AToB().substr(0, 30), 1}));
  EXPECT_EQ(source.counts().truncated, 1U);
  EXPECT_THAT(Warnings(source.counts()),
              ElementsAre("1 frame not captured whole (snaplen): injected as short as captured"));
}

TEST(CaptureSource, SkippedRecordsAreCountedByReason) {
  PcapBytes file;
  file.Header().Record(1, 0, "").Record(2, 0, "short").Record(3, 0, AToB());
  CaptureReader reader = ReaderOf(file);
  CaptureSource source(reader);
  EXPECT_THAT(TakeAll(source), ElementsAre(Taken{2'000'000'000, AToB(), 3}));
  const CaptureSourceCounts& counts = source.counts();
  EXPECT_EQ(counts.skipped_of(capture::SkipReason::kEmpty), 1U);
  EXPECT_EQ(counts.skipped_of(capture::SkipReason::kTruncatedLinkHeader), 1U);
  EXPECT_EQ(counts.skipped_total(), 2U);
  EXPECT_THAT(Warnings(counts),
              ElementsAre("1 frame skipped: holds no captured byte",
                          "1 frame skipped: is cut within its link-layer header"));
}

TEST(CaptureSource, FramesWithoutEthernetHeaderGetOne) {
  const std::string packet = AToB().substr(14);
  PcapBytes file;
  file.Header(0xa1b2c3d4, 101).Record(1, 0, packet).Record(2, 0, packet);
  CaptureReader reader = ReaderOf(file);
  CaptureSource source(reader);
  const std::string expected =
      std::string("\x02\x00\xc0\x00\x02\x02\x02\x00\xc0\x00\x02\x01\x08\x00", 14) + packet;
  EXPECT_THAT(TakeAll(source),
              ElementsAre(Taken{0, expected, 1}, Taken{1'000'000'000, expected, 2}));
  EXPECT_EQ(source.counts().synthesised, 2U);
}

TEST(CaptureSource, FcsIsStripped) {
  PcapBytes file;
  file.Header(0xa1b2c3d4, 1 | 0x04000000 | 2U << 28).Record(1, 0, AToB() + "FCS!");
  CaptureReader reader = ReaderOf(file);
  CaptureSource source(reader);
  EXPECT_THAT(TakeAll(source), ElementsAre(Taken{0, AToB(), 1}));
  EXPECT_EQ(source.counts().fcs_stripped, 1U);
}

TEST(CaptureSource, PlainFramesAreNotCopied) {
  PcapBytes file;
  file.Header().Record(1, 0, AToB());
  CaptureReader reader = ReaderOf(file);
  CaptureSource source(reader);
  TimedFrame frame;
  ASSERT_TRUE(source.Next(&frame));
  EXPECT_EQ(frame.bytes.data(), file.get().data() + 24 + 16);
}

// --- ScanCapture ---

TEST(CaptureSummary, CountsWhoSendsAndReceives) {
  PcapBytes file;
  file.Header(kNanoMagic);
  file.Record(3, 0, AToB(1000)).Record(2, 0, BToA(53)).Record(9, 0, AToB(1000));
  file.Record(4, 0, AToB(999));
  const CaptureSummary summary = Scan(file);
  EXPECT_EQ(summary.records, 4U);
  EXPECT_EQ(summary.frames, 4U);
  EXPECT_EQ(summary.frame_bytes, 4 * AToB().size());
  EXPECT_EQ(summary.untagged_frames, 4U);
  EXPECT_EQ(summary.first_ns, 2'000'000'000);
  EXPECT_EQ(summary.last_ns, 9'000'000'000);
  ASSERT_EQ(summary.addresses.size(), 2U);
  const AddressSummary& a = summary.addresses[0];
  EXPECT_EQ(a.address, IpAddress(kA));
  EXPECT_EQ(a.frames_sent, 3U);
  EXPECT_EQ(a.frames_received, 1U);
  EXPECT_EQ(a.mac_as_source.mac(), kMacA);
  EXPECT_EQ(a.mac_as_destination.mac(), kMacA);
  EXPECT_TRUE(a.mac_as_source.is_only());
  EXPECT_THAT(a.udp_source_ports, ElementsAre(999, 1000));
  EXPECT_EQ(summary.Find(kB)->frames_received, 3U);
  EXPECT_EQ(summary.Find(Ipv4Address(9, 9, 9, 9)), nullptr);
  EXPECT_EQ(summary.BusiestReceiver()->address, IpAddress(kB));
}

TEST(CaptureSummary, FramesOfAFlowSeenBeforeCountAsItsFirstDid) {
  const MacAddress other_mac(2, 0, 0, 0, 1, 9);
  std::string other_service = AToB(1000);
  other_service[15] = 0x10;
  std::string fragment = AToB(1000);
  fragment[21] = 1;  // its bytes at the place of ports are none
  fragment[34] = 0;
  PcapBytes file;
  file.Header();
  for (int i = 0; i < 3; ++i) file.Record(1, 0, AToB(1000)).Record(1, 0, BToA(53));
  file.Record(1, 0, other_service).Record(1, 0, fragment);
  file.Record(1, 0, UdpFrame(kMacB, other_mac, kA, kB, 1000));
  file.Record(1, 0, UdpFrame(kMacB, kMacA, kA, kB, 1000, 5)).Record(1, 0, AToB(1000));
  const CaptureSummary summary = Scan(file);
  EXPECT_EQ(summary.untagged_frames, 10U);
  const AddressSummary& a = *summary.Find(kA);
  EXPECT_EQ(a.frames_sent, 8U);
  EXPECT_EQ(a.frames_received, 3U);
  EXPECT_EQ(a.mac_as_source.mac(), kMacA);
  EXPECT_FALSE(a.mac_as_source.is_only());
  EXPECT_EQ(a.mac_as_destination.mac(), kMacA);
  EXPECT_TRUE(a.mac_as_destination.is_only());
  EXPECT_THAT(a.udp_source_ports, ElementsAre(1000));
  const AddressSummary& b = *summary.Find(kB);
  EXPECT_EQ(b.frames_sent, 3U);
  EXPECT_EQ(b.frames_received, 8U);
  EXPECT_EQ(b.frames_received_tagged, 1U);
  EXPECT_EQ(b.mac_as_destination.mac(), kMacB);
  EXPECT_TRUE(b.mac_as_destination.is_only());
  EXPECT_THAT(b.udp_source_ports, ElementsAre(53));
}

TEST(CaptureSummary, TiesGoToTheLowerAddress) {
  PcapBytes file;
  file.Header().Record(1, 0, AToB()).Record(2, 0, BToA());
  EXPECT_EQ(Scan(file).BusiestReceiver()->address, IpAddress(kA));
}

TEST(CaptureSummary, GroupsAreNoHosts) {
  PcapBytes file;
  file.Header();
  file.Record(1, 0, UdpFrame(kMacBroadcast, kMacA, kA, kIpv4Broadcast, 68));
  file.Record(1, 0, UdpFrame(kMacBroadcast, kMacA, kIpv4Any, Ipv4Address(192, 0, 2, 255), 68));
  file.Record(1, 0, UdpFrame(MacAddress::ForMulticast(kIpv4AllHosts), kMacA, kA, kIpv4AllHosts, 1));
  const CaptureSummary summary = Scan(file);
  ASSERT_EQ(summary.addresses.size(), 1U);
  EXPECT_EQ(summary.addresses[0].frames_sent, 2U);
  EXPECT_EQ(summary.BusiestReceiver(), nullptr);
}

TEST(CaptureSummary, Ipv4IsPreferredAndLoopbackIsNot) {
  uint8_t buffer[128];
  const std::string v6 =
      AsText(wire::FrameBuilder(buffer)
                 .Ethernet(kMacB, kMacA)
                 .Ipv6({.hop_limit = 64, .saddr = HostIpv6(0), .daddr = HostIpv6(1)})
                 .Udp({.source = uint16_t{5}, .dest = uint16_t{6}})
                 .Build());
  PcapBytes file;
  file.Header().Record(1, 0, v6).Record(1, 0, v6);
  CaptureSummary summary = Scan(file);
  EXPECT_EQ(summary.BusiestReceiver()->address, IpAddress(HostIpv6(1)));
  EXPECT_THAT(summary.Find(HostIpv6(0))->udp_source_ports, ElementsAre(5));

  const MacAddress zero;
  const std::string loopback = UdpFrame(zero, zero, kIpv4Loopback, kIpv4Loopback, 1);
  file.Record(1, 0, loopback);
  summary = Scan(file);
  EXPECT_EQ(summary.BusiestReceiver()->address, IpAddress(kIpv4Loopback));
  EXPECT_TRUE(summary.BusiestReceiver()->mac_as_destination.mac().IsZero());
  file.Record(1, 0, loopback).Record(1, 0, AToB());
  EXPECT_EQ(Scan(file).BusiestReceiver()->address, IpAddress(kB));
}

TEST(CaptureSummary, ArpTellsAddressesAndWhoIsAskedFor) {
  PcapBytes file;
  file.Header().Record(1, 0, ArpRequest(kA, kMacA, kB)).Record(1, 0, ArpRequest(kA, kMacA, kA));
  const CaptureSummary summary = Scan(file);
  EXPECT_EQ(summary.Find(kA)->mac_as_source.mac(), kMacA);
  EXPECT_EQ(summary.Find(kA)->arp_requests_for, 0U);
  EXPECT_EQ(summary.Find(kB)->arp_requests_for, 1U);
  EXPECT_EQ(summary.BusiestReceiver()->address, IpAddress(kB));
}

TEST(CaptureSummary, TheMacOfMostFramesWins) {
  PcapBytes file;
  file.Header().Record(1, 0, UdpFrame(kMacB, kMacB, kA, kB, 1));
  for (int i = 0; i < 3; ++i) file.Record(1, 0, AToB());
  const CaptureSummary summary = Scan(file);
  EXPECT_EQ(summary.Find(kA)->mac_as_source.mac(), kMacA);
  EXPECT_FALSE(summary.Find(kA)->mac_as_source.is_only());
}

TEST(CaptureSummary, VlansAreCountedByTheirOutermostTag) {
  PcapBytes file;
  file.Header().Record(1, 0, UdpFrame(kMacB, kMacA, kA, kB, 1, 100));
  file.Record(1, 0, UdpFrame(kMacB, kMacA, kA, kB, 1, 5)).Record(1, 0, AToB());
  file.Record(1, 0, UdpFrame(kMacB, kMacA, kA, kB, 1, 100));
  const CaptureSummary summary = Scan(file);
  ASSERT_EQ(summary.vlans.size(), 2U);
  EXPECT_EQ(summary.vlans[0].id, 5);
  EXPECT_EQ(summary.vlans[1].id, 100);
  EXPECT_EQ(summary.vlans[1].frames, 2U);
  EXPECT_EQ(summary.untagged_frames, 1U);
  EXPECT_EQ(summary.Find(kB)->frames_received, 4U);
  EXPECT_EQ(summary.Find(kB)->frames_received_tagged, 3U);
}

TEST(CaptureSummary, MemoryIsBounded) {
  PcapBytes file;
  file.Header();
  for (uint32_t i = 0; i < 70'000; ++i) {
    file.Record(1, 0, UdpFrame(kMacB, kMacA, Ipv4Address(0x0a000001 + i), kB, 1));
  }
  const CaptureSummary summary = Scan(file);
  EXPECT_EQ(summary.addresses.size(), kAddressesTrackedMax);
  EXPECT_EQ(summary.untracked_addresses, 70'000 - kAddressesTrackedMax + 1);
  EXPECT_EQ(summary.BusiestReceiver()->frames_received, 70'000U);
  EXPECT_THAT(summary.Warnings(),
              ElementsAre("more than 65536 addresses of a family: 4465 appearances of others "
                          "were not counted"));
}

TEST(IndexTable, NumbersKeysInOrderAndFindsThemAgain) {
  IndexTable<uint64_t> table(100'000);
  std::map<uint64_t, uint32_t> model;
  Prng prng(1, 0);
  for (int i = 0; i < 200'000; ++i) {
    const uint64_t key = prng.Below(50'000) * uint64_t{0x100000001};
    const auto [at, is_new] = model.try_emplace(key, static_cast<uint32_t>(model.size()));
    ASSERT_EQ(table.FindOrAdd(key), at->second);
  }
  EXPECT_EQ(table.size(), model.size());
}

// --- Captures and scripts ---

TEST(CaptureScript, CaptureToScriptToCapture) {
  PcapBytes file;
  file.Header(kNanoMagic).Record(100, 7, AToB()).Record(100, 10, BToA()).Record(101, 0, AToB(7));
  CaptureReader reader = ReaderOf(file);
  const CapturedScript captured = ScriptFromCapture(reader);
  ASSERT_EQ(captured.script.steps.size(), 3U);
  EXPECT_EQ(captured.script.steps[1].delay, Duration::Nanoseconds(3));
  EXPECT_EQ(captured.script.steps[1].line, 2U);
  EXPECT_TRUE(captured.Warnings().empty());

  std::vector<uint8_t> written;
  const absl::StatusOr<LeftOut> left_out =
      CaptureFromScript(captured.script, capture::OutputFile::InMemory(written));
  ASSERT_TRUE(left_out.ok()) << left_out.status();
  EXPECT_EQ(left_out->calls + left_out->pauses + left_out->bad_fcs + left_out->repairs, 0U);
  absl::StatusOr<CaptureReader> again = CaptureReader::FromBytes(written, "written");
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(ScriptFromCapture(*again).script, captured.script);
  EXPECT_EQ(again->interfaces().size(), 1U);
  EXPECT_EQ(again->interfaces()[0].name, "host0");
}

TEST(CaptureScript, SuperFramesAreLeftOut) {
  PcapBytes file;
  file.Header(0xa1b2c3d4, 1, 262'144);
  file.Record(1, 0, AToB() + std::string(kFrameBytesMax, 'x')).Record(2, 0, AToB());
  CaptureReader reader = ReaderOf(file);
  const CapturedScript captured = ScriptFromCapture(reader);
  EXPECT_EQ(captured.script.steps.size(), 1U);
  EXPECT_EQ(captured.script.steps[0].delay, Duration::Seconds(1));
  EXPECT_THAT(captured.Warnings(),
              ElementsAre("1 frames left out: longer than 16384 bytes, which no wire carries"));
}

TEST(CaptureScript, WhatACaptureCannotCarryIsCounted) {
  const absl::StatusOr<Script> script = ParseScript(
      "0 close(3) = 0 +1 pause +1 host 1: frame bad_fcs { 00112233445566778899aabbccdd00 }"
      "+0.0000000019 frame repair { 01112233445566778899aabbccdd00 } +0 frame {}",
      "test");
  ASSERT_TRUE(script.ok()) << script.status();
  std::vector<uint8_t> written;
  const absl::StatusOr<LeftOut> left_out =
      CaptureFromScript(*script, capture::OutputFile::InMemory(written));
  ASSERT_TRUE(left_out.ok()) << left_out.status();
  EXPECT_EQ(left_out->calls, 1U);
  EXPECT_EQ(left_out->pauses, 1U);
  EXPECT_EQ(left_out->bad_fcs, 1U);
  EXPECT_EQ(left_out->repairs, 1U);
  EXPECT_EQ(left_out->empty_frames, 1U);
  absl::StatusOr<CaptureReader> reader = CaptureReader::FromBytes(written, "written");
  ASSERT_TRUE(reader.ok());
  capture::Record record;
  ASSERT_EQ(reader->Next(record), capture::ReadResult::kRecord);
  EXPECT_EQ(record.time_ns, 2'000'000'000);
  EXPECT_EQ(record.interface_index, 1U);
  ASSERT_EQ(reader->Next(record), capture::ReadResult::kRecord);
  EXPECT_EQ(record.time_ns, 2'000'000'001);
  EXPECT_EQ(record.interface_index, 0U);
  EXPECT_EQ(reader->Next(record), capture::ReadResult::kEnd);
}

// --- The corpus ---

// The number of frames of each file, as ORIGIN.tsv has it.
std::map<std::string, uint64_t> CorpusFrames() {
  std::map<std::string, uint64_t> frames;
  std::ifstream index("corpus/captures/ORIGIN.tsv");
  std::string line;
  std::getline(index, line);
  while (std::getline(index, line)) {
    std::istringstream fields(line);
    std::string name;
    uint64_t count = 0;
    std::getline(fields, name, '\t') >> count;
    frames[name] = count;
  }
  return frames;
}

TEST(CaptureCorpus, EveryFileBecomesAScriptAndBack) {
  const std::map<std::string, uint64_t> corpus = CorpusFrames();
  ASSERT_GE(corpus.size(), 12U);
  for (const auto& [name, frames] : corpus) {
    SCOPED_TRACE(name);
    absl::StatusOr<CaptureReader> reader = CaptureReader::Open("corpus/captures/" + name);
    ASSERT_TRUE(reader.ok()) << reader.status();
    const CapturedScript captured = ScriptFromCapture(*reader);
    EXPECT_EQ(captured.counts.records, frames);
    EXPECT_EQ(captured.counts.frames, frames);
    EXPECT_EQ(captured.script.steps.size() + captured.too_long, frames);
    const Script& script = captured.script;
    ASSERT_TRUE(ValidateScript(script).ok());

    const absl::StatusOr<Script> parsed =
        ParseScript(PrintScript(script, {.describe_frames = true}), name);
    ASSERT_TRUE(parsed.ok()) << parsed.status();
    EXPECT_EQ(*parsed, script);
    const absl::StatusOr<std::vector<uint8_t>> bytes = EncodeScript(script);
    ASSERT_TRUE(bytes.ok()) << bytes.status();
    EXPECT_EQ(DecodeScript(*bytes), script);
    std::vector<uint8_t> written;
    ASSERT_TRUE(CaptureFromScript(script, capture::OutputFile::InMemory(written)).ok());
    absl::StatusOr<CaptureReader> again = CaptureReader::FromBytes(written, name);
    ASSERT_TRUE(again.ok()) << again.status();
    EXPECT_EQ(ScriptFromCapture(*again).script, script);
  }
}

TEST(CaptureCorpus, EveryFileIsSurveyed) {
  for (const auto& [name, frames] : CorpusFrames()) {
    SCOPED_TRACE(name);
    absl::StatusOr<CaptureReader> reader = CaptureReader::Open("corpus/captures/" + name);
    ASSERT_TRUE(reader.ok()) << reader.status();
    const CaptureSummary summary = ScanCapture(*reader);
    EXPECT_EQ(summary.records, frames);
    EXPECT_EQ(summary.frames, frames);
    EXPECT_FALSE(summary.addresses.empty());
    uint64_t tagged = 0;
    for (const VlanCount& vlan : summary.vlans) tagged += vlan.frames;
    EXPECT_EQ(tagged + summary.untagged_frames, frames);
  }
}

}  // namespace
}  // namespace tapedeck
