#include "nicmodel/stats.h"

#include <iterator>

namespace tapedeck::nic {

namespace {

enum class CounterKind : uint8_t {
  kCount,
  kOctets
};  // kOctets: a 36-bit pair at offset and offset + 4

struct ScalarRegister {
  uint32_t offset;
  CounterKind kind;
  uint64_t (*total)(const Counters& c);
};

constexpr uint64_t Zero(const Counters&) { return 0; }

// Sorted by offset. What the model has no cause for (flow control, management, XON and XOFF) reads
// 0.
constexpr ScalarRegister kScalars[] = {
    {0x02f50, CounterKind::kCount, [](const Counters& c) { return c.rx_host_frames; }},   // RXDGPC
    {0x02f54, CounterKind::kOctets, [](const Counters& c) { return c.rx_host_octets; }},  // RXDGBC
    {0x03f60, CounterKind::kCount, Zero},                                                 // LXONTXC
    {0x03f68, CounterKind::kCount, Zero},                                           // LXOFFTXC
    {0x03fa0, CounterKind::kCount, [](const Counters& c) { return c.rx_missed; }},  // MPC[0]
    {0x03fa4, CounterKind::kCount, Zero},                                           // MPC[1..7]
    {0x03fa8, CounterKind::kCount, Zero},
    {0x03fac, CounterKind::kCount, Zero},
    {0x03fb0, CounterKind::kCount, Zero},
    {0x03fb4, CounterKind::kCount, Zero},
    {0x03fb8, CounterKind::kCount, Zero},
    {0x03fbc, CounterKind::kCount, Zero},
    {0x04000, CounterKind::kCount, [](const Counters& c) { return c.rx_crc_errors; }},  // CRCERRS
    {0x04004, CounterKind::kCount,
     [](const Counters& c) { return c.rx_symbol_errors; }},                          // ILLERRC
    {0x04008, CounterKind::kCount, Zero},                                            // ERRBC
    {0x04034, CounterKind::kCount, Zero},                                            // MLFC
    {0x04038, CounterKind::kCount, Zero},                                            // MRFC
    {0x04040, CounterKind::kCount, Zero},                                            // RLEC
    {0x0405c, CounterKind::kCount, [](const Counters& c) { return c.rx_size[0]; }},  // PRC64
    {0x04060, CounterKind::kCount, [](const Counters& c) { return c.rx_size[1]; }},  // PRC127
    {0x04064, CounterKind::kCount, [](const Counters& c) { return c.rx_size[2]; }},  // PRC255
    {0x04068, CounterKind::kCount, [](const Counters& c) { return c.rx_size[3]; }},  // PRC511
    {0x0406c, CounterKind::kCount, [](const Counters& c) { return c.rx_size[4]; }},  // PRC1023
    {0x04070, CounterKind::kCount, [](const Counters& c) { return c.rx_size[5]; }},  // PRC1522
    {0x04074, CounterKind::kCount, [](const Counters& c) { return c.rx_good_frames(); }},  // GPRC
    {0x04078, CounterKind::kCount, [](const Counters& c) { return c.rx_broadcast; }},      // BPRC
    {0x0407c, CounterKind::kCount, [](const Counters& c) { return c.rx_multicast; }},      // MPRC
    {0x04080, CounterKind::kCount, [](const Counters& c) { return c.tx_good_frames(); }},  // GPTC
    {0x04088, CounterKind::kOctets, [](const Counters& c) { return c.rx_good_octets; }},   // GORC
    {0x04090, CounterKind::kOctets, [](const Counters& c) { return c.tx_octets; }},        // GOTC
    {0x040a4, CounterKind::kCount, [](const Counters& c) { return c.rx_runts; }},          // RUC
    {0x040a8, CounterKind::kCount, [](const Counters& c) { return c.rx_fragments; }},      // RFC
    {0x040ac, CounterKind::kCount, [](const Counters& c) { return c.rx_oversize; }},       // ROC
    {0x040b0, CounterKind::kCount, [](const Counters& c) { return c.rx_jabber; }},         // RJC
    {0x040b4, CounterKind::kCount, Zero},                                                  // MNGPRC
    {0x040b8, CounterKind::kCount, Zero},                                                  // MNGPDC
    {0x040c0, CounterKind::kOctets, [](const Counters& c) { return c.rx_frame_octets; }},  // TOR
    {0x040d0, CounterKind::kCount, [](const Counters& c) { return c.rx_frames; }},         // TPR
    {0x040d4, CounterKind::kCount, [](const Counters& c) { return c.tx_frames; }},         // TPT
    {0x040d8, CounterKind::kCount, [](const Counters& c) { return c.tx_size[0]; }},        // PTC64
    {0x040dc, CounterKind::kCount, [](const Counters& c) { return c.tx_size[1]; }},        // PTC127
    {0x040e0, CounterKind::kCount, [](const Counters& c) { return c.tx_size[2]; }},        // PTC255
    {0x040e4, CounterKind::kCount, [](const Counters& c) { return c.tx_size[3]; }},        // PTC511
    {0x040e8, CounterKind::kCount, [](const Counters& c) { return c.tx_size[4]; }},    // PTC1023
    {0x040ec, CounterKind::kCount, [](const Counters& c) { return c.tx_size[5]; }},    // PTC1522
    {0x040f0, CounterKind::kCount, [](const Counters& c) { return c.tx_multicast; }},  // MPTC
    {0x040f4, CounterKind::kCount, [](const Counters& c) { return c.tx_broadcast; }},  // BPTC
    {0x04120, CounterKind::kCount, [](const Counters& c) { return c.rx_checksum_errors; }},  // XEC
    {0x041a4, CounterKind::kCount, Zero},  // LXONRXCNT
    {0x041a8, CounterKind::kCount, Zero},  // LXOFFRXCNT
    {0x041b0, CounterKind::kCount,
     [](const Counters& c) { return c.rx_no_filter_frames; }},  // RXNFGPC
    {0x041b4, CounterKind::kOctets,
     [](const Counters& c) { return c.rx_no_filter_octets; }},                       // RXNFGBC
    {0x087a0, CounterKind::kCount, [](const Counters& c) { return c.tx_frames; }},   // TXDGPC
    {0x087a4, CounterKind::kOctets, [](const Counters& c) { return c.tx_octets; }},  // TXDGBC
    {0x0cf90, CounterKind::kCount, Zero},                                            // MNGPTC
};

// The index in kScalars of the register at `offset` (either half of a pair); -1 where there is
// none.
int ScalarIndex(uint32_t offset) {
  size_t low = 0;
  size_t high = std::size(kScalars);
  while (low < high) {
    const size_t middle = (low + high) / 2;
    if (kScalars[middle].offset <= offset) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  if (low == 0) return -1;
  const ScalarRegister& found = kScalars[low - 1];
  const bool ours =
      found.offset == offset || (found.kind == CounterKind::kOctets && found.offset + 4 == offset);
  return ours ? static_cast<int>(low - 1) : -1;
}

enum class QueueField : uint8_t { kNone, kQprc, kQbrc, kQprdc, kQptc, kQbtc };
struct QueueRegister {
  QueueField field = QueueField::kNone;
  uint32_t queue = 0;
  bool high = false;
};

QueueRegister FindQueueRegister(uint32_t offset) {
  // QPRC, QBRC_L, QBRC_H: in the receive queues' blocks 0..15; QPRDC in those of 16..31.
  if (offset >= 0x1000 && offset < 0x1800) {
    const uint32_t queue = (offset - 0x1000) / 0x40;
    const uint32_t field = offset % 0x40;
    if (queue >= kStatQueues) {
      return field == 0x30 ? QueueRegister{QueueField::kQprdc, queue - kStatQueues}
                           : QueueRegister{};
    }
    if (field == 0x30) return {QueueField::kQprc, queue};
    if (field == 0x34 || field == 0x38) return {QueueField::kQbrc, queue, field == 0x38};
  }
  if (offset >= 0x8680 && offset < 0x86c0) return {QueueField::kQptc, (offset - 0x8680) / 4};
  if (offset >= 0x8700 && offset < 0x8780) {
    return {QueueField::kQbtc, (offset - 0x8700) / 8, (offset & 4) != 0};
  }
  return {};
}

}  // namespace

bool Counters::Get(std::string_view wanted, uint64_t* value) const {
#define X(name, what)    \
  if (wanted == #name) { \
    *value = name;       \
    return true;         \
  }
  TAPEDECK_NIC_COUNTERS(X)
#undef X
  return false;
}

uint32_t StatRegisters::ReadCount(View& view, uint64_t total) {
  const uint64_t added = total - view.base;
  view.base = total;
  return static_cast<uint32_t>(added);
}

uint32_t StatRegisters::ReadOctets(View& view, uint64_t total, bool high) {
  if (high) {
    const uint32_t latched = view.high;
    view.high = 0;
    return latched;
  }
  const uint64_t added = total - view.base;
  view.base = total;
  view.high = static_cast<uint32_t>(added >> 32 & 0xf);
  return static_cast<uint32_t>(added);
}

bool StatRegisters::ReadQueue(uint32_t offset, uint32_t* value) {
  const QueueRegister found = FindQueueRegister(offset);
  if (found.field == QueueField::kNone) return false;
  const Counters::Queue& total = counters_.queue[found.queue];
  QueueViews& views = queue_[found.queue];
  switch (found.field) {
    case QueueField::kQprc:
      *value = ReadCount(views.rx_frames, total.rx_frames);
      break;
    case QueueField::kQbrc:
      *value = ReadOctets(views.rx_octets, total.rx_octets, found.high);
      break;
    case QueueField::kQprdc:
      *value = ReadCount(views.rx_dropped, total.rx_dropped);
      break;
    case QueueField::kQptc:
      *value = ReadCount(views.tx_frames, total.tx_frames);
      break;
    case QueueField::kQbtc:
      *value = ReadOctets(views.tx_octets, total.tx_octets, found.high);
      break;
    case QueueField::kNone:
      break;
  }
  return true;
}

bool StatRegisters::Read(uint32_t offset, uint32_t* value) {
  const int index = ScalarIndex(offset);
  if (index < 0) return ReadQueue(offset, value);
  static_assert(std::size(kScalars) <= kScalarsMax);
  const ScalarRegister& found = kScalars[index];
  const uint64_t total = found.total(counters_);
  *value = found.kind == CounterKind::kCount
               ? ReadCount(scalar_[index], total)
               : ReadOctets(scalar_[index], total, offset != found.offset);
  return true;
}

bool StatRegisters::IsRegister(uint32_t offset) {
  return ScalarIndex(offset) >= 0 || FindQueueRegister(offset).field != QueueField::kNone;
}

}  // namespace tapedeck::nic
