// Receive side scaling: the Toeplitz hash of a packet's addresses and ports, and the queue it
// chooses. Source: Intel 82599 datasheet 7.1.2.8. A fragment never hashes as TCP or UDP.
#ifndef TAPEDECK_NICMODEL_RSS_H_
#define TAPEDECK_NICMODEL_RSS_H_

#include <cstdint>
#include <span>

#include "nicmodel/rx_parse.h"
#include "stack/kernel/arena.h"

namespace tapedeck::nic {

// The descriptor's RSS type field.
enum class RssType : uint8_t {
  kNone = 0,
  kTcpIpv4 = 1,
  kIpv4 = 2,
  kTcpIpv6 = 3,
  kIpv6 = 5,
  kUdpIpv4 = 7,
  kUdpIpv6 = 8,
};

struct RssResult {
  RssType type = RssType::kNone;
  uint32_t hash = 0;
  uint8_t queue = 0;
};

class Rss {
 public:
  explicit Rss(Arena& arena) : arena_(arena) {}

  void Reset();

  bool enabled() const { return (mrqc_ & 0xf) == 1; }
  // REQUIRES: enabled(), `parse` is of `frame`.
  RssResult Classify(std::span<const uint8_t> frame, const RxParse& parse);

  // The Toeplitz hash of at most kInputBytesMax bytes, whole words of 4, with the key in RSSRK.
  // REQUIRES: enabled() has been true.
  uint32_t Hash(std::span<const uint8_t> input) const;

  bool Read(uint32_t offset, uint32_t* value) const;
  bool Write(uint32_t offset, uint32_t value);

 private:
  static constexpr int kKeyWords = 10;
  static constexpr size_t kInputBytesMax = 36;  // two IPv6 addresses and two ports

  // What each value of each half byte of the input adds to the hash: the key's 32-bit windows,
  // summed.
  struct Table {
    uint32_t add[2 * kInputBytesMax][16];
  };
  void BuildTable();
  // What the input's word `index` of 4 bytes, taken as big endian, adds to the hash.
  uint32_t HashWord(size_t index, uint32_t word) const;

  // The hash of an IPv4 flow that was seen lately; ports are 0 where they are not hashed. At first
  // it is the flow of zeros, whose hash is 0 whatever the key.
  struct Flow {
    uint32_t source = 0;
    uint32_t destination = 0;
    uint32_t ports = 0;
    uint32_t hash = 0;
  };
  static constexpr uint32_t kFlows = 16;
  uint32_t HashIpv4Flow(const uint8_t* addresses, uint32_t ports);

  Arena& arena_;
  uint32_t mrqc_ = 0;
  uint32_t key_[kKeyWords] = {};  // RSSRK: the key's first byte lowest
  uint8_t reta_[128] = {};
  Table* table_ = nullptr;  // made when RSS is first switched on
  Flow flows_[kFlows];
};

}  // namespace tapedeck::nic

#endif  // TAPEDECK_NICMODEL_RSS_H_
