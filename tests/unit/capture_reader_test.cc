// Captures made by bytes, read back. One test for each row of what capture files do to a reader; at
// the end every truncation and thousands of damaged copies of a file with everything in it.
#include "replay/capture/capture_reader.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <limits>
#include <utility>

#include "capture_bytes.h"  // beside this file
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

constexpr int64_t kSecond = 1'000'000'000;
constexpr uint32_t kNanosecondMagic = 0xa1b23c4d;
constexpr uint32_t kKuznetzovMagic = 0xa1b2cd34;

// The option value of a `T` in the order of `order`.
template <typename T>
std::vector<uint8_t> Value(T value, endian order = endian::little) {
  if constexpr (sizeof(T) > 1) {
    if (order != endian::native) value = ByteSwap(value);
  }
  const auto* const first = reinterpret_cast<const uint8_t*>(&value);
  return {first, first + sizeof(T)};
}

std::string Text(std::span<const uint8_t> data) { return {data.begin(), data.end()}; }

// Reads files that a test makes, and keeps all that the reader said.
class CaptureReaderTest : public ::testing::Test {
 protected:
  // Opens `file` as "made" and reads it to its end.
  void Read(const Bytes& file) {
    bytes_ = file.get();
    ReadBytes();
  }
  // The same with the first `bytes` bytes only.
  void ReadShortened(const Bytes& file, size_t bytes) {
    bytes_ = file.get();
    bytes_.resize(bytes);
    ReadBytes();
  }
  // The same with `value` written over the 32 bits at `offset`, little-endian.
  void ReadPatched(const Bytes& file, size_t offset, uint32_t value) {
    bytes_ = file.get();
    StoreLe32(bytes_.data() + offset, value);
    ReadBytes();
  }
  // What opening `file` says, which must be an error.
  std::string Refusal(const Bytes& file) {
    const absl::StatusOr<CaptureReader> reader = CaptureReader::FromBytes(file.get(), "made");
    EXPECT_FALSE(reader.ok());
    return std::string(reader.status().message());
  }

  std::string damage() const { return std::string(reader_->damage().message()); }
  std::vector<std::string> Data() const {
    std::vector<std::string> data;
    for (const Record& record : records_) data.push_back(Text(record.data));
    return data;
  }
  std::vector<int64_t> Times() const {
    std::vector<int64_t> times;
    for (const Record& record : records_) times.push_back(record.time_ns);
    return times;
  }

  std::vector<uint8_t> bytes_;
  absl::StatusOr<CaptureReader> reader_ = absl::UnknownError("nothing read yet");
  std::vector<Record> records_;
  ReadResult end_ = ReadResult::kRecord;

 private:
  void ReadBytes() {
    records_.clear();
    reader_ = CaptureReader::FromBytes(bytes_, "made");
    ASSERT_TRUE(reader_.ok()) << reader_.status();
    Record record;
    while ((end_ = reader_->Next(record)) == ReadResult::kRecord) records_.push_back(record);
  }
};

using Pcap = CaptureReaderTest;
using Pcapng = CaptureReaderTest;

// --- pcap
// -------------------------------------------------------------------------------------------------------------

TEST_F(Pcap, MicrosecondsInEitherByteOrder) {
  for (const endian order : {endian::little, endian::big}) {
    Read(PcapBytes(order).Header().Record(7, 8, "abc").Record(9, 999999, "defg", 100));
    EXPECT_EQ(end_, ReadResult::kEnd);
    EXPECT_THAT(Data(), ElementsAre("abc", "defg"));
    EXPECT_THAT(Times(), ElementsAre(7 * kSecond + 8000, 9 * kSecond + 999'999'000));
    EXPECT_THAT(reader_->warnings(), IsEmpty());
  }
}

TEST_F(Pcap, NanosecondsInEitherByteOrder) {
  for (const endian order : {endian::little, endian::big}) {
    Read(PcapBytes(order).Header(kNanosecondMagic).Record(7, 999'999'999, "abc"));
    EXPECT_THAT(Times(), ElementsAre(7 * kSecond + 999'999'999));
  }
}

TEST_F(Pcap, RecordSaysWhereItIsAndWhatItIs) {
  Read(PcapBytes().Header(0xa1b2c3d4, 113).Record(0, 0, "abc").Record(0, 0, "de", 60));
  ASSERT_THAT(records_, SizeIs(2));
  EXPECT_EQ(records_[0].offset_bytes, 24u);
  EXPECT_FALSE(records_[0].truncated());
  EXPECT_EQ(records_[1].offset_bytes, 24u + 16 + 3);
  EXPECT_EQ(records_[1].index, 2u);
  EXPECT_EQ(records_[1].link_type, LinkType::kLinuxSll);
  EXPECT_EQ(records_[1].original_length_bytes, 60u);
  EXPECT_TRUE(records_[1].truncated());
  EXPECT_EQ(records_[1].direction, Direction::kUnknown);
}

TEST_F(Pcap, DataIsNotCopied) {
  Read(PcapBytes().Header().Record(0, 0, "abc"));
  EXPECT_EQ(records_.at(0).data.data(), bytes_.data() + 40);
}

TEST_F(Pcap, KuznetzovHeaderIsLongerAndKnowsTheDirection) {
  PcapBytes file;
  file.Header(kKuznetzovMagic);
  for (const uint8_t packet_type : {uint8_t{0}, uint8_t{4}}) {
    file.U32(1).U32(2).U32(3).U32(3).U32(5).U16(0x0800).U8(packet_type).U8(0).Raw("abc");
  }
  Read(file);
  EXPECT_THAT(Data(), ElementsAre("abc", "abc"));
  EXPECT_EQ(records_.at(0).direction, Direction::kInbound);
  EXPECT_EQ(records_.at(1).direction, Direction::kOutbound);
}

TEST_F(Pcap, LinkTypeWordTellsTheFcsLength) {
  Read(PcapBytes().Header(0xa1b2c3d4, 0x24000001).Record(0, 0, "abcdefgh"));
  EXPECT_EQ(records_.at(0).link_type, LinkType::kEthernet);
  EXPECT_EQ(records_.at(0).fcs_bytes, 4);
  // Without the bit that says the length is there, there is none.
  Read(PcapBytes().Header(0xa1b2c3d4, 0x20000001).Record(0, 0, "abcdefgh"));
  EXPECT_EQ(records_.at(0).fcs_bytes, 0);
}

TEST_F(Pcap, ReservedLinkTypeBitsAreRefused) {
  EXPECT_EQ(Refusal(PcapBytes().Header(0xa1b2c3d4, 0x00300001)),
            "made:20: link type word 0x00300001 has reserved bits set, expected none");
}

TEST_F(Pcap, OtherVersionsAreRefused) {
  EXPECT_EQ(Refusal(PcapBytes().Header(0xa1b2c3d4, 1, 0, 1, 4)),
            "made:4: pcap version 1.4, expected 2.0 to 2.4");
  EXPECT_THAT(Refusal(PcapBytes().Header(0xa1b2c3d4, 1, 0, 2, 5)), HasSubstr("version 2.5"));
}

TEST_F(Pcap, OldVersionsMayHaveTheirLengthsSwapped) {
  PcapBytes file;
  file.Header(0xa1b2c3d4, 1, 65535, 2, 3).Record(0, 0, "abc", 60);
  file.U32(0).U32(0).U32(60).U32(2).Raw("de");
  Read(file);
  EXPECT_THAT(Data(), ElementsAre("abc", "de"));
  EXPECT_EQ(records_.at(1).original_length_bytes, 60u);
}

TEST_F(Pcap, FileHeaderCutShortIsRefused) {
  PcapBytes file;
  file.Header();
  file.mutable_bytes().resize(20);
  EXPECT_EQ(Refusal(file), "made:20: pcap file header cut short: 20 of 24 bytes");
}

TEST_F(Pcap, NoRecordIsACleanEnd) {
  Read(PcapBytes().Header());
  EXPECT_EQ(end_, ReadResult::kEnd);
  EXPECT_THAT(records_, IsEmpty());
}

TEST_F(Pcap, ZeroLengthRecordIsARecord) {
  Read(PcapBytes().Header().Record(0, 0, "", 60).Record(0, 0, "abc"));
  EXPECT_EQ(end_, ReadResult::kEnd);
  EXPECT_THAT(Data(), ElementsAre("", "abc"));
}

TEST_F(Pcap, CutWithinARecordKeepsTheRest) {
  const PcapBytes file = PcapBytes().Header().Record(0, 0, "abc").Record(0, 0, "defg");
  ReadShortened(file, file.size() - 1);
  EXPECT_EQ(end_, ReadResult::kDamaged);
  EXPECT_THAT(Data(), ElementsAre("abc"));
  EXPECT_EQ(damage(), "made:43: file is cut short: record 2 needs 4 bytes of data, 3 left");
}

TEST_F(Pcap, CutWithinARecordHeaderKeepsTheRest) {
  const PcapBytes file = PcapBytes().Header().Record(0, 0, "abc").Record(0, 0, "defg");
  ReadShortened(file, 43 + 7);
  EXPECT_EQ(end_, ReadResult::kDamaged);
  EXPECT_THAT(Data(), ElementsAre("abc"));
  EXPECT_EQ(damage(), "made:43: file is cut short: the header of record 2 needs 16 bytes, 7 left");
}

TEST_F(Pcap, AbsurdLengthIsDamageEvenWhereTheFileHoldsIt) {
  PcapBytes file;
  file.Header().Record(0, 0, "abc").Record(0, 0, "defg").Raw(std::string(2 << 20, 'x'));
  ReadPatched(file, 43 + 8, 0x00180000);
  EXPECT_EQ(end_, ReadResult::kDamaged);
  EXPECT_THAT(Data(), ElementsAre("abc"));
  EXPECT_THAT(damage(), StartsWith("made:43: captured length 0x180000 of record 2 exceeds"));
}

TEST_F(Pcap, LargeSnapshotLengthAllowsLargeRecords) {
  const std::string large(2 << 20, 'x');
  Read(PcapBytes().Header(0xa1b2c3d4, 189, 4 << 20).Record(0, 0, large));
  EXPECT_EQ(end_, ReadResult::kEnd);
  EXPECT_THAT(records_, SizeIs(1));
}

TEST_F(Pcap, RecordHeadersInTheOtherByteOrderAreDamage) {
  Read(PcapBytes().Header().Order(endian::big).U32(1).U32(1).U32(66).U32(66).Raw("abc"));
  EXPECT_EQ(end_, ReadResult::kDamaged);
  EXPECT_THAT(records_, IsEmpty());
  EXPECT_THAT(damage(), StartsWith("made:24: captured length 0x42000000"));
}

TEST_F(Pcap, OriginalLengthBelowCapturedIsRaisedToIt) {
  Read(PcapBytes().Header().Record(0, 0, "abcdef", 2).Record(0, 0, "abcdef", 3));
  EXPECT_EQ(end_, ReadResult::kEnd);
  EXPECT_EQ(records_.at(0).original_length_bytes, 6u);
  EXPECT_THAT(reader_->warnings(),
              ElementsAre("made:24: original length 2 of record 1 is below the "
                          "captured length 6, which is used"));
  EXPECT_EQ(reader_->count(Oddity::kOriginalBelowCaptured), 2u);
}

TEST_F(Pcap, CapturedLengthAboveTheSnapshotLengthIsUsed) {
  Read(PcapBytes().Header(0xa1b2c3d4, 1, 4).Record(0, 0, "abcdef").Record(0, 0, "abcd"));
  EXPECT_THAT(Data(), ElementsAre("abcdef", "abcd"));
  EXPECT_THAT(reader_->warnings(), ElementsAre(HasSubstr("exceeds the snapshot length 4")));
}

TEST_F(Pcap, MicrosecondsAboveASecondAreAdded) {
  Read(PcapBytes().Header().Record(5, 1'000'000, "abc").Record(5, 4'294'967'295, "abc"));
  EXPECT_THAT(Times(), ElementsAre(6 * kSecond, 5 * kSecond + 4'294'967'295'000));
  EXPECT_THAT(reader_->warnings(),
              ElementsAre(StartsWith("made:24: time of record 1 has 1000000")));
  EXPECT_EQ(reader_->count(Oddity::kFractionTooLarge), 2u);
}

TEST_F(Pcap, SecondsWrapIn2106) {
  constexpr int64_t kEra = int64_t{1} << 32;
  Read(PcapBytes()
           .Header()
           .Record(0xfffffffe, 0, "a")
           .Record(1, 0, "b")
           .Record(0xffffffff, 0, "c")
           .Record(2, 0, "d"));
  EXPECT_THAT(Times(), ElementsAre((kEra - 2) * kSecond, (kEra + 1) * kSecond, (kEra - 1) * kSecond,
                                   (kEra + 2) * kSecond));
  EXPECT_EQ(reader_->disorder().count, 1u);
  EXPECT_EQ(reader_->disorder().max_ns, uint64_t{2 * kSecond});
}

TEST_F(Pcap, AClockThatWasSetIsNoWrap) {
  Read(PcapBytes()
           .Header()
           .Record(0, 0, "a")
           .Record(1'500'000'000, 0, "b")
           .Record(3'000'000'000, 0, "c")
           .Record(10, 0, "d"));
  EXPECT_THAT(Times(),
              ElementsAre(0, 1'500'000'000 * kSecond, 3'000'000'000 * kSecond, 10 * kSecond));
}

TEST_F(Pcap, TimeGoingBackwardsIsCounted) {
  Read(PcapBytes()
           .Header()
           .Record(5, 0, "a")
           .Record(4, 999'000, "b")
           .Record(4, 999'000, "c")
           .Record(5, 0, "d")
           .Record(3, 0, "e"));
  EXPECT_EQ(reader_->disorder().count, 2u);
  EXPECT_EQ(reader_->disorder().max_ns, uint64_t{2 * kSecond});
}

TEST_F(Pcap, EndsStayEnds) {
  Read(PcapBytes().Header().Record(0, 0, "abc"));
  Record record;
  EXPECT_EQ(reader_->Next(record), ReadResult::kEnd);
  Read(PcapBytes().Header().U32(0));
  EXPECT_EQ(reader_->Next(record), ReadResult::kDamaged);
  EXPECT_EQ(reader_->Next(record), ReadResult::kDamaged);
  EXPECT_THAT(damage(), StartsWith("made:24:"));
}

TEST_F(Pcap, MovedReaderReadsOn) {
  const Bytes file = PcapBytes().Header().Record(0, 0, "abc").Record(0, 0, "defg").U8(0);
  absl::StatusOr<CaptureReader> first = CaptureReader::FromBytes(file.get(), "made");
  Record record;
  ASSERT_EQ(first->Next(record), ReadResult::kRecord);
  CaptureReader second = *std::move(first);
  ASSERT_EQ(second.Next(record), ReadResult::kRecord);
  EXPECT_EQ(Text(record.data), "defg");
  EXPECT_EQ(second.Next(record), ReadResult::kDamaged);
  EXPECT_EQ(second.offset_bytes(), second.size_bytes());
}

// --- pcapng
// -----------------------------------------------------------------------------------------------------------

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

// --- where the bytes come from
// ---------------------------------------------------------------------------------------

class CaptureFile : public CaptureReaderTest {
 protected:
  CaptureFile()
      : directory_(::testing::TempDir() + "capture_reader_test." + std::to_string(getpid())) {
    std::filesystem::create_directories(directory_);
  }
  ~CaptureFile() override { std::filesystem::remove_all(directory_); }

  std::string Path(const std::string& name) const { return directory_ + "/" + name; }
  std::string Save(const std::string& name, std::span<const uint8_t> bytes) {
    std::ofstream(Path(name), std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
    return Path(name);
  }
  std::string OpenError(const std::string& path, const CaptureReaderOptions& options = {}) {
    const absl::StatusOr<CaptureReader> reader = CaptureReader::Open(path, options);
    EXPECT_FALSE(reader.ok());
    return std::string(reader.status().message());
  }
  // Reads `path` to its end and returns the number of records.
  size_t CountRecords(const std::string& path) {
    reader_ = CaptureReader::Open(path);
    EXPECT_TRUE(reader_.ok()) << reader_.status();
    Record record;
    size_t count = 0;
    while (reader_.ok() && (end_ = reader_->Next(record)) == ReadResult::kRecord) ++count;
    return count;
  }

  const Bytes two_records_ = PcapBytes().Header().Record(0, 0, "abc").Record(0, 0, "defg");

 private:
  std::string directory_;
};

std::vector<uint8_t> Gzipped(std::span<const uint8_t> bytes) {
  z_stream stream = {};
  EXPECT_EQ(deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
  std::vector<uint8_t> out(deflateBound(&stream, bytes.size()));
  stream.next_in = const_cast<Bytef*>(bytes.data());
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = out.data();
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

TEST_F(CaptureFile, IsMapped) {
  EXPECT_EQ(CountRecords(Save("a.pcap", two_records_.get())), 2u);
  EXPECT_EQ(end_, ReadResult::kEnd);
}

TEST_F(CaptureFile, PipeIsReadToItsEnd) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  ASSERT_EQ(write(ends[1], two_records_.get().data(), two_records_.size()),
            static_cast<ssize_t>(two_records_.size()));
  close(ends[1]);
  EXPECT_EQ(CountRecords("/dev/fd/" + std::to_string(ends[0])), 2u);
  close(ends[0]);
}

TEST_F(CaptureFile, GzipIsUnpackedUnderAnyName) {
  EXPECT_EQ(CountRecords(Save("a.pcap", Gzipped(two_records_.get()))), 2u);
  EXPECT_EQ(end_, ReadResult::kEnd);
  EXPECT_THAT(reader_->name(), ::testing::EndsWith("a.pcap (unpacked)"));
}

TEST_F(CaptureFile, GzipMembersFollowEachOther) {
  const std::span<const uint8_t> all = two_records_.get();
  std::vector<uint8_t> packed = Gzipped(all.first(30));
  const std::vector<uint8_t> second = Gzipped(all.subspan(30));
  packed.insert(packed.end(), second.begin(), second.end());
  EXPECT_EQ(CountRecords(Save("a.pcap.gz", packed)), 2u);
}

TEST_F(CaptureFile, GzipCutShortKeepsWhatCameBefore) {
  std::vector<uint8_t> packed = Gzipped(two_records_.get());
  packed.resize(packed.size() - 4);  // within the trailer: all data is there, its length is not
  EXPECT_EQ(CountRecords(Save("a.pcap.gz", packed)), 2u);
  EXPECT_EQ(end_, ReadResult::kDamaged);
  EXPECT_THAT(damage(), HasSubstr("(unpacked):63: gzip stream is cut short"));
}

TEST_F(CaptureFile, GzipThatIsDamagedFromTheStartIsRefused) {
  EXPECT_THAT(OpenError(Save("a.gz", std::vector<uint8_t>{0x1f, 0x8b, 9, 9, 9, 9})),
              HasSubstr(":0: gzip stream is damaged"));
}

TEST_F(CaptureFile, GzipBombIsStopped) {
  Bytes file = PcapBytes().Header().Record(0, 0, "abc");
  file.Raw(std::string(1 << 20, '\0'));
  CaptureReaderOptions options;
  options.unpacked_bytes_max = 100'000;
  absl::StatusOr<CaptureReader> reader =
      CaptureReader::Open(Save("a.gz", Gzipped(file.get())), options);
  ASSERT_TRUE(reader.ok());
  EXPECT_LT(reader->size_bytes(), 200'000u);
  Record record;
  ReadResult result;
  while ((result = reader->Next(record)) == ReadResult::kRecord) continue;
  EXPECT_EQ(result, ReadResult::kDamaged);
}

TEST_F(CaptureFile, StreamWithoutEndIsStopped) {
  CaptureReaderOptions options;
  options.unpacked_bytes_max = 100'000;
  EXPECT_THAT(OpenError("/dev/zero", options), HasSubstr("more than 100000 bytes in a stream"));
}

TEST_F(CaptureFile, WhatIsNoCaptureIsRefusedInOneLine) {
  EXPECT_THAT(OpenError(Path("missing")), HasSubstr("/missing: cannot open: No such file"));
  EXPECT_THAT(OpenError(Path("")), HasSubstr("is a directory, expected a capture file"));
  EXPECT_THAT(OpenError(Save("empty", {})), HasSubstr("empty:0: empty file, expected a pcap"));
  EXPECT_THAT(OpenError("/dev/null"), HasSubstr("empty file"));
  EXPECT_THAT(OpenError(Save("one", std::vector<uint8_t>{0xd4})),
              HasSubstr("begins with d4, which is neither"));
  EXPECT_THAT(
      OpenError(Save("magic", Bytes().U32(0xa1b2c3d5).get())),
      HasSubstr("magic:0: begins with d5 c3 b2 a1, which is neither pcap nor pcapng nor gzip"));
  EXPECT_THAT(OpenError(Save("zst", Bytes().U32(0xfd2fb528).get())),
              HasSubstr("this is a zstd stream"));
  EXPECT_THAT(OpenError(Save("snoop", Bytes().Raw(std::string("snoop\0\0\0", 8)).get())),
              HasSubstr("this is a Solaris snoop capture"));
}

// --- damage in general
// ------------------------------------------------------------------------------------------------

PcapngBytes Everything() {
  PcapngBytes file(endian::big);
  file.Section().Interface(1, 0, Bytes(endian::big).Option(2, "eth0").Option(9, Value<uint8_t>(9)));
  file.Packet(0, 1, "abcde",
              Bytes(endian::big).Option(1, "note").Option(4, Value<uint64_t>(1, endian::big)));
  file.ObsoletePacket(0, 1, 2, "fghij").SimplePacket(3, "klm").Statistics(0, 1, 2);
  file.Order(endian::little);
  file.Section().Interface(113, 4).Block(0xbad, Bytes().U32(1)).Packet(0, 9, "nop");
  return file;
}

PcapBytes PlainFile() {
  return PcapBytes().Header().Record(1, 2, "abc").Record(3, 4, "").Record(5, 6, "defgh", 60);
}

// Reads `bytes` to the end and checks what holds for any bytes: every record lies within them, in
// order; the reading ends; damage names an offset within the file.
void CheckAnyBytes(std::span<const uint8_t> bytes) {
  // A copy of exactly this size, so that AddressSanitizer sees a read behind its end.
  const std::vector<uint8_t> exact(bytes.begin(), bytes.end());
  absl::StatusOr<CaptureReader> reader = CaptureReader::FromBytes(exact, "made");
  if (!reader.ok()) {
    EXPECT_THAT(std::string(reader.status().message()),
                ::testing::MatchesRegex("made( .unpacked.)?:[0-9]+: .*"));
    return;
  }
  Record record;
  uint64_t last_offset = 0;
  for (size_t count = 0; reader->Next(record) == ReadResult::kRecord; ++count) {
    ASSERT_LE(count, exact.size());
    ASSERT_GT(record.offset_bytes, last_offset);
    ASSERT_GE(record.data.data(), exact.data());
    ASSERT_LE(record.data.data() + record.data.size(), exact.data() + exact.size());
    ASSERT_GE(record.original_length_bytes, record.data.size());
    ASSERT_LT(record.interface_index, reader->interfaces().size());
    MetadataOf(record);
    last_offset = record.offset_bytes;
  }
  if (!reader->damage().ok()) {
    EXPECT_THAT(std::string(reader->damage().message()),
                ::testing::MatchesRegex("made:[0-9]+: .*"));
  }
}

TEST_F(CaptureReaderTest, EveryTruncationIsToldUnlessBetweenRecords) {
  const PcapngBytes everything = Everything();
  const PcapBytes plain = PlainFile();
  for (const Bytes* const file :
       {static_cast<const Bytes*>(&everything), static_cast<const Bytes*>(&plain)}) {
    size_t clean_ends = 0;
    size_t records_before = 0;
    for (size_t size = 40; size <= file->size(); ++size) {
      CheckAnyBytes(std::span(file->get()).first(size));
      ReadShortened(*file, size);
      clean_ends += end_ == ReadResult::kEnd;
      EXPECT_GE(records_.size(), records_before) << size;
      records_before = records_.size();
    }
    // At the end of each block behind the first 40 bytes, or of each record, the end being one of
    // them.
    EXPECT_EQ(clean_ends, file == &plain ? 3u : 9u);
  }
}

TEST_F(CaptureReaderTest, DamagedCopiesNeverLeaveTheirBytes) {
  uint64_t random = 1;
  const auto draw = [&random](size_t below) {
    random = random * 6364136223846793005u + 1442695040888963407u;
    return static_cast<size_t>((random >> 33) % below);
  };
  constexpr uint8_t kNasty[] = {0, 1, 4, 0x7f, 0x80, 0xff};
  const PcapngBytes everything = Everything();
  const PcapBytes plain = PlainFile();
  for (int round = 0; round < 20'000; ++round) {
    std::vector<uint8_t> bytes =
        (round % 3 == 0 ? static_cast<const Bytes&>(plain) : everything).get();
    for (size_t i = draw(4) + 1; i > 0; --i)
      bytes[draw(bytes.size())] = kNasty[draw(std::size(kNasty))];
    CheckAnyBytes(bytes);
  }
}

}  // namespace
}  // namespace tapedeck::capture
