// Whether a packet that the host sent is the one that a script expects, by packetdrill's rules
// (run_packet.c, verify_outbound_live_packet).
#ifndef TAPEDECK_REPLAY_LAB_PACKET_MATCH_H_
#define TAPEDECK_REPLAY_LAB_PACKET_MATCH_H_

#include <string>

#include "absl/status/statusor.h"
#include "replay/lab/packet_bytes.h"
#include "replay/lab/play_settings.h"
#include "replay/lab/script_connection.h"
#include "replay/script/packet_step.h"
#include "stack/base/time.h"

namespace tapedeck {

// `live` as the script would write it: with the connection's numbers, without ports.
LivePacket ToScriptNumbers(const LivePacket& live, const ScriptConnection& connection);

// `packet`, which stands in the script, as it has to be on the wire. FailedPrecondition where it
// echoes a timestamp that the host has not sent.
absl::StatusOr<PacketStep> ToLiveNumbers(const PacketStep& packet,
                                         const ScriptConnection& connection,
                                         const PlaySettings& settings);

// Empty where `actual`, in the script's numbers, is as `expected`; else what is not:
// "tcp_seq: expected 1, found 1001". Learns the connection's timestamps from it; `elapsed` is the
// time since the script began.
std::string ComparePacket(const PacketStep& expected, LivePacket* actual,
                          ScriptConnection* connection, const PlaySettings& settings,
                          Duration elapsed);

// Whether `next` goes on where `before` ends, so that both may be one packet in the eyes of a
// script (verify_packet_fragments). `expected_bytes` is how much payload is still missing.
std::string CompareSegments(const LivePacket& before, const LivePacket& next,
                            uint32_t expected_bytes);
// What `first` to `last`, of `payload_bytes` together, are when they are one.
LivePacket MergeSegments(const LivePacket& first, const LivePacket& last, uint32_t payload_bytes);

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_LAB_PACKET_MATCH_H_
