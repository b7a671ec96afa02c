// What files and circumstances do to the commands that read and write captures: memory stays
// bounded, and nothing half-written ever bears a file's name.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include "../unit/traffic.h"
#include "child_program.h"
#include "stack/kernel/arena.h"

namespace tapedeck {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;
using traffic::Capture;
using traffic::Connection;
using traffic::kClient;
using traffic::kUs;
using traffic::Text;

class HostileFiles : public ::testing::Test {
 protected:
  void SetUp() override {
    directory_ = fs::temp_directory_path() / ("hostile_files." + std::to_string(getpid()));
    fs::create_directory(directory_);
    std::ofstream(Path("old.pcapng")) << "old";
  }
  void TearDown() override { fs::remove_all(directory_); }

  std::string Path(const std::string& name) const { return directory_ / name; }
  std::string Contents(const std::string& name) const {
    std::ifstream file(Path(name), std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  std::vector<std::string> Files() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(directory_)) {
      names.push_back(entry.path().filename());
    }
    return names;
  }
  // `frames` frames of one direction.
  void Save(const std::string& name, int frames) const {
    Connection tcp;
    Capture capture;
    for (int i = 0; i < frames; ++i) capture.Add(tcp.Data(kClient, Text(100)), 10 * kUs);
    std::ofstream(Path(name), std::ios::binary)
        .write(reinterpret_cast<const char*>(capture.bytes().data()),
               static_cast<std::streamsize>(capture.bytes().size()));
  }
  // Each way to write a capture to old.pcapng.
  std::vector<std::vector<std::string>> Writers(const std::string& input) const {
    return {{"replay", "--out", Path("old.pcapng"), input},
            {"convert", input, Path("old.pcapng")},
            {"merge", Path("old.pcapng"), input}};
  }
  int Run(const std::vector<std::string>& arguments, const std::function<void()>& prepare) const {
    const int status = Child(arguments, Path("messages"), prepare).Wait();
    EXPECT_TRUE(WIFEXITED(status)) << "signal " << WTERMSIG(status);
    return WEXITSTATUS(status);
  }
  bool HasUnnamedFiles() const {
    const int fd = open(directory_.c_str(), O_TMPFILE | O_WRONLY, 0600);
    if (fd >= 0) close(fd);
    return fd >= 0;
  }

  fs::path directory_;
};

TEST_F(HostileFiles, AFullDiskIsToldAndLeavesTheOldFile) {
  Save("in.pcap", 2'000);
  for (const std::vector<std::string>& writer : Writers(Path("in.pcap"))) {
    EXPECT_EQ(Run(writer, [] { Limit(RLIMIT_FSIZE, 65'536); }), 2) << writer[0];
    EXPECT_THAT(Contents("messages"), HasSubstr("old.pcapng: cannot write: File too large"));
    EXPECT_EQ(Contents("old.pcapng"), "old") << writer[0];
    EXPECT_THAT(Files(), UnorderedElementsAre("in.pcap", "messages", "old.pcapng"));
  }
}

// Writers that wait for more of their input are killed while their output is under way.
TEST_F(HostileFiles, AnInterruptedWriterLeavesTheOldFileAndNothingElse) {
  if (!HasUnnamedFiles()) GTEST_SKIP() << "skipped: no O_TMPFILE here, so a temporary file stays";
  Save("in.pcap", 60'000);
  for (const int signal : {SIGINT, SIGTERM, SIGKILL}) {
    for (const std::vector<std::string>& writer : Writers(Path("in.pcap"))) {
      const Child child(writer, Path("messages"), [] {});
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
      child.Send(signal);
      child.Wait();
      // A fast machine's writer is through by then, though it may not have ended yet.
      const size_t left_bytes = Contents("old.pcapng").size();
      if (left_bytes != 3) {
        if (writer[0] == "replay") {
          EXPECT_NE(signal, SIGKILL) << "60,000 frames are not played within 20 ms";
          EXPECT_THAT(Contents("messages"), HasSubstr("INTERRUPTED  digest "));
          std::ofstream(Path("old.pcapng")) << "old";
          continue;
        }
        EXPECT_GT(left_bytes, 8'000'000U) << "whole";
        std::ofstream(Path("old.pcapng")) << "old";
      }
      EXPECT_EQ(Contents("old.pcapng"), "old") << writer[0];
      EXPECT_THAT(Files(), UnorderedElementsAre("in.pcap", "messages", "old.pcapng"));
    }
  }
}

// Ctrl-C while more of a pipe is waited for: the run ends with its summary, and the file that was
// asked for is there, whole.
TEST_F(HostileFiles, AnEndlessReplayIsInterruptedAndEndsWithItsSummary) {
  alarm(120);
  ASSERT_EQ(mkfifo(Path("fifo").c_str(), 0600), 0);
  Save("in.pcap", 50'000);
  const Child child({"replay", "--mode", "raw", "--out", Path("out.pcapng"), Path("fifo")},
                    Path("messages"), [] {});
  std::ofstream fifo(Path("fifo"), std::ios::binary);
  // More than is looked at before the first frame is played.
  fifo << Contents("in.pcap") << std::flush;
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  child.Send(SIGINT);
  const int status = child.Wait();
  alarm(0);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 130) << Contents("messages");
  EXPECT_THAT(Contents("messages"), HasSubstr("INTERRUPTED  digest "));
  EXPECT_EQ(Run({"convert", Path("out.pcapng"), Path("again.pcapng")}, [] {}), 0);
}

TEST_F(HostileFiles, ADamagedInputStillConvertsAsFarAsItGoes) {
  Save("in.pcap", 100);
  fs::resize_file(Path("in.pcap"), fs::file_size(Path("in.pcap")) - 5);
  EXPECT_EQ(Run({"convert", Path("in.pcap"), Path("out.pcap")}, [] {}), 0);
  EXPECT_THAT(Contents("messages"), HasSubstr("warning: "));
  EXPECT_THAT(Contents("messages"), HasSubstr("99 records"));
}

// A Lab reserves more address space than that: a sentence says so, and nothing is aborted.
TEST_F(HostileFiles, ALimitThatIsTooLowIsTold) {
  if (kAsanBuild) GTEST_SKIP() << "skipped: the limit leaves AddressSanitizer no shadow";
  Save("in.pcap", 10);
  EXPECT_EQ(Run({"replay", Path("in.pcap")}, [] { Limit(RLIMIT_DATA, 192 << 20); }), 2);
  EXPECT_THAT(Contents("messages"), HasSubstr("MiB of address space are wanted for the Lab"));
}

// 128 MiB of records of length zero take address space, and no memory of ours.
TEST_F(HostileFiles, ASparseFileIsReadInConstantMemory) {
  if (kAsanBuild) GTEST_SKIP() << "skipped: the limit leaves AddressSanitizer no shadow";
  Save("in.pcap", 10);
  fs::resize_file(Path("in.pcap"), uint64_t{128} << 20);
  EXPECT_EQ(Run({"convert", "--frames", "1-10", Path("in.pcap"), Path("out.pcap")},
                [] { Limit(RLIMIT_DATA, 64 << 20); }),
            0);
  EXPECT_THAT(Contents("messages"), HasSubstr("10 records"));
}

// Raw replay plays a stream as it comes: less memory than the stream has, nothing on disk.
TEST_F(HostileFiles, AnEndlessStreamIsPlayedInConstantMemory) {
  if (kAsanBuild) GTEST_SKIP() << "skipped: AddressSanitizer's own memory grows";
  alarm(120);
  ASSERT_EQ(mkfifo(Path("fifo").c_str(), 0600), 0);
  Save("in.pcap", 1);
  const std::string one = Contents("in.pcap");
  const Child child({"replay", "--mode", "raw", Path("fifo")}, Path("messages"), [] {});
  std::ofstream fifo(Path("fifo"), std::ios::binary);
  fifo << one.substr(0, 24);
  // All at one time: faster than any wire.
  std::string frames;
  for (int i = 0; i < 1'000; ++i) frames += one.substr(24);
  for (int i = 0; i < 500; ++i) fifo << frames;
  fifo.close();
  const auto [status, kib] = child.WaitAndMeasure();
  alarm(0);
  EXPECT_EQ(status, 0) << Contents("messages");
  EXPECT_THAT(Contents("messages"), HasSubstr("frames in 500000 = "));
  EXPECT_LT(kib, 48 << 10) << "of a stream of " << 500 * frames.size() / 1024 << " KiB";
}

// Packed or mapped, a long file is never in memory whole.
TEST_F(HostileFiles, ALongFileIsPlayedInConstantMemory) {
  if (kAsanBuild) GTEST_SKIP() << "skipped: AddressSanitizer's own memory grows";
  Save("in.pcap", 10);
  fs::resize_file(Path("in.pcap"), uint64_t{256} << 20);
  ASSERT_EQ(std::system(("gzip -1 -c " + Path("in.pcap") + " > " + Path("in.pcap.gz")).c_str()), 0);
  for (const char* const name : {"in.pcap", "in.pcap.gz"}) {
    const Child child({"replay", "--mode", "raw", Path(name)}, Path("messages"), [] {});
    const auto [status, kib] = child.WaitAndMeasure();
    EXPECT_EQ(status, 0) << Contents("messages");
    EXPECT_THAT(Contents("messages"), HasSubstr("frames in 10 = "));
    EXPECT_LT(kib, 80 << 10) << name;
  }
}

TEST_F(HostileFiles, AStreamIsReadInConstantMemory) {
  if (kAsanBuild) GTEST_SKIP() << "skipped: the limit leaves AddressSanitizer no shadow";
  alarm(120);  // rather than wait for a reader that is no more
  ASSERT_EQ(mkfifo(Path("fifo").c_str(), 0600), 0);
  Save("in.pcap", 10);
  const Child child({"convert", "--frames", "1-10", Path("fifo"), Path("out.pcap")},
                    Path("messages"), [] { Limit(RLIMIT_DATA, 64 << 20); });
  std::ofstream fifo(Path("fifo"), std::ios::binary);
  fifo << Contents("in.pcap");
  const std::string zeros(1 << 20, '\0');
  for (int i = 0; i < 128; ++i) fifo << zeros;
  fifo.close();
  const int status = child.Wait();
  alarm(0);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0) << Contents("messages");
  EXPECT_THAT(Contents("messages"), HasSubstr("10 records"));
}

}  // namespace
}  // namespace tapedeck
