// Settings as text. The expectations of the tables were seen on Linux 6.18 (a new network
// namespace, HZ=250), written with one write(2) each; the setting is named where it was tried.
#include "stack/kernel/sysctl.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <cstring>
#include <deque>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace tapedeck {
namespace {

class SysctlTest : public testing::Test {
 protected:
  std::string Read(std::string_view path) {
    std::string text;
    EXPECT_EQ(tree_.Read(path, &text), 0);
    return text;
  }
  // What `list` lists is there as long as the test.
  using Lister = std::function<void(SysctlFiles& files)>;
  void Add(Lister list) {
    owners_.push_back(std::move(list));
    tree_.AddOwner([](SysctlFiles& files, void* owner) { (*static_cast<Lister*>(owner))(files); },
                   &owners_.back());
  }
  std::deque<Lister> owners_;
  Arena arena_;
  SysctlTree& tree_ = *arena_.New<SysctlTree>(arena_, 250U);
};

struct WriteCase {
  std::string_view text;
  int result;
  const char* after;  // what the file reads then
};

using std::literals::operator""sv;

// net/ipv4/ip_forward: proc_dointvec over any int.
TEST_F(SysctlTest, AnIntIsWrittenAsLinuxDoes) {
  int32_t value = 0;
  Add([&](SysctlFiles& files) { files.AddInt("net/ipv4/ip_forward", &value); });
  for (const WriteCase& c : {WriteCase{"1\n"sv, 0, "1\n"},
                             {"0 1\n"sv, 0, "0\n"},
                             {"5"sv, 0, "5\n"},
                             {"x"sv, -EINVAL, "5\n"},
                             {""sv, 0, "5\n"},
                             {" \n"sv, -EINVAL, "5\n"},
                             {"-1"sv, 0, "-1\n"},
                             {"0x10"sv, 0, "16\n"},
                             {"010"sv, 0, "8\n"},
                             {"08"sv, -EINVAL, "8\n"},
                             {"0x"sv, -EINVAL, "8\n"},
                             {"1\0"sv, -EINVAL, "8\n"},
                             {"1a"sv, -EINVAL, "8\n"},
                             {"2147483648"sv, -EINVAL, "8\n"},
                             {"-2147483648"sv, 0, "-2147483648\n"},
                             {"-2147483649"sv, -EINVAL, "-2147483648\n"},
                             {" 7 \r\n"sv, 0, "7\n"},
                             {"7\r"sv, -EINVAL, "7\n"},
                             {"3 x"sv, 0, "3\n"},
                             {"+3"sv, -EINVAL, "3\n"},
                             {"000000000000000000004"sv, -EINVAL, "3\n"},
                             {"00000000000000000004"sv, 0, "4\n"},
                             {"99999999999999999999"sv, -EINVAL, "4\n"},
                             {"-"sv, -EINVAL, "4\n"}}) {
    EXPECT_EQ(tree_.Write("net/ipv4/ip_forward", c.text), c.result) << c.text;
    EXPECT_EQ(Read("net/ipv4/ip_forward"), c.after) << c.text;
  }
}

// net/ipv4/tcp_rmem: three ints of at least 1, stored one by one.
TEST_F(SysctlTest, AVectorIsWrittenAsLinuxDoes) {
  int32_t rmem[3] = {4096, 131072, 33554432};
  Add([&](SysctlFiles& files) { files.AddInt("net/ipv4/tcp_rmem", rmem, 1, INT32_MAX, 3); });
  for (const WriteCase& c : {WriteCase{"4096 131072 6291456\n"sv, 0, "4096\t131072\t6291456\n"},
                             {"5000"sv, 0, "5000\t131072\t6291456\n"},
                             {"4097 x"sv, -EINVAL, "4097\t131072\t6291456\n"},
                             {"4098 0 1"sv, -EINVAL, "4098\t131072\t6291456\n"},
                             {"1 2 3 4"sv, 0, "1\t2\t3\n"}}) {
    EXPECT_EQ(tree_.Write("net/ipv4/tcp_rmem", c.text), c.result) << c.text;
    EXPECT_EQ(Read("net/ipv4/tcp_rmem"), c.after) << c.text;
  }
}

// net/ipv4/tcp_syn_retries: 1 to 127.
TEST_F(SysctlTest, RangesAreKept) {
  int32_t value = 6;
  Add([&](SysctlFiles& files) { files.AddInt("net/ipv4/tcp_syn_retries", &value, 1, 127); });
  for (const char* const text : {"0", "128", "300", "-5"}) {
    EXPECT_EQ(tree_.Write("net/ipv4/tcp_syn_retries", text), -EINVAL) << text;
    EXPECT_EQ(value, 6);
  }
  EXPECT_EQ(tree_.Write("net/ipv4/tcp_syn_retries", "127"), 0);
  EXPECT_EQ(value, 127);
}

// net/ipv4/tcp_keepalive_time: seconds in the file, jiffies behind it.
TEST_F(SysctlTest, SecondsBecomeJiffies) {
  int32_t value = 7200 * 250;
  Add([&](SysctlFiles& files) { files.AddJiffies("net/ipv4/tcp_keepalive_time", &value); });
  for (const WriteCase& c : {WriteCase{"7000"sv, 0, "7000\n"},
                             {"-1"sv, 0, "-1\n"},
                             {"2147483"sv, 0, "2147483\n"},
                             {"99999999"sv, -EINVAL, "2147483\n"}}) {
    EXPECT_EQ(tree_.Write("net/ipv4/tcp_keepalive_time", c.text), c.result) << c.text;
    EXPECT_EQ(Read("net/ipv4/tcp_keepalive_time"), c.after) << c.text;
  }
  EXPECT_EQ(value, 2147483 * 250);
}

// net/ipv4/icmp_ratelimit: milliseconds in the file, rounded up to jiffies.
TEST_F(SysctlTest, MillisecondsBecomeJiffies) {
  int32_t value = 250;
  Add([&](SysctlFiles& files) { files.AddMsJiffies("net/ipv4/icmp_ratelimit", &value); });
  EXPECT_EQ(Read("net/ipv4/icmp_ratelimit"), "1000\n");
  EXPECT_EQ(tree_.Write("net/ipv4/icmp_ratelimit", "1001"), 0);
  EXPECT_EQ(Read("net/ipv4/icmp_ratelimit"), "1004\n");
  EXPECT_EQ(tree_.Write("net/ipv4/icmp_ratelimit", "-4"), -EINVAL);
  EXPECT_EQ(Read("net/ipv4/icmp_ratelimit"), "1004\n");
}

// net/ipv4/fib_multipath_hash_fields (1 to 4095): proc_douintvec_minmax, which knows no minus, not
// even for nothing.
TEST_F(SysctlTest, AnUnsignedIsWrittenAsLinuxDoes) {
  uint32_t value = 7;
  Add([&](SysctlFiles& files) {
    files.AddUnsigned("net/ipv4/fib_multipath_hash_fields", &value, 1, 4095);
  });
  for (const WriteCase& c : {WriteCase{"-1"sv, -EINVAL, "7\n"},
                             {"-0"sv, -EINVAL, "7\n"},
                             {"4096"sv, -EINVAL, "7\n"},
                             {"8 9"sv, 0, "8\n"}}) {
    EXPECT_EQ(tree_.Write("net/ipv4/fib_multipath_hash_fields", c.text), c.result) << c.text;
    EXPECT_EQ(Read("net/ipv4/fib_multipath_hash_fields"), c.after) << c.text;
  }
  uint32_t any = 0;
  Add([&](SysctlFiles& files) { files.AddUnsigned("any", &any); });
  EXPECT_EQ(tree_.Write("any", "4294967295"), 0);
  EXPECT_EQ(Read("any"), "4294967295\n");
  EXPECT_EQ(tree_.Write("any", "4294967296"), -EINVAL);
}

// kernel/hostname: proc_dostring ends at the first newline or NUL and cuts what is too long.
TEST_F(SysctlTest, AStringIsWrittenAsLinuxDoes) {
  char value[8] = "vm";
  Add([&](SysctlFiles& files) { files.AddString("kernel/hostname", value, sizeof(value)); });
  for (const WriteCase& c : {WriteCase{"abc\ndef"sv, 0, "abc\n"},
                             {"x\0y"sv, 0, "x\n"},
                             {"0123456789"sv, 0, "0123456\n"},
                             {"\n"sv, 0, "\n"}}) {
    EXPECT_EQ(tree_.Write("kernel/hostname", c.text), c.result) << c.text;
    EXPECT_EQ(Read("kernel/hostname"), c.after) << c.text;
  }
}

TEST_F(SysctlTest, PathsAreSpelledAsSysctl8Does) {
  int32_t value = 3;
  Add([&](SysctlFiles& files) { files.AddInt("net/ipv4/conf/eth0.5/forwarding", &value); });
  for (const char* const path :
       {"net/ipv4/conf/eth0.5/forwarding", "/proc/sys/net/ipv4/conf/eth0.5/forwarding",
        "net.ipv4.conf.eth0/5.forwarding"}) {
    EXPECT_EQ(Read(path), "3\n") << path;
  }
  std::string text;
  for (const char* const path :
       {"", "net", "net/ipv4/conf/eth0.5", "net/ipv4/conf/eth0/5/forwarding",
        "net/ipv4/conf/eth0.5/forwarding/", "net.ipv4.conf.eth0.5.forwarding"}) {
    EXPECT_EQ(tree_.Read(path, &text), -ENOENT) << path;
    EXPECT_EQ(tree_.Write(path, "1"), -ENOENT) << path;
  }
}

// net/ipv4/tcp_available_congestion_control.
TEST_F(SysctlTest, ReadOnlyFilesRefuseToBeWritten) {
  char value[32] = "reno cubic";
  Add([&](SysctlFiles& files) {
    files.AddString("net/ipv4/tcp_available_congestion_control", value, sizeof(value))->read_only =
        true;
  });
  EXPECT_EQ(tree_.Write("net/ipv4/tcp_available_congestion_control", "reno"), -EACCES);
  EXPECT_STREQ(value, "reno cubic");
}

TEST_F(SysctlTest, ChangesAreAnnouncedOnSuccessOnly) {
  int32_t value = 0;
  int changes = 0;
  Add([&](SysctlFiles& files) {
    SysctlEntry* const entry = files.AddInt("a", &value, 0, 1);
    entry->changed = [](void* context) { ++*static_cast<int*>(context); };
    entry->context = &changes;
  });
  EXPECT_EQ(tree_.Write("a", "1"), 0);
  EXPECT_EQ(tree_.Write("a", "2"), -EINVAL);
  EXPECT_EQ(tree_.Write("a", "0"), 0);
  EXPECT_EQ(changes, 2);
}

TEST_F(SysctlTest, ATextIsMadeAndTakenByFunctions) {
  std::string held = "cubic";
  const auto read = [](void* context, std::string* text) {
    text->append(*static_cast<std::string*>(context));
  };
  const auto write = [](void* context, std::string_view text) {
    if (text == "nosuch") return -ENOENT;
    static_cast<std::string*>(context)->assign(text);
    return 0;
  };
  Add([&](SysctlFiles& files) { files.AddText("name", read, write, &held); });
  Add([&](SysctlFiles& files) { files.AddText("fixed", read, nullptr, &held); });
  EXPECT_EQ(Read("name"), "cubic\n");
  EXPECT_EQ(tree_.Write("name", "reno\nrest"), 0);
  EXPECT_EQ(Read("name"), "reno\n");
  EXPECT_EQ(tree_.Write("name", "nosuch\n"), -ENOENT);
  EXPECT_EQ(tree_.Write("fixed", "x"), -EACCES);
  EXPECT_EQ(held, "reno");
}

// What bounds a file may be another's value: it is looked at when the file is.
TEST_F(SysctlTest, ARangeIsThatOfTheMoment) {
  int32_t value = 0;
  int32_t max = 3;
  Add([&](SysctlFiles& files) {
    files.AddInt("value", &value, 0, max);
    files.AddInt("max", &max);
  });
  EXPECT_EQ(tree_.Write("value", "4"), -EINVAL);
  EXPECT_EQ(tree_.Write("max", "4"), 0);
  EXPECT_EQ(tree_.Write("value", "4"), 0);
}

TEST_F(SysctlTest, AnOwnersFilesAreInItsDirectory) {
  int32_t values[2] = {1, 2};
  const auto list = [](SysctlFiles& files, void* owner) {
    files.AddInt("mtu", static_cast<int32_t*>(owner));
  };
  tree_.AddOwner(list, &values[0], "net/ipv6/conf", "eth0");
  tree_.AddOwner(list, &values[1], "net/ipv6/conf", "eth0.5");
  EXPECT_EQ(Read("net/ipv6/conf/eth0/mtu"), "1\n");
  EXPECT_EQ(Read("net/ipv6/conf/eth0.5/mtu"), "2\n");
  EXPECT_EQ(Read("net.ipv6.conf.eth0/5.mtu"), "2\n");
  std::string text;
  for (const char* const path : {"mtu", "eth0/mtu", "net/ipv6/conf/eth/mtu", "net/ipv6/conf/eth0",
                                 "net/ipv6/confeth0/mtu", "net/ipv6/conf/eth0//mtu"}) {
    EXPECT_EQ(tree_.Read(path, &text), -ENOENT) << path;
  }
  EXPECT_EQ(tree_.Paths(),
            (std::vector<std::string>{"net/ipv6/conf/eth0/mtu", "net/ipv6/conf/eth0.5/mtu"}));
}

// The first of two owners who list the same file has it.
TEST_F(SysctlTest, FilesAreListedInOrder) {
  int32_t first = 1;
  int32_t second = 2;
  Add([&](SysctlFiles& files) {
    files.AddInt("b", &first);
    files.AddInt("b", &second);
  });
  Add([&](SysctlFiles& files) { files.AddInt("a", &second); });
  Add([&](SysctlFiles& files) { files.AddInt("b", &second); });
  EXPECT_EQ(Read("b"), "1\n");
  EXPECT_EQ(tree_.Paths(), (std::vector<std::string>{"b", "b", "a", "b"}));
}

}  // namespace
}  // namespace tapedeck
