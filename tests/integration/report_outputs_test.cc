// What is drawn of a run: ladder, graphs, timeline and page of a transfer over a lossy link, each
// read back by somebody else's reader where one is installed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "replay/report/chrome_trace.h"
#include "replay/report/html_report.h"
#include "replay/report/ladder.h"
#include "replay/report/run_log.h"
#include "replay/report/xplot.h"
#include "replay/trace/capture_output.h"
#include "stack/wire/tcp.h"
#include "tcp_lab.h"

namespace tapedeck::report {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::Not;

bool Installed(const std::string& program) {
  return std::system(("command -v " + program + " >/dev/null 2>&1").c_str()) == 0;  // NOLINT
}

std::string Output(const std::string& command) {
  std::string text;
  std::FILE* const pipe = popen(command.c_str(), "r");  // NOLINT(cert-env33-c): a test's own
  if (pipe == nullptr) return text;
  std::array<char, 4096> piece;
  for (size_t n = 0; (n = std::fread(piece.data(), 1, piece.size(), pipe)) != 0;) {
    text.append(piece.data(), n);
  }
  pclose(pipe);
  return text;
}

void WriteFile(const fs::path& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

std::string ReadFile(const fs::path& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

// 60 kB one way over a link that loses one frame in 25.
class ReportOutputsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    directory_ =
        fs::path(::testing::TempDir()) /
        ("report_" + std::string(::testing::UnitTest::GetInstance()->current_test_info()->name()));
    fs::create_directories(directory_);
    log_ = Run(directory_ / "run.pcapng");
  }
  void TearDown() override { fs::remove_all(directory_); }

  static RunLog Run(const fs::path& capture) {
    LinkOptions link;
    link.delay = Duration::Milliseconds(5);
    link.loss_ppm = 40'000;
    TcpLab lab(TcpLabOptions(link));
    RunLog log;
    lab.lab().recorder().AddObserver(&log);
    lab.lab().recorder().ListenToDma(&log);
    CaptureOutput::Options options;
    options.hosts = 2;
    auto output = CaptureOutput::Create(capture.string(), options);
    EXPECT_TRUE(output.ok()) << output.status();
    lab.lab().recorder().AddObserver(&*output);
    AppPlan plan;
    plan.request_bytes = 60'000;
    lab.Serve(1);
    lab.Ask(0, plan, 1);
    EXPECT_TRUE(lab.RunClients());
    EXPECT_TRUE(lab.Shutdown());
    EXPECT_TRUE(output->Close().ok());
    log.Finish();
    return log;
  }

  static ReportInput Input() {
    ReportInput input;
    input.title = "a <b> & \"c\".pcapng";
    input.held = true;
    input.verdict = "held </script>";
    input.digest = "0123";
    input.command = "tapedeck replay a";
    input.figures = {{"frames", "12"}};
    input.guesses = {"a guess"};
    input.fidelity = {{"tcp 1", "A", "", ""}, {"tcp 2", "C", "loss", "frame 4"}};
    input.divergence = "captured | now";
    return input;
  }

  // The data that the page's script draws from.
  static json PageData(const std::string& page) {
    const std::string open = R"(<script type="application/json" id="data">)";
    const size_t begin = page.find(open) + open.size();
    return json::parse(page.substr(begin, page.find("</script>", begin) - begin));
  }

  const Flow& ClientFlow() const {
    const auto found = std::find_if(log_.flows().begin(), log_.flows().end(), [](const Flow& f) {
      return f.host == 0 && f.remote.port == be16(kTcpLabPort);
    });
    EXPECT_NE(found, log_.flows().end());
    return *found;
  }

  fs::path directory_;
  RunLog log_;
};

TEST_F(ReportOutputsTest, LadderBeginsWithTheHandshake) {
  const std::string ladder = LadderText(log_, ClientFlow(), 0, 4);
  std::istringstream lines(ladder);
  std::string line;
  std::getline(lines, line);
  EXPECT_THAT(line, HasSubstr("10.0.0.2:80"));
  std::getline(lines, line);
  EXPECT_THAT(line, HasSubstr("- S 0:0(0) win 64240 <mss 1460"));
  std::getline(lines, line);
  EXPECT_THAT(line, HasSubstr("<"));
  EXPECT_THAT(line, HasSubstr("- S. 0:0(0) ack 1 win "));
  std::getline(lines, line);
  EXPECT_THAT(line, HasSubstr(". 1:1(0) ack 1 win 64512"));  // scaled by 2^10
}

TEST_F(ReportOutputsTest, FlowCountsBytesAndWhatWasSentAgain) {
  const Flow& flow = ClientFlow();
  const uint64_t sent = flow.payload_bytes[0];
  EXPECT_GT(sent, 60'000U);  // with what was lost
  EXPECT_GT(flow.resent_frames[0], 0U);
  const uint64_t events = log_.count(TraceKind::kTcpRetransmit);
  EXPECT_LE(flow.resent_frames[0], events);
}

TEST_F(ReportOutputsTest, SameRunGivesTheSameBytes) {
  const RunLog again = Run(directory_ / "again.pcapng");
  EXPECT_EQ(LadderText(log_, 1000), LadderText(again, 1000));
  EXPECT_EQ(ChromeTraceJson(log_), ChromeTraceJson(again));
  EXPECT_EQ(HtmlReport(Input(), log_), HtmlReport(Input(), again));
  EXPECT_EQ(ReadFile(directory_ / "run.pcapng"), ReadFile(directory_ / "again.pcapng"));
}

TEST_F(ReportOutputsTest, BeyondItsLimitsALogOnlyCounts) {
  RunLog small({.frames = 2, .events = 3});
  FrameLedger ledger;
  TraceEvent event;
  for (uint64_t i = 1; i <= 5; ++i) {
    event.kind = TraceKind::kWireRx;
    event.args[0] = i;
    small.Observe(2 * i, event, ledger);
    event.kind = TraceKind::kInterrupt;
    small.Observe(2 * i + 1, event, ledger);
  }
  EXPECT_EQ(small.frames().size(), 2U);
  EXPECT_EQ(small.frames_left_out(), 3U);
  EXPECT_EQ(small.events().size(), 3U);
  EXPECT_EQ(small.events_left_out(), 2U);
  EXPECT_THAT(HtmlReport(Input(), small), HasSubstr("3 frames and 2 other events are not in"));
}

// --- Timeline ---

TEST_F(ReportOutputsTest, TimelineIsJsonWithNamedTracksAndArrowsThatEnd) {
  const json timeline = json::parse(ChromeTraceJson(log_));
  std::set<std::pair<int, int>> named;
  std::map<std::string, int> arrows;
  std::set<std::string> names;
  for (const json& entry : timeline["traceEvents"]) {
    const std::string phase = entry["ph"];
    if (phase == "M" && entry["name"] == "thread_name") {
      named.emplace(entry["pid"].get<int>(), entry["tid"].get<int>());
      names.insert(entry["args"]["name"]);
    }
    if (phase == "s") ++arrows[entry["id"]];
    if (phase == "f") --arrows[entry["id"]];
    if (phase == "X") {
      EXPECT_GE(entry["dur"].get<double>(), 0.0);
    }
  }
  for (const json& entry : timeline["traceEvents"]) {
    const std::string phase = entry["ph"];
    if (phase == "M" || phase == "C") continue;
    EXPECT_TRUE(named.contains({entry["pid"].get<int>(), entry["tid"].get<int>()})) << entry;
  }
  for (const auto& [id, open] : arrows) EXPECT_LE(open, 0) << "arrow " << id << " does not end";
  EXPECT_THAT(
      names, ::testing::IsSupersetOf({"wire in", "wire out", "DMA to the host", "DMA from the host",
                                      "CPU 0 hardirq", "CPU 0 softirq", "CPU 0 timers", "sockets",
                                      "system calls, thread 1"}));
}

// Bars of a track do not overlap: viewers would nest them.
TEST_F(ReportOutputsTest, TransfersLieBesideEachOther) {
  const json timeline = json::parse(ChromeTraceJson(log_));
  std::map<std::pair<int, int>, std::string> names;
  for (const json& entry : timeline["traceEvents"]) {
    if (entry["ph"] == "M" && entry["name"] == "thread_name") {
      names[{entry["pid"], entry["tid"]}] = entry["args"]["name"];
    }
  }
  std::map<std::pair<int, int>, double> ends;
  std::map<std::string, int> bars;
  for (const json& entry : timeline["traceEvents"]) {
    const std::pair<int, int> track{entry["pid"], entry["tid"]};
    if (entry["ph"] != "X" || !names[track].starts_with("DMA")) continue;
    ++bars[entry["name"]];
    constexpr double kRounding = 1e-5;
    EXPECT_GE(entry["ts"].get<double>(), ends[track] - kRounding) << entry;
    ends[track] = entry["ts"].get<double>() + entry["dur"].get<double>();
  }
  for (const char* const kind : {"fetch receive descriptors", "write frame and descriptor",
                                 "fetch transmit descriptors", "read frame", "message"}) {
    EXPECT_GT(bars[kind], 0) << kind;
  }
}

// A frame is in host memory after its last bit, and before anybody has it.
TEST_F(ReportOutputsTest, FramesAreWrittenBetweenWireAndDelivery) {
  std::map<std::pair<int, uint32_t>, const LoggedFrame*> received;
  for (const LoggedFrame& frame : log_.frames()) {
    if (frame.received) received[{frame.host, frame.frame_id}] = &frame;
  }
  size_t written = 0;
  for (const DmaTransfer& transfer : log_.transfers()) {
    if (transfer.kind != DmaKind::kRxWrite) continue;
    const auto found = received.find({transfer.host, transfer.frame_id});
    ASSERT_NE(found, received.end());
    const LoggedFrame& frame = *found->second;
    EXPECT_GE(transfer.from, frame.time);
    if (frame.fate != FrameLedger::Fate::kQueued) {
      EXPECT_LE(transfer.to, frame.settled);
    }
    ++written;
  }
  EXPECT_GE(written, received.size());
}

TEST_F(ReportOutputsTest, ListeningToDmaChangesNoDigest) {
  std::string digests[2];
  for (const bool listens : {false, true}) {
    TcpLab lab(TcpLabOptions(LinkOptions()));
    RunLog log;
    if (listens) lab.lab().recorder().ListenToDma(&log);
    AppPlan plan;
    plan.request_bytes = 20'000;
    lab.Serve(1);
    lab.Ask(0, plan, 1);
    EXPECT_TRUE(lab.RunClients());
    EXPECT_EQ(!log.transfers().empty(), listens);
    digests[listens ? 1 : 0] = lab.lab().recorder().digest().ToString();
  }
  EXPECT_EQ(digests[0], digests[1]);
}

// --- xplot ---

// Segments of a graph: vertical lines in the colours of data, from the lowest number on.
std::multiset<std::pair<int64_t, int64_t>> Segments(const std::string& graph) {
  static const std::set<std::string> kData = {"white", "red", "orange"};
  static const std::set<std::string> kColors = {"white", "red",    "orange",  "green", "yellow",
                                                "blue",  "purple", "magenta", "pink"};
  std::multiset<std::pair<int64_t, int64_t>> found;
  std::istringstream lines(graph);
  std::string color;
  int64_t lowest = INT64_MAX;
  for (std::string line; std::getline(lines, line);) {
    if (kColors.contains(line)) color = line;
    std::istringstream words(line);
    std::string word;
    std::string from;
    std::string to;
    int64_t first = 0;
    int64_t end = 0;
    words >> word >> from >> first >> to >> end;
    if (word != "line" || from != to || !kData.contains(color)) continue;
    found.insert({first, end});
    lowest = std::min(lowest, first);
  }
  std::multiset<std::pair<int64_t, int64_t>> relative;
  for (const auto& [first, end] : found) relative.insert({first - lowest, end - lowest});
  return relative;
}

TEST_F(ReportOutputsTest, GraphHasTheSegmentsThatTcptraceSees) {
  if (!Installed("tcptrace") || !Installed("tshark")) {
    GTEST_SKIP() << "skipped: tcptrace or tshark is not installed";
  }
  const std::string at = "cd " + directory_.string() + " && ";
  Output(at + "tshark -r run.pcapng -Y 'frame.interface_id == 0' -F pcap -w host0.pcap 2>&1");
  Output(at + "tcptrace -S host0.pcap 2>&1");
  const auto theirs = Segments(ReadFile(directory_ / "a2b_tsg.xpl"));
  ASSERT_FALSE(theirs.empty());
  EXPECT_THAT(Segments(XplotText(log_, ClientFlow(), 0)), ::testing::ContainerEq(theirs));
}

// --- Page ---

TEST_F(ReportOutputsTest, PageEscapesTextAndHoldsItsData) {
  const std::string page = HtmlReport(Input(), log_);
  EXPECT_THAT(page, HasSubstr("a &lt;b&gt; &amp; &quot;c&quot;.pcapng"));
  EXPECT_THAT(page, HasSubstr("held &lt;/script&gt;"));
  EXPECT_THAT(page, Not(HasSubstr("http://www.w3.org/1999")));
  EXPECT_THAT(page, Not(HasSubstr("src=")));
  EXPECT_THAT(page, Not(HasSubstr("href=\"http")));
  const json data = PageData(page);
  EXPECT_EQ(data["flows"].size(), log_.flows().size());
  EXPECT_GT(data["flows"][0]["sides"][0]["segments"].size(), 40U);
  for (const json& line : data["timelines"]) {
    for (const json& point : line["points"]) {
      EXPECT_TRUE(point[0].is_number() && point[1].is_number()) << point;
    }
  }
}

// What the page must be able to do, done to it in a browser; the answers become attributes.
constexpr char kProbe[] = R"(<script>
addEventListener('error', (e) => document.body.setAttribute('data-error', e.message));
const probe = (name, value) => document.body.setAttribute('data-' + name, value);
probe('ready', document.documentElement.dataset.ready);
probe('segments', document.querySelectorAll('path.segments').length);
probe('bars', document.querySelectorAll('path.bars').length);
const before = document.querySelector('#sequence-0 path.segments').getAttribute('d').length;
const box = document.querySelector('#sequence-0 svg').getBoundingClientRect();
const at = (type, share) => document.querySelector('#sequence-0 svg').dispatchEvent(new PointerEvent(type,
  {clientX: box.left + box.width * share, clientY: box.top + 50, pointerId: 1, bubbles: true}));
SVGElement.prototype.setPointerCapture = () => {};
at('pointerdown', 0.3); at('pointermove', 0.5); at('pointerup', 0.5);
const zoomed = document.querySelector('#sequence-0 path.segments');
probe('zoomed', zoomed === null || zoomed.getAttribute('d').length < before);
const head = document.querySelector('#fidelity th:nth-child(2)');
head.click(); head.click();
probe('sorted', document.querySelector('#fidelity tbody tr td:nth-child(2)').textContent);
const theme = document.documentElement.dataset.theme;
const ground = getComputedStyle(document.body).backgroundColor;
document.getElementById('theme').click();
probe('theme', theme !== document.documentElement.dataset.theme &&
  ground !== getComputedStyle(document.body).backgroundColor);
document.querySelectorAll('tr[data-flow]')[1].click();
probe('flow', document.querySelector('#flow-plots h2').textContent ===
  document.querySelectorAll('tr[data-flow]')[1].cells[0].textContent);
</script>)";

TEST_F(ReportOutputsTest, PageWorksInChromium) {
  if (!Installed("chromium")) GTEST_SKIP() << "skipped: chromium is not installed";
  std::string page = HtmlReport(Input(), log_);
  page.insert(page.find("</body>"), kProbe);
  WriteFile(directory_ / "page.html", page);
  const std::string profile = (directory_ / "profile").string();
  const std::string dom = Output(
      "HOME=" + profile + " timeout 60 chromium --headless --no-sandbox --disable-gpu " +
      "--disable-dev-shm-usage --host-resolver-rules='MAP * ~NOTFOUND' --user-data-dir=" + profile +
      " --enable-logging=stderr --dump-dom file://" + (directory_ / "page.html").string() + " 2>" +
      (directory_ / "errors").string());
  const size_t body = dom.find("<body");
  ASSERT_NE(body, std::string::npos) << ReadFile(directory_ / "errors");
  const std::string probes = dom.substr(body, dom.find('>', body) - body);
  EXPECT_THAT(probes, HasSubstr("data-ready=\"yes\""));
  EXPECT_THAT(probes, Not(HasSubstr("data-segments=\"0\"")));
  EXPECT_THAT(probes, HasSubstr("data-bars=\"4\""));
  EXPECT_THAT(probes, HasSubstr("data-zoomed=\"true\""));
  EXPECT_THAT(probes, HasSubstr("data-sorted=\"C\""));
  EXPECT_THAT(probes, HasSubstr("data-theme=\"true\""));
  EXPECT_THAT(probes, HasSubstr("data-flow=\"true\""));
  EXPECT_THAT(probes, Not(HasSubstr("data-error")));
  std::istringstream errors(ReadFile(directory_ / "errors"));
  for (std::string line; std::getline(errors, line);) EXPECT_THAT(line, Not(HasSubstr("CONSOLE")));
}

}  // namespace
}  // namespace tapedeck::report
