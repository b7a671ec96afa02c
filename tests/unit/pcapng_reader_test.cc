// Captures made by bytes, read back: one test for each row of what pcapng files do to
// a reader.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "capture_bytes.h"           // beside this file
#include "capture_reader_fixture.h"  // beside this file
#include "replay/capture/capture_reader.h"
#include "replay/capture/options.h"

namespace tapedeck::capture {
namespace {

using std::endian;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::StartsWith;

using Pcapng = CaptureReaderTest;

TEST_F(Pcapng, EnhancedPacketInEitherByteOrder) {
  for (const endian order : {endian::little, endian::big}) {
    Read(PcapngBytes(order).Section().Interface().Packet(0, 5'000'007, "abcde", Bytes(), 60));
    EXPECT_EQ(end_, ReadResult::kEnd);
    EXPECT_THAT(Data(), ElementsAre("abcde"));
    EXPECT_THAT(Times(), ElementsAre(5 * kSecond + 7000))
        << "microseconds unless it says otherwise";
    EXPECT_EQ(records_[0].original_length_bytes, 60u);
    EXPECT_EQ(records_[0].offset_bytes, 28u + 20);
    EXPECT_THAT(reader_->warnings(), IsEmpty());
  }
}

TEST_F(Pcapng, SectionsHaveTheirOwnByteOrderAndInterfaces) {
  PcapngBytes file(endian::big);
  file.Section().Interface(1).Interface(113).Packet(1, 1, "a");
  file.Order(endian::little);
  file.Section().Interface(101).Packet(0, 2, "b");
  Read(file);
  EXPECT_EQ(end_, ReadResult::kEnd);
  EXPECT_THAT(Data(), ElementsAre("a", "b"));
  EXPECT_EQ(records_[0].link_type, LinkType::kLinuxSll);
  EXPECT_EQ(records_[1].link_type, LinkType::kRaw);
  EXPECT_EQ(records_[1].interface_index, 2u) << "counted over all sections";
  EXPECT_THAT(reader_->interfaces(), SizeIs(3));
  EXPECT_THAT(reader_->sections(), SizeIs(2));
}

TEST_F(Pcapng, SectionsForgetTheInterfacesBefore) {
  Read(PcapngBytes().Section().Interface().Packet(0, 1, "a").Section().Packet(0, 1, "b"));
  EXPECT_EQ(end_, ReadResult::kDamaged);
  EXPECT_THAT(Data(), ElementsAre("a"));
  EXPECT_THAT(damage(), HasSubstr("names interface 0, its section has 0"));
}

TEST_F(Pcapng, InterfaceOptions) {
  Bytes options;
  options.Option(2, "eth0").Option(3, "uplink").Option(1, "one").Option(1, "two").Option(0, "");
  Read(PcapngBytes().Section().Interface(1, 96, options));
  const CaptureInterface& interface = reader_->interfaces()[0];
  EXPECT_EQ(interface.name, "eth0");
  EXPECT_EQ(interface.description, "uplink");
  EXPECT_EQ(interface.snaplen_bytes, 96u);
  EXPECT_THAT(interface.comments, ElementsAre("one", "two"));
}

TEST_F(Pcapng, EachInterfaceHasItsOwnClock) {
  PcapngBytes file;
  file.Section();
  file.Interface(1, 0, Bytes().Option(9, Value<uint8_t>(9)));
  file.Interface(1, 0, Bytes().Option(9, Value<uint8_t>(0x80 | 10)));
  file.Interface(1, 0, Bytes().Option(9, Value<uint8_t>(3)).Option(14, Value<uint64_t>(1000)));
  file.Packet(0, 123, "a").Packet(1, 1024 + 512, "b").Packet(2, 7, "c");
  Read(file);
  EXPECT_THAT(Times(), ElementsAre(123, kSecond + kSecond / 2, 1000 * kSecond + 7'000'000));
}

TEST(TimeScale, DecimalAndBinaryResolutions) {
  EXPECT_EQ(TimeScale(0, 0).ToNs(3), 3 * kSecond);
  EXPECT_EQ(TimeScale(6, 0).ToNs(3), 3000);
  EXPECT_EQ(TimeScale(9, 0).ToNs(3), 3);
  EXPECT_EQ(TimeScale(12, 0).ToNs(2999), 2);
  EXPECT_EQ(TimeScale(127, 0).ToNs(~uint64_t{0}), 0);
  EXPECT_EQ(TimeScale(0x80, 0).ToNs(3), 3 * kSecond);
  EXPECT_EQ(TimeScale(0x80 | 32, 0).ToNs(uint64_t{5} << 31), 5 * kSecond / 2);
  EXPECT_EQ(TimeScale(0x80 | 64, 0).ToNs(uint64_t{1} << 63), kSecond / 2);
  EXPECT_EQ(TimeScale(0x80 | 127, 0).ToNs(~uint64_t{0}), 0);
}

TEST(TimeScale, OffsetsMayBeNegative) {
  EXPECT_EQ(TimeScale(6, -2).ToNs(2'000'001), 1000);
  EXPECT_EQ(TimeScale(6, -2).ToNs(0), -2 * kSecond);
}

TEST(TimeScale, TimesPast2106FitAndPast2262AreNegativeOrSaturate) {
  constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
  EXPECT_EQ(TimeScale(6, 0).ToNs((uint64_t{1} << 32) * 1'000'000), (int64_t{1} << 32) * kSecond);
  EXPECT_EQ(TimeScale(9, 0).ToNs(kMax), kMax);
  EXPECT_EQ(TimeScale(6, 0).ToNs(static_cast<uint64_t>(-7)), -7000);
  EXPECT_EQ(TimeScale(6, 0).ToNs(uint64_t{1} << 62), kMax);
  EXPECT_EQ(TimeScale(0, std::numeric_limits<int64_t>::max()).ToNs(0), kMax);
  EXPECT_EQ(TimeScale(0, std::numeric_limits<int64_t>::min()).ToNs(0),
            std::numeric_limits<int64_t>::min());
}

TEST_F(Pcapng, TimeBefore1970IsToldOnce) {
  Read(PcapngBytes()
           .Section()
           .Interface()
           .Packet(0, static_cast<uint64_t>(-5), "a")
           .Packet(0, static_cast<uint64_t>(-4), "b"));
  EXPECT_THAT(Times(), ElementsAre(-5000, -4000));
  EXPECT_THAT(reader_->warnings(),
              ElementsAre(StartsWith("made:48: time of record 1 lies before 1970")));
}

TEST_F(Pcapng, SimplePacketComesANanosecondAfterTheOneBefore) {
  Read(PcapngBytes().Section().Interface().SimplePacket(3, "abc").Packet(0, 9, "x").SimplePacket(
      3, "def"));
  EXPECT_THAT(Data(), ElementsAre("abc", "x", "def"));
  EXPECT_THAT(Times(), ElementsAre(0, 9000, 9001));
}

TEST_F(Pcapng, SimplePacketIsCutToTheSnapshotLength) {
  Read(PcapngBytes().Section().Interface(1, 5).SimplePacket(100, "abcde").SimplePacket(2, "ab"));
  EXPECT_THAT(Data(), ElementsAre("abcde", "ab"));
  EXPECT_EQ(records_[0].original_length_bytes, 100u);
}

TEST_F(Pcapng, SimplePacketLongerThanItsBlockIsDamage) {
  Read(PcapngBytes().Section().Interface().SimplePacket(100, "abcde"));
  EXPECT_EQ(end_, ReadResult::kDamaged);
  EXPECT_THAT(damage(), HasSubstr("has room for 8 bytes, its captured length is 100"));
}

TEST_F(Pcapng, ObsoletePacketIsRead) {
  Read(PcapngBytes().Section().Interface().ObsoletePacket(0, 0xffff, 5, "abc"));
  EXPECT_THAT(Data(), ElementsAre("abc"));
  EXPECT_THAT(Times(), ElementsAre(5000));
  EXPECT_THAT(reader_->warnings(), IsEmpty()) << "0xffff drops means unknown";
}

TEST_F(Pcapng, LossesInStatisticsAreToldWithTheLastCount) {
  Bytes name;
  name.Option(2, "eth0");
  PcapngBytes file;
  file.Section().Interface(1, 0, name).Statistics(0, 1, 2).Statistics(0, 3, 4).Packet(0, 1, "a");
  Read(file);
  EXPECT_EQ(end_, ReadResult::kEnd);
  EXPECT_THAT(reader_->warnings(),
              ElementsAre("made:104: the capture lost 7 frames on interface 0 (eth0)"));
}

TEST_F(Pcapng, LossesInPacketsAreSummed) {
  Bytes drops;
  drops.Option(4, Value<uint64_t>(5));
  Read(PcapngBytes().Section().Interface().Packet(0, 1, "a", drops).ObsoletePacket(0, 2, 5, "abc"));
  EXPECT_THAT(reader_->warnings(), ElementsAre(HasSubstr("lost 7 frames on interface 0")));
}

TEST_F(Pcapng, StatisticsOfNoInterfaceAreLeftOut) {
  Read(PcapngBytes().Section().Interface().Statistics(4, 1, 2).Packet(0, 1, "a"));
  EXPECT_EQ(end_, ReadResult::kEnd);
  EXPECT_THAT(reader_->warnings(),
              ElementsAre(StartsWith("made:48: interface statistics name no")));
}

TEST_F(Pcapng, BlocksWithoutFramesAreSteppedOver) {
  PcapngBytes file;
  file.Section().Interface().Block(4, Bytes().U32(0));
  file.Block(10, Bytes().U32(0x544c534b).U32(4).Raw("keys"));
  file.Block(0xbad, Bytes().U32(32473).Raw("text")).Block(0x40000bad, Bytes().U32(32473));
  file.Block(0x12345678, Bytes()).Block(9, Bytes().Raw("journal "));
  file.Packet(0, 1, "a");
  Read(file);
  EXPECT_EQ(end_, ReadResult::kEnd);
  EXPECT_THAT(Data(), ElementsAre("a"));
  EXPECT_EQ(records_[0].index, 1u);
  EXPECT_EQ(reader_->custom_blocks(), 2u);
  EXPECT_THAT(reader_->other_blocks(), IsEmpty()) << "nobody asked for them";
}

TEST_F(Pcapng, BlocksWithoutFramesAreKeptOnRequest) {
  const PcapngBytes file = PcapngBytes().Section().Interface().Block(0x1234, Bytes().Raw("abcd"));
  CaptureReaderOptions options;
  options.keep_other_blocks = true;
  absl::StatusOr<CaptureReader> reader = CaptureReader::FromBytes(file.get(), "made", options);
  Record record;
  EXPECT_EQ(reader->Next(record), ReadResult::kEnd);
  ASSERT_THAT(reader->other_blocks(), SizeIs(1));
  EXPECT_EQ(reader->other_blocks()[0].type, 0x1234u);
  EXPECT_EQ(Text(reader->other_blocks()[0].body), "abcd");
}

TEST_F(Pcapng, PacketOptions) {
  for (const endian order : {endian::little, endian::big}) {
    const uint32_t flags = 2 | (4 << 5) | (0x0100u << 16);
    std::vector<uint8_t> verdict = Value<uint64_t>(1, order);
    verdict.insert(verdict.begin(), 2);
    Bytes options(order);
    options.Option(1, "first").Option(1, "second").Option(2, Value<uint32_t>(flags, order));
    options.Option(5, Value<uint64_t>(0x1122334455667788, order));
    options.Option(6, Value<uint32_t>(3, order)).Option(7, verdict);
    options.Option(2988, Bytes(order).U32(32473).Raw("k=v").get());
    options.Option(2989, Bytes(order).U32(1).U8(9).get()).Option(4711, "unknown").Option(0, "");
    Read(PcapngBytes(order).Section().Interface().Packet(0, 1, "abcdefgh", options));
    EXPECT_EQ(records_.at(0).direction, Direction::kOutbound);
    EXPECT_EQ(records_[0].fcs_bytes, 4);
    const PacketMetadata metadata = MetadataOf(records_[0]);
    EXPECT_THAT(metadata.comments, ElementsAre("first", "second"));
    EXPECT_EQ(metadata.link_errors, 0x0100u);
    EXPECT_EQ(metadata.packet_id, 0x1122334455667788u);
    EXPECT_EQ(metadata.queue, 3u);
    EXPECT_EQ(metadata.xdp_verdict, 1u);
    ASSERT_THAT(metadata.custom, SizeIs(2));
    EXPECT_EQ(metadata.custom[0].pen, 32473u);
    EXPECT_TRUE(metadata.custom[0].is_text);
    EXPECT_EQ(Text(metadata.custom[0].value), "k=v");
    EXPECT_FALSE(metadata.custom[1].is_text);
    EXPECT_THAT(reader_->warnings(), IsEmpty());
  }
}

TEST_F(Pcapng, PacketOptionsOfAWrongLengthAreLeftOut) {
  Bytes options;
  options.Option(2, "x").Option(4, "x").Option(5, "x").Option(6, "x").Option(7, "x").Option(2988,
                                                                                            "x");
  Read(PcapngBytes().Section().Interface().Packet(0, 1, "a", options));
  EXPECT_EQ(records_.at(0).direction, Direction::kUnknown);
  const PacketMetadata metadata = MetadataOf(records_[0]);
  EXPECT_FALSE(metadata.packet_id || metadata.queue || metadata.drop_count || metadata.xdp_verdict);
  EXPECT_THAT(metadata.custom, IsEmpty());
}

TEST_F(Pcapng, SectionOptions) {
  Read(PcapngBytes().Section(
      std::string("\2\0\3\0cpu\0\3\0\2\0os\0\0\4\0\3\0app\0\1\0\2\0hi\0\0", 32)));
  const CaptureSection& section = reader_->sections()[0];
  EXPECT_EQ(section.hardware, "cpu");
  EXPECT_EQ(section.operating_system, "os");
  EXPECT_EQ(section.application, "app");
  EXPECT_THAT(section.comments, ElementsAre("hi"));
}

TEST_F(Pcapng, FcsLengthOfAnInterfaceInBitsOrOctets) {
  for (const uint8_t length : {uint8_t{4}, uint8_t{32}}) {
    Read(PcapngBytes()
             .Section()
             .Interface(1, 0, Bytes().Option(13, Value(length)))
             .Packet(0, 0, "abcdefgh"));
    EXPECT_EQ(records_.at(0).fcs_bytes, 4);
  }
}

TEST_F(Pcapng, PacketOptionOverrunKeepsTheFrame) {
  Bytes options;
  options.Option(1, "fine").U16(1).U16(400).Raw("cut!");
  Read(PcapngBytes().Section().Interface().Packet(0, 1, "a", options).Packet(0, 2, "b"));
  EXPECT_EQ(end_, ReadResult::kEnd);
  EXPECT_THAT(Data(), ElementsAre("a", "b"));
  EXPECT_THAT(MetadataOf(records_[0]).comments, ElementsAre("fine"));
  EXPECT_THAT(reader_->warnings(),
              ElementsAre(StartsWith("made:48: an option of record 1 runs past")));
}

TEST_F(Pcapng, InterfaceOptionOverrunIsDamage) {
  Read(PcapngBytes().Section().Interface().Packet(0, 1, "a").Interface(1, 0,
                                                                       Bytes().U16(2).U16(99)));
  EXPECT_EQ(end_, ReadResult::kDamaged);
  EXPECT_THAT(Data(), ElementsAre("a"));
  EXPECT_EQ(damage(), "made:84: an option of an interface description runs past its block");
}

TEST_F(Pcapng, SectionOptionOverrunIsRefused) {
  EXPECT_EQ(Refusal(PcapngBytes().Section(std::string("\1\0\77\0abcd", 8))),
            "made:0: an option of the section header runs past its block");
}

TEST_F(Pcapng, UnknownVersionIsRefused) {
  EXPECT_EQ(Refusal(PcapngBytes().Section({}, 2)), "made:12: pcapng version 2.0, expected 1.0");
}

TEST_F(Pcapng, WrongByteOrderMagicIsRefused) {
  PcapngBytes file;
  file.Section().mutable_bytes()[8] ^= 1;
  EXPECT_THAT(Refusal(file),
              StartsWith("made:8: byte-order magic of the section header is 0x1a2b3c4c"));
}

TEST_F(Pcapng, BlockLengthZeroIsDamageNotALoop) {
  const PcapngBytes file = PcapngBytes().Section().Interface().Packet(0, 1, "a").Packet(0, 2, "b");
  ReadPatched(file, 84 + 4, 0);
  EXPECT_EQ(end_, ReadResult::kDamaged);
  EXPECT_THAT(Data(), ElementsAre("a"));
  EXPECT_EQ(damage(), "made:84: block of type 0x6 has length 0, the least is 12");
}

TEST_F(Pcapng, BlockLengthsThatDisagreeAreDamage) {
  const PcapngBytes file = PcapngBytes().Section().Interface().Packet(0, 1, "a").Packet(0, 2, "b");
  ReadPatched(file, file.size() - 4, 40);
  EXPECT_THAT(Data(), ElementsAre("a"));
  EXPECT_EQ(damage(), "made:84: block of type 0x6 says length 36 before its body and 40 after it");
}

TEST_F(Pcapng, BlockLengthPastTheEndIsDamage) {
  const PcapngBytes file = PcapngBytes().Section().Interface().Packet(0, 1, "a").Packet(0, 2, "b");
  for (const uint32_t length : {40u, 0x7ffffffcu, 0xffffffffu}) {
    ReadPatched(file, 84 + 4, length);
    EXPECT_THAT(Data(), ElementsAre("a"));
    EXPECT_THAT(damage(), StartsWith("made:84: file is cut short: block of type 0x6 needs"));
  }
}

TEST_F(Pcapng, UnalignedBlockLengthIsTakenAsPadded) {
  PcapngBytes file;
  file.Section()
      .Interface()
      .U32(2)
      .U32(35)
      .U16(0)
      .U16(0)
      .U32(0)
      .U32(1)
      .U32(3)
      .U32(3)
      .Raw("abc")
      .U8(0)
      .U32(35);
  file.Packet(0, 1, "a");
  Read(file);
  EXPECT_EQ(end_, ReadResult::kEnd);
  EXPECT_THAT(Data(), ElementsAre("abc", "a"));
  EXPECT_THAT(reader_->warnings(), ElementsAre(StartsWith("made:48: length 35 of a block")));
}

TEST_F(Pcapng, UndefinedInterfaceIsDamage) {
  for (const uint32_t interface : {1u, 7u, 0xffffffffu}) {
    Read(PcapngBytes().Section().Interface().Packet(0, 1, "a").Packet(interface, 1, "b"));
    EXPECT_EQ(end_, ReadResult::kDamaged);
    EXPECT_THAT(Data(), ElementsAre("a"));
    EXPECT_THAT(damage(), StartsWith("made:84: packet block names interface"));
  }
}

TEST_F(Pcapng, CapturedLengthAboveTheBlockIsDamage) {
  const PcapngBytes file = PcapngBytes().Section().Interface().Packet(0, 1, "a").Packet(0, 2, "b");
  for (const uint32_t length : {5u, 65536u, 0xfffffffdu, 0xffffffffu}) {
    ReadPatched(file, 84 + 20, length);
    EXPECT_EQ(end_, ReadResult::kDamaged);
    EXPECT_THAT(Data(), ElementsAre("a"));
    EXPECT_THAT(damage(), StartsWith("made:84: packet block has room for 4 bytes"));
  }
}

TEST_F(Pcapng, OriginalLengthBelowCapturedIsRaisedToIt) {
  Read(PcapngBytes().Section().Interface().Packet(0, 1, "abcd", Bytes(), 2));
  EXPECT_EQ(records_.at(0).original_length_bytes, 4u);
  EXPECT_THAT(reader_->warnings(), SizeIs(1));
}

TEST_F(Pcapng, BlocksShorterThanTheirFixedPartAreDamage) {
  for (const uint32_t type : {1u, 2u, 3u, 6u}) {
    PcapngBytes file;
    file.Section().Interface().Packet(0, 1, "a").Block(type, Bytes());
    Read(file);
    EXPECT_EQ(end_, ReadResult::kDamaged) << type;
    EXPECT_THAT(Data(), ElementsAre("a"));
    EXPECT_THAT(damage(), AllOf(StartsWith("made:84:"), HasSubstr("shorter than its fixed part")));
  }
}

}  // namespace
}  // namespace tapedeck::capture
