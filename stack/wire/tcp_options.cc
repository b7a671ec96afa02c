#include "stack/wire/tcp_options.h"

#include <cstring>

#include "stack/wire/text.h"

namespace tapedeck::wire {
namespace {

constexpr size_t kCounterBytes = 3;

uint32_t LoadBe24(const uint8_t* p) { return uint32_t{p[0]} << 16 | uint32_t{p[1]} << 8 | p[2]; }

void StoreBe24(uint8_t* p, uint32_t value) {
  p[0] = static_cast<uint8_t>(value >> 16);
  p[1] = static_cast<uint8_t>(value >> 8);
  p[2] = static_cast<uint8_t>(value);
}

std::string SackToString(const TcpSackBlocks& sack) {
  std::string out = "sack";
  for (size_t i = 0; i < sack.count; ++i) {
    out += " " + std::to_string(sack.block[i].left.value()) + ":" +
           std::to_string(sack.block[i].right.value());
  }
  return out;
}

std::string AccEcnToString(const TcpAccEcn& accecn) {
  const bool kind0 = accecn.kind == kTcpOptAccEcn0;
  const char* const names[] = {kind0 ? "e0b" : "e1b", "ceb", kind0 ? "e1b" : "e0b"};
  std::string out = "ECN";
  for (size_t i = 0; i < accecn.count; ++i) {
    out += std::string(" ") + names[i] + " " + std::to_string(accecn.counter[i]);
  }
  return out;
}

std::string OptionToString(const TcpOption& option) {
  if (option.kind == kTcpOptNop) return "nop";
  if (option.IsSackPermitted()) return "sackOK";
  if (const auto mss = option.AsMss()) return "mss " + std::to_string(*mss);
  if (const auto shift = option.AsWindowScale()) return "wscale " + std::to_string(*shift);
  if (const auto sack = option.AsSack()) return SackToString(*sack);
  if (const auto stamps = option.AsTimestamps()) {
    return "TS val " + std::to_string(stamps->val) + " ecr " + std::to_string(stamps->ecr);
  }
  if (const auto open = option.AsFastOpen()) {
    const std::string name = open->experimental ? "FOEXP" : "FO";
    return open->cookie.empty() ? name : name + " " + HexBytes(open->cookie);
  }
  if (const auto accecn = option.AsAccEcn()) return AccEcnToString(*accecn);
  if (const auto digest = option.AsMd5()) return "md5 " + HexBytes(*digest);
  const std::string name = "option " + std::to_string(option.kind);
  return option.data.empty() ? name : name + " " + HexBytes(option.data);
}

}  // namespace

std::optional<uint16_t> TcpOption::AsMss() const {
  if (kind != kTcpOptMss || data.size() != 2) return std::nullopt;
  return LoadBe16(data.data());
}

std::optional<uint8_t> TcpOption::AsWindowScale() const {
  if (kind != kTcpOptWindowScale || data.size() != 1) return std::nullopt;
  return data[0];
}

std::optional<TcpSackBlocks> TcpOption::AsSack() const {
  if (kind != kTcpOptSack || data.empty() || data.size() % 8 != 0) return std::nullopt;
  TcpSackBlocks sack;
  for (size_t at = 0; at < data.size() && sack.count < kTcpSackBlocksMax; at += 8) {
    sack.block[sack.count++] = {SeqNum(LoadBe32(&data[at])), SeqNum(LoadBe32(&data[at + 4]))};
  }
  return sack;
}

std::optional<TcpTimestamps> TcpOption::AsTimestamps() const {
  if (kind != kTcpOptTimestamps || data.size() != 8) return std::nullopt;
  return TcpTimestamps{LoadBe32(data.data()), LoadBe32(data.data() + 4)};
}

std::optional<TcpFastOpen> TcpOption::AsFastOpen() const {
  if (kind == kTcpOptFastOpen) return TcpFastOpen{data, false};
  if (kind == kTcpOptExperiment && data.size() >= 2 && LoadBe16(data.data()) == kTcpFastOpenMagic) {
    return TcpFastOpen{data.subspan(2), true};
  }
  return std::nullopt;
}

std::optional<TcpAccEcn> TcpOption::AsAccEcn() const {
  if (kind != kTcpOptAccEcn0 && kind != kTcpOptAccEcn1) return std::nullopt;
  if (data.size() % kCounterBytes != 0 || data.size() > 3 * kCounterBytes) return std::nullopt;
  TcpAccEcn accecn{kind, data.size() / kCounterBytes, {}};
  for (size_t i = 0; i < accecn.count; ++i) accecn.counter[i] = LoadBe24(&data[kCounterBytes * i]);
  return accecn;
}

std::optional<std::span<const uint8_t>> TcpOption::AsMd5() const {
  if (kind != kTcpOptMd5 || data.size() != kTcpMd5DigestBytes) return std::nullopt;
  return data;
}

std::optional<TcpOption> TcpOptionCursor::Next() {
  if (malformed_ || offset_ >= options_.size()) return std::nullopt;
  const std::span<const uint8_t> rest = options_.subspan(offset_);
  const uint8_t kind = rest[0];
  if (kind == kTcpOptEnd) return std::nullopt;
  if (kind == kTcpOptNop) {
    ++offset_;
    return TcpOption{kind, {}};
  }
  if (rest.size() < 2 || rest[1] < 2 || rest[1] > rest.size()) {
    malformed_ = true;
    return std::nullopt;
  }
  const size_t size = rest[1];
  offset_ += size;
  return TcpOption{kind, rest.first(size).subspan(2)};
}

uint8_t* TcpOptionWriter::Begin(uint8_t kind, size_t data_bytes) {
  if (bytes_.size() - size_ < 2 + data_bytes) return nullptr;
  uint8_t* option = bytes_.data() + size_;
  option[0] = kind;
  option[1] = static_cast<uint8_t>(2 + data_bytes);
  size_ += 2 + data_bytes;
  return option + 2;
}

bool TcpOptionWriter::Nop() {
  if (size_ == bytes_.size()) return false;
  bytes_[size_++] = kTcpOptNop;
  return true;
}

bool TcpOptionWriter::End() {
  if (size_ == bytes_.size()) return false;
  bytes_[size_++] = kTcpOptEnd;
  return true;
}

bool TcpOptionWriter::Mss(uint16_t mss_bytes) {
  uint8_t* data = Begin(kTcpOptMss, 2);
  if (data == nullptr) return false;
  StoreBe16(data, mss_bytes);
  return true;
}

bool TcpOptionWriter::WindowScale(uint8_t shift) {
  uint8_t* data = Begin(kTcpOptWindowScale, 1);
  if (data == nullptr) return false;
  data[0] = shift;
  return true;
}

bool TcpOptionWriter::SackPermitted() { return Begin(kTcpOptSackPermitted, 0) != nullptr; }

bool TcpOptionWriter::Sack(std::span<const TcpSackBlock> blocks) {
  uint8_t* data = Begin(kTcpOptSack, 8 * blocks.size());
  if (data == nullptr) return false;
  for (const TcpSackBlock& block : blocks) {
    StoreBe32(data, block.left.value());
    StoreBe32(data + 4, block.right.value());
    data += 8;
  }
  return true;
}

bool TcpOptionWriter::Timestamps(TcpTimestamps stamps) {
  uint8_t* data = Begin(kTcpOptTimestamps, 8);
  if (data == nullptr) return false;
  StoreBe32(data, stamps.val);
  StoreBe32(data + 4, stamps.ecr);
  return true;
}

bool TcpOptionWriter::FastOpen(std::span<const uint8_t> cookie) {
  return Raw(kTcpOptFastOpen, cookie);
}

bool TcpOptionWriter::FastOpenExperimental(std::span<const uint8_t> cookie) {
  uint8_t* data = Begin(kTcpOptExperiment, 2 + cookie.size());
  if (data == nullptr) return false;
  StoreBe16(data, kTcpFastOpenMagic);
  if (!cookie.empty()) std::memcpy(data + 2, cookie.data(), cookie.size());
  return true;
}

bool TcpOptionWriter::AccEcn(const TcpAccEcn& value) {
  uint8_t* data = Begin(value.kind, kCounterBytes * value.count);
  if (data == nullptr) return false;
  for (size_t i = 0; i < value.count; ++i) StoreBe24(data + kCounterBytes * i, value.counter[i]);
  return true;
}

bool TcpOptionWriter::Md5(std::span<const uint8_t, kTcpMd5DigestBytes> digest) {
  return Raw(kTcpOptMd5, digest);
}

bool TcpOptionWriter::Raw(uint8_t kind, std::span<const uint8_t> data) {
  uint8_t* option = Begin(kind, data.size());
  if (option == nullptr) return false;
  if (!data.empty()) std::memcpy(option, data.data(), data.size());
  return true;
}

std::string TcpOptionsToString(std::span<const uint8_t> options) {
  std::string out;
  const auto add = [&out](const std::string& text) {
    if (!out.empty()) out += ",";
    out += text;
  };
  TcpOptionCursor cursor(options);
  while (const auto option = cursor.Next()) add(OptionToString(*option));
  if (cursor.malformed()) {
    add("[malformed at " + std::to_string(cursor.offset()) + "]");
  } else if (cursor.offset() < options.size()) {
    add("eol");
  }
  return out;
}

}  // namespace tapedeck::wire
