// `tapedeck live` and the kernel of this machine, with its own programs as clients: ping, curl,
// iperf3, over IPv4 and IPv6, in a network namespace of the test's own. What was recorded is
// replayed. Needs root and /dev/net/tun; skipped where they are not there.
#include <arpa/inet.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <regex>
#include <string>
#include <thread>
#include <vector>

#include "replay/apps/http_server.h"

// Outside of the project's namespace, whose sockets have the names of the system's.
namespace {

namespace fs = std::filesystem;
using tapedeck::HttpBodyByte;
using testing::HasSubstr;
using Words = std::vector<std::string>;

constexpr char kHost4[] = "10.99.0.2";
constexpr char kHost6[] = "fd00:99::2";

// Starts a program with its output in `file`.
pid_t Start(const Words& words, const std::string& file) {
  std::vector<char*> argv;
  for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 1, file.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
  posix_spawn_file_actions_adddup2(&actions, 1, 2);
  pid_t pid = -1;
  if (posix_spawnp(&pid, argv[0], &actions, nullptr, argv.data(), environ) != 0) pid = -1;
  posix_spawn_file_actions_destroy(&actions);
  return pid;
}

int ExitCode(pid_t pid) {
  int status = 0;
  if (pid < 0 || waitpid(pid, &status, 0) != pid) return -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

std::string TextOf(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

bool IsInstalled(const char* program) {
  return std::system((std::string("command -v ") + program + " >/dev/null 2>&1").c_str()) == 0;
}

// What a program says: its output, and how it ended.
struct Said {
  int code = -1;
  std::string text;
};

// The frames of a listing: "digest 0123456789abcdef" at its end.
std::string DigestIn(const std::string& text) {
  std::smatch match;
  return std::regex_search(text, match, std::regex("digest ([0-9a-f]{16})")) ? match[1].str() : "";
}

std::string LineWith(const std::string& text, const std::string& start) {
  const size_t at = text.find("\n" + start);
  return at == std::string::npos ? "" : text.substr(at + 1, text.find('\n', at + 1) - at - 1);
}

class LiveTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (geteuid() != 0 || unshare(CLONE_NEWNET | CLONE_NEWNS) != 0) {
      why_not_ = "needs root, for namespaces of its own";
    } else if (access("/dev/net/tun", R_OK | W_OK) != 0) {
      why_not_ = "needs /dev/net/tun";
    }
  }

  void SetUp() override {
    if (!why_not_.empty()) GTEST_SKIP() << why_not_;
    folder_ = fs::temp_directory_path() / ("tapedeck-live-" + std::to_string(getpid()));
    fs::create_directories(folder_);
  }
  void TearDown() override {
    if (live_ > 0) {
      kill(live_, SIGKILL);
      ExitCode(live_);
    }
    if (!folder_.empty()) fs::remove_all(folder_);
  }

  std::string In(const std::string& name) const { return folder_ / name; }

  Said Run(const Words& words) {
    const std::string file = In("said");
    Said said;
    said.code = ExitCode(Start(words, file));
    said.text = TextOf(file);
    return said;
  }
  static Words Tapedeck(Words words) {
    words.insert(words.begin(), TAPEDECK_PROGRAM);
    return words;
  }

  // Starts `tapedeck live` and waits until it says that it is there.
  void GoLive(Words more) {
    Words words = Tapedeck({"live", "--tap", "td0", "--create"});
    words.insert(words.end(), more.begin(), more.end());
    live_ = Start(words, In("live"));
    for (int i = 0; i < 500 && TextOf(In("live")).find('\n') == std::string::npos; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    ASSERT_THAT(TextOf(In("live")), HasSubstr("td0  seed"));
  }
  // Ends it by `signal`: what it has printed.
  Said EndLive(int signal) {
    kill(live_, signal);
    Said said;
    said.code = ExitCode(live_);
    live_ = -1;
    said.text = TextOf(In("live"));
    return said;
  }

  void Ping(const char* address) {
    if (!IsInstalled("ping")) return;
    const Said ping = Run({"ping", "-c", "3", "-i", "0.1", "-W", "2", address});
    EXPECT_EQ(ping.code, 0) << ping.text;
    EXPECT_THAT(ping.text, HasSubstr("3 received"));
  }

  void Fetch(const std::string& authority, uint64_t bytes) {
    if (!IsInstalled("curl")) return;
    const std::string url = "http://" + authority + "/bytes/" + std::to_string(bytes);
    const Said curl = Run({"curl", "-sS", "-m", "10", "-o", In("body"), url});
    EXPECT_EQ(curl.code, 0) << curl.text;
    const std::string body = TextOf(In("body"));
    ASSERT_EQ(body.size(), bytes) << url;
    for (uint64_t i = 0; i < bytes; ++i) {
      ASSERT_EQ(static_cast<uint8_t>(body[i]), HttpBodyByte(i)) << url << ", byte " << i;
    }
  }

  // Half a second of it; the client's report.
  nlohmann::json Iperf3(const Words& more) {
    Words words = {"iperf3", "-J", "-t", "1", "--connect-timeout", "3000", "-c"};
    words.insert(words.end(), more.begin(), more.end());
    const Said said = Run(words);
    EXPECT_EQ(said.code, 0) << said.text;
    nlohmann::json report = nlohmann::json::parse(said.text, nullptr, false);
    EXPECT_FALSE(report.is_discarded() || report.contains("error")) << said.text;
    return report;
  }

  // Sends `bytes` to the echo server and compares what comes back.
  static void Echo(int type, size_t bytes) {
    const int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
    const timeval patience = {3, 0};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    sockaddr_in to = {};
    to.sin_family = AF_INET;
    to.sin_port = htons(7);
    inet_pton(AF_INET, kHost4, &to.sin_addr);
    ASSERT_EQ(connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof(to)), 0);
    std::string sent(bytes, '\0');
    for (size_t i = 0; i < bytes; ++i) sent[i] = static_cast<char>(HttpBodyByte(i));
    ASSERT_EQ(send(fd, sent.data(), sent.size(), 0), static_cast<ssize_t>(bytes));
    std::string back(bytes, '\0');
    size_t have = 0;
    while (have < bytes) {
      const ssize_t got = recv(fd, back.data() + have, bytes - have, 0);
      if (got <= 0) break;
      have += static_cast<size_t>(got);
    }
    close(fd);
    EXPECT_EQ(have, bytes);
    EXPECT_EQ(back, sent);
  }

  // Datagrams to the discard server.
  static void SendAway(int count, size_t bytes) {
    const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    sockaddr_in to = {};
    to.sin_family = AF_INET;
    to.sin_port = htons(9);
    inet_pton(AF_INET, kHost4, &to.sin_addr);
    const std::string payload(bytes, 'x');
    for (int i = 0; i < count; ++i) {
      sendto(fd, payload.data(), bytes, 0, reinterpret_cast<sockaddr*>(&to), sizeof(to));
      if (i % 20 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    close(fd);
  }

  void UseAllServices() {
    for (const char* const host : {kHost4, kHost6}) Ping(host);
    for (const uint64_t bytes : {0U, 1U, 1460U, 65'536U, 3'000'000U}) Fetch(kHost4, bytes);
    Fetch("[fd00:99::2]", 300'000);
    Echo(SOCK_STREAM, 20'000);
    Echo(SOCK_DGRAM, 1200);
    if (!IsInstalled("iperf3")) return;
    EXPECT_GT(Iperf3({kHost4})["end"]["sum_received"]["bytes"], 1'000'000);
    EXPECT_GT(Iperf3({kHost6, "-R"})["end"]["sum_received"]["bytes"], 1'000'000);
    const nlohmann::json udp = Iperf3({kHost4, "-u", "-b", "10M"});
    EXPECT_GT(udp["end"]["sum"]["packets"], 500);
  }

  static inline std::string why_not_;
  fs::path folder_;
  pid_t live_ = -1;
};

TEST_F(LiveTest, ProgramsOfThisMachineAreServedAndARecordingIsTheSameRun) {
  const std::string recording = In("run.pcapng");
  ASSERT_NO_FATAL_FAILURE(GoLive({"--record", recording}));
  UseAllServices();
  const Said live = EndLive(SIGINT);
  EXPECT_EQ(live.code, 0) << live.text;
  ASSERT_NE(DigestIn(live.text), "");
  EXPECT_FALSE(fs::exists(recording + ".part"));
  for (const char* const fill : {"0", "165"}) {
    const Said replay = Run(Tapedeck({"replay", "--fill", fill, recording}));
    EXPECT_EQ(replay.code, 0) << replay.text;
    EXPECT_EQ(DigestIn(replay.text), DigestIn(live.text)) << replay.text;
    for (const char* const service : {"http=80", "echo=7", "iperf3=5201", "frames out"}) {
      EXPECT_EQ(LineWith(replay.text, service), LineWith(live.text, service));
    }
  }
}

TEST_F(LiveTest, TsharkShowsEveryFrameOfARecordingWithItsDirection) {
  if (!IsInstalled("tshark") || !IsInstalled("ping")) GTEST_SKIP() << "needs tshark and ping";
  const std::string recording = In("run.pcapng");
  ASSERT_NO_FATAL_FAILURE(GoLive({"--record", recording}));
  Ping(kHost4);
  const Said live = EndLive(SIGTERM);
  const Said replay = Run(Tapedeck({"replay", "--json", recording}));
  const nlohmann::json run = nlohmann::json::parse(replay.text);
  const Said frames = Run({"tshark", "-n", "-r", recording, "-T", "fields", "-e",
                           "frame.packet_flags_direction", "-e", "icmp.type"});
  const auto count = [&](const std::string& pattern) {
    const std::regex line(pattern);
    return std::distance(std::sregex_iterator(frames.text.begin(), frames.text.end(), line), {});
  };
  EXPECT_EQ(count("0x00000001\t"), run["frames_in"].get<int>()) << frames.text;
  EXPECT_EQ(count("0x00000002\t"), run["frames_out"].get<int>());
  EXPECT_EQ(count("0x00000001\t8\n"), 3);
  EXPECT_EQ(count("0x00000002\t0\n"), 3);
}

TEST_F(LiveTest, OneThatIsKilledLeavesARecordingThatReplays) {
  const std::string recording = In("run.pcapng");
  ASSERT_NO_FATAL_FAILURE(GoLive({"--record", recording}));
  Echo(SOCK_STREAM, 5000);
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  EndLive(SIGKILL);
  EXPECT_FALSE(fs::exists(recording));
  const Said replay = Run(Tapedeck({"replay", recording + ".part"}));
  EXPECT_EQ(replay.code, 0) << replay.text;
  EXPECT_THAT(replay.text, HasSubstr("cut short"));
  EXPECT_THAT(LineWith(replay.text, "echo=7"), HasSubstr("bytes in 5000  out 5000"));
}

// The disk is a tmpfs of four pages.
TEST_F(LiveTest, AFullDiskEndsTheRunAndWhatWasRecordedReplays) {
  fs::create_directories(In("full"));
  mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr);
  if (mount("tmpfs", In("full").c_str(), "tmpfs", 0, "size=16k") != 0) GTEST_SKIP() << "no tmpfs";
  const std::string recording = In("full/run.pcapng");
  ASSERT_NO_FATAL_FAILURE(GoLive({"--record", recording}));
  SendAway(60, 1'200);
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  const Said live = EndLive(SIGINT);
  EXPECT_EQ(live.code, 2) << live.text;
  EXPECT_THAT(live.text, HasSubstr("run.pcapng: cannot write: No space left on device"));
  EXPECT_FALSE(fs::exists(recording));
  const Said replay = Run(Tapedeck({"replay", recording + ".part"}));
  EXPECT_EQ(replay.code, 0) << replay.text;
  EXPECT_THAT(replay.text, HasSubstr("cut short"));
  umount(In("full").c_str());
}

// The replay waits for who reads its trace, and is in the middle of it when the signal comes.
TEST_F(LiveTest, AReplayThatIsInterruptedEndsWithItsSummary) {
  const std::string recording = In("run.pcapng");
  ASSERT_NO_FATAL_FAILURE(GoLive({"--record", recording}));
  SendAway(1'000, 100);
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  EXPECT_EQ(EndLive(SIGINT).code, 0);
  ASSERT_EQ(mkfifo(In("fifo").c_str(), 0600), 0);
  // Open before somebody writes: neither end waits for the other.
  const int fifo = open(In("fifo").c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  const pid_t replay = Start(Tapedeck({"replay", "-vvv", recording}), In("fifo"));
  fcntl(fifo, F_SETFL, 0);
  std::string text(1, '\0');
  ASSERT_EQ(read(fifo, text.data(), 1), 1);
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  kill(replay, SIGINT);
  char piece[4096];
  for (ssize_t got = 1; got > 0;
       text.append(piece, static_cast<size_t>(std::max<ssize_t>(got, 0)))) {
    got = read(fifo, piece, sizeof(piece));
  }
  close(fifo);
  EXPECT_EQ(ExitCode(replay), 130);
  EXPECT_THAT(text, HasSubstr("INTERRUPTED  digest "));
}

TEST_F(LiveTest, EndsAfterItsTimeAndTakesItsDeviceWithIt) {
  const auto began = std::chrono::steady_clock::now();
  const Said live = Run(Tapedeck({"live", "--tap", "td0", "--create", "--for", "0.3"}));
  EXPECT_EQ(live.code, 0) << live.text;
  EXPECT_THAT(live.text, HasSubstr("HELD  digest"));
  EXPECT_GT(std::chrono::steady_clock::now() - began, std::chrono::milliseconds(299));
  EXPECT_FALSE(fs::exists("/sys/class/net/td0"));
}

TEST_F(LiveTest, ErrorsSayWhatToDo) {
  const auto said = [&](Words words) {
    words.insert(words.begin(), "live");
    const Said live = Run(Tapedeck(words));
    EXPECT_EQ(live.code, 2) << live.text;
    return live.text;
  };
  EXPECT_THAT(said({"--tap", "td7"}), HasSubstr("td7: no such device; --create makes it"));
  EXPECT_THAT(said({"--tap", "lo", "--create"}), HasSubstr("it is no plain TAP device"));
  EXPECT_THAT(said({"--tap", "a/b", "--create"}), HasSubstr("1 to 15 characters"));
  EXPECT_THAT(said({"--tap", "td0", "--serve", "ftp"}), HasSubstr("no application is called"));
  EXPECT_THAT(said({"--tap", "td0", "--address", "x"}), HasSubstr("--address x: expected"));
  EXPECT_THAT(said({"--tap", "td0", "--netns", "none-such"}), HasSubstr("ip netns add none-such"));
  EXPECT_THAT(said({"--tap", "td0", "--create", "--record", "/no/such/folder/f"}),
              HasSubstr("/no/such/folder/f.part: cannot create"));
  ASSERT_NO_FATAL_FAILURE(GoLive({}));
  EXPECT_THAT(said({"--tap", "td0"}), HasSubstr("td0: busy, another program is attached to it"));
  EXPECT_EQ(EndLive(SIGTERM).code, 0);
}

}  // namespace
