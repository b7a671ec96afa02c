#include "replay/capture/capture_reader.h"
#include "replay/capture/link_layer.h"
#include "stack/base/check.h"
#include "tests/bench/cases.h"
#include "tests/bench/traffic.h"

namespace tapedeck::bench {

namespace {

using capture::CaptureReader;
using capture::ReadResult;

// Opens a capture and reads it to its end, one byte of each frame looked at.
class CaptureRead : public Case {
 public:
  CaptureRead(size_t frame_bytes, CaptureFile::Format format)
      : file_(frame_bytes, CaptureFrames(frame_bytes), format) {
    Run();
  }

  uint64_t Run() override {
    absl::StatusOr<CaptureReader> reader = CaptureReader::Open(file_.path());
    CHECK(reader.ok());
    capture::Record record;
    uint64_t frames = 0;
    while (reader->Next(record) == ReadResult::kRecord) {
      ++frames;
      seen_ += record.data.back();
    }
    CHECK_EQ(frames, file_.frames());
    return frames;
  }

 private:
  CaptureFile file_;
  uint64_t seen_ = 0;
};

}  // namespace

void AddCaptureCases(Suite& suite) {
  const auto add = [&suite](const char* name, size_t frame_bytes, CaptureFile::Format format) {
    suite.Add(name, "frames", [=] { return std::make_unique<CaptureRead>(frame_bytes, format); });
  };
  add("capture/read_60", kSmallFrameBytes, CaptureFile::Format::kPcap);
  add("capture/read_1514", kLargeFrameBytes, CaptureFile::Format::kPcap);
  add("capture/read_60_pcapng", kSmallFrameBytes, CaptureFile::Format::kPcapng);
}

}  // namespace tapedeck::bench
