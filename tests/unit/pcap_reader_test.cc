// Captures made by bytes, read back: one test for each row of what pcap files do to
// a reader.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <utility>

#include "capture_bytes.h"           // beside this file
#include "capture_reader_fixture.h"  // beside this file
#include "replay/capture/capture_reader.h"

namespace tapedeck::capture {
namespace {

using std::endian;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::StartsWith;

constexpr uint32_t kNanosecondMagic = 0xa1b23c4d;
constexpr uint32_t kKuznetzovMagic = 0xa1b2cd34;

using Pcap = CaptureReaderTest;

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

}  // namespace
}  // namespace tapedeck::capture
