// The names by which a script's code reads what getsockopt tells of a connection: tcpi_rtt and the
// other fields of struct tcp_info, dctcp_alpha, bbr_bw, SK_MEMINFO_RCVBUF and their kin.
#ifndef TAPEDECK_REPLAY_LAB_TCP_INFO_NAMES_H_
#define TAPEDECK_REPLAY_LAB_TCP_INFO_NAMES_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace tapedeck {

// Which option of getsockopt a name is found in.
enum class InfoSource : uint8_t {
  kTcpInfo,    // SOL_TCP, TCP_INFO
  kTcpCcInfo,  // SOL_TCP, TCP_CC_INFO
  kMemInfo,    // SOL_SOCKET, SO_MEMINFO
};
inline constexpr size_t kInfoSources = 3;

struct InfoField {
  const char* name;
  InfoSource source;
  uint16_t offset_bytes;
  uint8_t shift_bits;  // of bit fields, from the lowest bit of the word
  uint8_t bits;
};

// Null where there is no such name.
const InfoField* FindInfoField(std::string_view name);

// The field's value in what the kernel has written; 0 where it has written less, as with the real
// tool.
int64_t ReadInfoField(const InfoField& field, std::span<const uint8_t> bytes);

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_LAB_TCP_INFO_NAMES_H_
