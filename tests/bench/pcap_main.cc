// libpcap's reading rate, over the same files as ours.
#include <pcap/pcap.h>

#include <memory>

#include "stack/base/check.h"
#include "tests/bench/suite.h"
#include "tests/bench/traffic.h"

namespace tapedeck::bench {

namespace {

// Opens a capture and reads it to its end with pcap_next_ex, one byte of each frame looked at.
class PcapRead : public Case {
 public:
  PcapRead(size_t frame_bytes, CaptureFile::Format format)
      : file_(frame_bytes, CaptureFrames(frame_bytes), format) {
    Run();
  }

  uint64_t Run() override {
    char error[PCAP_ERRBUF_SIZE];
    pcap_t* const capture = pcap_open_offline(file_.path().c_str(), error);
    CHECK(capture != nullptr);
    pcap_pkthdr* header = nullptr;
    const u_char* data = nullptr;
    uint64_t frames = 0;
    while (pcap_next_ex(capture, &header, &data) == 1) {
      ++frames;
      seen_ += data[header->caplen - 1];
    }
    pcap_close(capture);
    CHECK_EQ(frames, file_.frames());
    return frames;
  }

 private:
  CaptureFile file_;
  uint64_t seen_ = 0;
};

}  // namespace

}  // namespace tapedeck::bench

int main(int argc, char** argv) {
  using namespace tapedeck::bench;
  using enum CaptureFile::Format;
  Suite suite;
  suite.Add("libpcap/read_60", "frames",
            [] { return std::make_unique<PcapRead>(kSmallFrameBytes, kPcap); });
  suite.Add("libpcap/read_1514", "frames",
            [] { return std::make_unique<PcapRead>(kLargeFrameBytes, kPcap); });
  suite.Add("libpcap/read_60_pcapng", "frames",
            [] { return std::make_unique<PcapRead>(kSmallFrameBytes, kPcapng); });
  return suite.Main(argc, argv);
}
