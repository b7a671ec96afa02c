#include "replay/trace/chain_output.h"

#include <utility>

#include "absl/strings/str_format.h"
#include "replay/trace/event_text.h"

namespace tapedeck {

absl::StatusOr<ChainOutput> ChainOutput::Create(const std::string& path) {
  absl::StatusOr<capture::OutputFile> file = capture::OutputFile::Create(path);
  if (!file.ok()) return file.status();
  return ChainOutput(*std::move(file));
}

void ChainOutput::Observe(uint64_t number, const TraceEvent& event, const FrameLedger&) {
  digest_.Add(event);
  const std::string line =
      absl::StrFormat("%d %s %s %2d %-8s %s\n", number, digest_.ToString(), TimeText(event.time),
                      event.host, GetTraceKindInfo(event.kind).where, EventText(event));
  status_.Update(file_.Append({reinterpret_cast<const uint8_t*>(line.data()), line.size()}));
}

absl::Status ChainOutput::Close() {
  status_.Update(file_.Close());
  return status_;
}

}  // namespace tapedeck
