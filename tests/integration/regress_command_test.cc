// `tapedeck regress` as a user runs it: messages, exit codes, updates, crashes, interruption.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

namespace tapedeck {
namespace {

namespace fs = std::filesystem;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr const char* kEcho = R"(// An echo.
0    socket(..., SOCK_DGRAM, IPPROTO_UDP) = 3
+0   bind(3, ..., ...) = 0
+0   < udp (100)
+0   recvfrom(3, ..., 1000, 0, ..., ...) = 100
)";

struct Result {
  int exit_code = -1;
  std::string out;  // both streams
};

fs::path Program() {
  return fs::read_symlink("/proc/self/exe").parent_path() / "../../bin/tapedeck";
}

// A command under way, in a process group of its own.
class Command {
 public:
  Command(const fs::path& folder, const std::string& arguments) {
    int ends[2];
    EXPECT_EQ(pipe(ends), 0);
    const std::string line =
        "exec " + Program().lexically_normal().string() + " regress " + arguments;
    pid_ = fork();
    if (pid_ == 0) {
      setpgid(0, 0);
      dup2(ends[1], STDOUT_FILENO);
      dup2(ends[1], STDERR_FILENO);
      close(ends[0]);
      close(ends[1]);
      if (chdir(folder.c_str()) == 0) execl("/bin/sh", "sh", "-c", line.c_str(), nullptr);
      _exit(127);
    }
    setpgid(pid_, pid_);
    close(ends[1]);
    out_ = ends[0];
  }
  ~Command() { close(out_); }
  Command(const Command&) = delete;
  Command& operator=(const Command&) = delete;

  pid_t pid() const { return pid_; }

  // Its workers, as soon as there are `count` of them.
  std::vector<pid_t> Workers(size_t count) const {
    const std::string path =
        "/proc/" + std::to_string(pid_) + "/task/" + std::to_string(pid_) + "/children";
    std::vector<pid_t> pids;
    for (int i = 0; i < 500 && pids.size() < count; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
      std::ifstream file(path);
      pids.assign(std::istream_iterator<pid_t>(file), {});
    }
    return pids;
  }

  Result Wait() {
    Result result;
    char buffer[4096];
    for (ssize_t n = 0; (n = read(out_, buffer, sizeof(buffer))) > 0;) {
      result.out.append(buffer, static_cast<size_t>(n));
    }
    int status = 0;
    waitpid(pid_, &status, 0);
    result.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return result;
  }

 private:
  pid_t pid_ = -1;
  int out_ = -1;
};

class RegressCommand : public testing::Test {
 protected:
  void SetUp() override {
    if (!fs::exists(Program())) GTEST_SKIP() << "there is no " << Program();
    folder_ = testing::TempDir() + "regress_command";
    fs::remove_all(folder_);
    fs::create_directories(folder_);
    Write("echo.pkt", kEcho);
  }
  void Write(const std::string& name, const std::string& text) const {
    std::ofstream(folder_ / name) << text;
  }
  std::string Read(const std::string& name) const {
    std::ifstream file(folder_ / name);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  Result Regress(const std::string& arguments) const { return Command(folder_, arguments).Wait(); }
  // Two cases with goldens; then one of them does something else.
  void MakeSuiteWithADifference() const {
    Write("other.pkt", kEcho);
    ASSERT_EQ(Regress("--update --reason 'first run'").exit_code, 0);
    std::string changed = kEcho;
    changed.replace(changed.find("(100)"), 5, "(200)");
    changed.replace(changed.find("= 100"), 5, "= 200");
    Write("echo.pkt", changed);
  }
  fs::path folder_;
};

TEST_F(RegressCommand, BareCasesAreNewAndJudgedByTheirOwnVerdict) {
  fs::copy("corpus/captures/ping4-b.pcap", folder_ / "ping.pcap");
  const Result result = Regress("");
  EXPECT_EQ(result.exit_code, 0) << result.out;
  EXPECT_THAT(result.out, HasSubstr("new     echo.pkt "));
  EXPECT_THAT(result.out, HasSubstr("new     ping.pcap "));
  EXPECT_THAT(result.out, HasSubstr("tapedeck regress --update --reason 'first run'\n"));
  EXPECT_THAT(result.out, EndsWith("0 passed, 0 failed, 2 new, 0 skipped\n"));
  EXPECT_EQ(Regress("--strict").exit_code, 1);
}

TEST_F(RegressCommand, GoldensArePassedAndKeepTheirReason) {
  EXPECT_THAT(Regress("--update --reason 'first run'").out, HasSubstr("updated echo.pkt"));
  EXPECT_THAT(Read("echo.pkt.golden"), StartsWith("tapedeck golden 1\n"));
  EXPECT_THAT(Read("echo.pkt.golden"), HasSubstr("\nreason first run\n"));
  const Result again = Regress("");
  EXPECT_EQ(again.exit_code, 0);
  EXPECT_THAT(again.out, EndsWith("1 passed, 0 failed, 0 new, 0 skipped\n"));
}

TEST_F(RegressCommand, AnUpdateWithoutAReasonIsRefused) {
  const Result result = Regress("--update");
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.out, StartsWith("tapedeck regress: --update needs --reason TEXT"));
  EXPECT_FALSE(fs::exists(folder_ / "echo.pkt.golden"));
}

TEST_F(RegressCommand, ADifferenceIsToldWithFrameTimeAndColumns) {
  MakeSuiteWithADifference();
  const Result result = Regress("");
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.out, HasSubstr("failed  echo.pkt"));
  EXPECT_THAT(result.out, HasSubstr("first difference at frame 1, at 10.000000000 s: "));
  EXPECT_THAT(result.out, HasSubstr("`length 100"));
  EXPECT_THAT(result.out, HasSubstr("is now `length 200"));
  EXPECT_THAT(result.out, HasSubstr("the case itself has changed since"));
  EXPECT_THAT(result.out, EndsWith("1 passed, 1 failed, 0 new, 0 skipped\n"));
  EXPECT_THAT(Regress("--diff").out, HasSubstr("\n--- echo.pkt.golden\n+++ echo.pkt.golden\n@@ "));
}

TEST_F(RegressCommand, AnUpdateShowsTheDifferenceAndLeavesOtherGoldensAlone) {
  MakeSuiteWithADifference();
  const std::string other = Read("other.pkt.golden");
  const Result result = Regress("--update --reason 'longer datagrams'");
  EXPECT_EQ(result.exit_code, 0) << result.out;
  EXPECT_THAT(result.out, HasSubstr("+reason longer datagrams\n"));
  EXPECT_THAT(result.out, HasSubstr("1 goldens written"));
  EXPECT_THAT(Read("echo.pkt.golden"), HasSubstr("\nreason first run\nreason longer datagrams\n"));
  EXPECT_EQ(Read("other.pkt.golden"), other);
  EXPECT_EQ(Regress("").exit_code, 0);
}

TEST_F(RegressCommand, AScriptThatFailsMakesNoGolden) {
  std::string wrong = kEcho;
  wrong.replace(wrong.find("= 100"), 5, "= 101");
  Write("echo.pkt", wrong);
  const Result result = Regress("--update --reason x");
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.out, HasSubstr("echo.pkt:5: system call: the result differs"));
  EXPECT_FALSE(fs::exists(folder_ / "echo.pkt.golden"));
}

TEST_F(RegressCommand, GoldensGoIntoTheFolderOfGoldens) {
  fs::create_directories(folder_ / "goldens");
  EXPECT_EQ(Regress("--update --reason x").exit_code, 0);
  EXPECT_TRUE(fs::exists(folder_ / "goldens/echo.pkt.golden"));
  EXPECT_THAT(Regress("echo.pkt").out, HasSubstr("1 passed"));
}

TEST_F(RegressCommand, ACaseMaySayThatItIsSkipped) {
  Write("echo.pkt.toml", "skip = \"needs a tide table\"\n");
  const Result result = Regress("");
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_THAT(result.out, HasSubstr("skipped echo.pkt\n    needs a tide table\n"));
  Write("echo.pkt.toml", "\nskipp = \"x\"\n");
  EXPECT_THAT(Regress("").out, HasSubstr("echo.pkt.toml:2: there is no key `skipp`"));
}

TEST_F(RegressCommand, ADamagedGoldenIsToldWithItsLine) {
  Write("echo.pkt.golden", "tapedeck golden 1\nnonsense\n");
  const Result result = Regress("");
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.out, HasSubstr("echo.pkt.golden:2: expected `input ...` of a golden"));
}

TEST_F(RegressCommand, ACaseWithoutAnEndFails) {
  const Result result = Regress("--timeout 3");
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.out, HasSubstr("no end after 3 events"));
}

TEST_F(RegressCommand, WhatCannotBePlayedFailsAndSaysWhy) {
  Write("broken.pcap", "this is no capture");
  const Result result = Regress("");
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.out, HasSubstr("failed  broken.pcap\n    broken.pcap"));
  EXPECT_THAT(result.out, EndsWith("0 passed, 1 failed, 1 new, 0 skipped\n"));
}

TEST_F(RegressCommand, WrongArgumentsAreToldWithExitCode2) {
  EXPECT_THAT(Regress("nowhere").out, HasSubstr("nowhere: no such file or folder"));
  EXPECT_EQ(Regress("nowhere").exit_code, 2);
  EXPECT_THAT(Regress("--shard 3/2").out, HasSubstr("expected I/N with I from 1 to N"));
  EXPECT_EQ(Regress("--shard 3/2").exit_code, 2);
  EXPECT_THAT(Regress("--filter '*.pcap'").out, HasSubstr("no case has such a name"));
}

TEST_F(RegressCommand, ShardsAndFiltersChoose) {
  for (int i = 0; i < 8; ++i) Write("case" + std::to_string(i) + ".pkt", kEcho);
  std::string all;
  for (const char* shard : {"1/3", "2/3", "3/3"}) {
    all += Regress(std::string("--list --shard ") + shard).out;
  }
  EXPECT_EQ(all.size(), Regress("--list").out.size());
  EXPECT_EQ(Regress("--list --filter 'case[12]*'").out, "case1.pkt\ncase2.pkt\n");
}

TEST_F(RegressCommand, JunitIsXmlAndTheSameEachTime) {
  MakeSuiteWithADifference();
  Write("x.pkt.toml", "skip = 'why & wherefore'");
  Write("x.pkt", kEcho);
  EXPECT_EQ(Regress("--junit a.xml").exit_code, 1);
  EXPECT_EQ(Regress("--junit b.xml -j1").exit_code, 1);
  EXPECT_EQ(Read("a.xml"), Read("b.xml"));
  if (std::system("python3 -c pass") != 0) GTEST_SKIP() << "no python3 to parse XML with";
  const std::string parse =
      "python3 -c \"import sys, xml.etree.ElementTree as t; s = t.parse(sys.argv[1]).getroot()[0]; "
      "print(s.get('tests'), s.get('failures'), s.get('skipped'), len(s), "
      "s[0].find('failure') is not None, s[2].find('skipped').get('message'))\" " +
      (folder_ / "a.xml").string() + " > " + (folder_ / "parsed").string();
  ASSERT_EQ(std::system(parse.c_str()), 0);
  EXPECT_EQ(Read("parsed"), "3 1 1 3 True why & wherefore\n");
}

TEST_F(RegressCommand, JsonIsOneObjectALine) {
  const Result result = Regress("--json");
  EXPECT_THAT(result.out, StartsWith("{\"case\":\"echo.pkt\",\"verdict\":\"new\","));
  EXPECT_THAT(result.out, EndsWith("{\"passed\":0,\"failed\":0,\"new\":1,\"skipped\":0}\n"));
}

// A case that nobody feeds: its worker waits for ever.
TEST_F(RegressCommand, ACrashIsTheFailureOfItsCaseAlone) {
  ASSERT_EQ(mkfifo((folder_ / "mute.pcap").c_str(), 0600), 0);
  Command command(folder_, "-j1 echo.pkt mute.pcap echo.pkt");
  const std::vector<pid_t> workers = command.Workers(1);
  ASSERT_EQ(workers.size(), 1U);
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  kill(workers[0], SIGKILL);  // which no sanitizer's handler turns into an exit code
  const Result result = command.Wait();
  EXPECT_EQ(result.exit_code, 1) << result.out;
  EXPECT_THAT(result.out, HasSubstr("failed  mute.pcap\n    it crashed: Killed"));
  EXPECT_THAT(result.out, EndsWith("0 passed, 1 failed, 2 new, 0 skipped\n"));
}

TEST_F(RegressCommand, AnInterruptedUpdateLeavesNothingHalfWritten) {
  ASSERT_EQ(mkfifo((folder_ / "mute.pcap").c_str(), 0600), 0);
  Command command(folder_, "-j1 --update --reason x echo.pkt mute.pcap");
  ASSERT_EQ(command.Workers(1).size(), 1U);
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  kill(-command.pid(), SIGINT);
  const Result result = command.Wait();
  EXPECT_EQ(result.exit_code, 130) << result.out;
  EXPECT_THAT(result.out, HasSubstr("interrupted after 1 of 2 cases"));
  EXPECT_THAT(Read("echo.pkt.golden"), HasSubstr("\nend "));
  for (const fs::directory_entry& entry : fs::directory_iterator(folder_)) {
    EXPECT_THAT(entry.path().filename().string(), Not(StartsWith(".tapedeck")));
  }
}

}  // namespace
}  // namespace tapedeck
