#include "replay/apps/iperf3_protocol.h"

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace tapedeck {

namespace {

bool FlagOf(const nlohmann::json& json, const char* name) {
  const auto it = json.find(name);
  if (it == json.end()) return false;
  return it->is_boolean() ? it->get<bool>() : it->is_number_integer() && it->get<int64_t>() != 0;
}

// A whole number that is not negative; `otherwise` where there is none.
uint64_t NumberOf(const nlohmann::json& json, const char* name, uint64_t otherwise) {
  const auto it = json.find(name);
  if (it == json.end()) return otherwise;
  if (it->is_number_unsigned()) return it->get<uint64_t>();
  return otherwise;
}

// Seconds of a count of `unit_digits` decimals, as a JSON number: 1500000, 6 -> 1.500000.
std::string DecimalText(uint64_t value, int digits) {
  uint64_t unit = 1;
  for (int i = 0; i < digits; ++i) unit *= 10;
  return absl::StrFormat("%d.%0*d", value / unit, digits, value % unit);
}

}  // namespace

bool ParseIperf3Parameters(std::string_view text, Iperf3Parameters* parameters) {
  const nlohmann::json json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return false;
  *parameters = {};
  parameters->udp = FlagOf(json, "udp");
  if (!parameters->udp && !FlagOf(json, "tcp")) return false;
  parameters->reverse = FlagOf(json, "reverse");
  parameters->bidirectional = FlagOf(json, "bidirectional");
  parameters->counters_64bit = FlagOf(json, "udp_counters_64bit");
  parameters->no_delay = FlagOf(json, "nodelay");
  const uint64_t streams = NumberOf(json, "parallel", 1);
  const uint64_t directions = parameters->bidirectional ? 2 : 1;
  const uint64_t block = NumberOf(json, "len", parameters->udp ? 1448 : 128 * 1024);
  parameters->bits_per_second = NumberOf(json, "bandwidth", 0);
  if (streams < 1 || streams > kIperf3StreamsMax / directions) return false;
  if (block < 1 || block > kIperf3BlockBytesMax) return false;
  if (parameters->udp && (block < kIperf3DatagramBytesMin || block > kIperf3DatagramBytesMax)) {
    return false;
  }
  parameters->streams = static_cast<int>(streams);
  parameters->block_bytes = static_cast<uint32_t>(block);
  return true;
}

std::string Iperf3ResultsJson(std::span<const Iperf3StreamResult> streams, bool sends,
                              uint64_t duration_us) {
  // Processor time is the model's and costs nothing there.
  std::string json = absl::StrFormat(
      R"({"cpu_util_total":0,"cpu_util_user":0,"cpu_util_system":0,"sender_has_retransmits":%d,"streams":[)",
      sends ? 1 : -1);
  const char* comma = "";
  for (const Iperf3StreamResult& stream : streams) {
    absl::StrAppendFormat(
        &json,
        R"(%s{"id":%d,"bytes":%d,"retransmits":%d,"jitter":%s,"errors":%d,"omitted_errors":0,"packets":%d,"omitted_packets":0,"start_time":0,"end_time":%s})",
        comma, stream.id, stream.bytes, stream.retransmits, DecimalText(stream.jitter_ns, 9),
        stream.lost, stream.packets, DecimalText(duration_us, 6));
    comma = ",";
  }
  return json + "]}";
}

}  // namespace tapedeck
