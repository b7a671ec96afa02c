// The sysctl tree: settings by their /proc/sys paths, read and written as text with Linux's
// parsing, ranges and errors. An entry points at the variable that the stack reads, so a write
// takes effect at once.
//
// The tree keeps owners, not files: whoever has settings lists them each time a path is looked up.
// A host has some six hundred files, and one that nobody opens takes no memory and no time.
#ifndef TAPEDECK_STACK_KERNEL_SYSCTL_H_
#define TAPEDECK_STACK_KERNEL_SYSCTL_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "stack/kernel/arena.h"

namespace tapedeck {

// How the value reads and writes, as the kernel's proc handlers of the same names.
enum class SysctlKind : uint8_t {
  kInt,        // proc_dointvec_minmax over `count` ints
  kUnsigned,   // proc_douintvec_minmax
  kJiffies,    // proc_dointvec_jiffies: seconds in the file, jiffies in the variable
  kMsJiffies,  // proc_dointvec_ms_jiffies: milliseconds in the file, jiffies in the variable
  kString,     // proc_dostring: `count` bytes
  kText,       // made and taken by functions
};

// The file's text without its newline / what a write does: 0 or -errno. `text` ends at its first
// newline.
using SysctlReadText = void (*)(void* context, std::string* text);
using SysctlWriteText = int (*)(void* context, std::string_view text);

struct SysctlEntry {
  const char* path;  // "net/ipv4/ip_forward", below /proc/sys and its owner's directory
  SysctlKind kind;
  void* value;
  uint32_t count;  // elements; bytes of a string's buffer
  int64_t min = 0;
  int64_t max = 0;
  bool read_only = false;
  // Called after a successful write; may be null.
  void (*changed)(void* context) = nullptr;
  void* context = nullptr;
  SysctlReadText read_text = nullptr;  // kText
  SysctlWriteText write_text = nullptr;
};

// Where an owner lists its files. Each call returns the entry, which may be completed until the
// next call.
class SysctlFiles {
 public:
  SysctlEntry* AddInt(const char* path, int32_t* value, int64_t min = INT32_MIN,
                      int64_t max = INT32_MAX, uint32_t count = 1);
  SysctlEntry* AddUnsigned(const char* path, uint32_t* value, int64_t min = 0,
                           int64_t max = UINT32_MAX);
  SysctlEntry* AddJiffies(const char* path, int32_t* value);
  SysctlEntry* AddMsJiffies(const char* path, int32_t* value);
  SysctlEntry* AddString(const char* path, char* value, uint32_t bytes);
  // Read-only where `write` is null.
  SysctlEntry* AddText(const char* path, SysctlReadText read, SysctlWriteText write, void* context);

 private:
  friend class SysctlTree;
  SysctlEntry* Add(const SysctlEntry& entry);

  std::string_view wanted_;
  bool found_ = false;
  SysctlEntry wanted_entry_{};
  SysctlEntry other_entry_{};
  std::vector<std::string>* paths_ = nullptr;  // where all are wanted
};

// Lists the files of `owner`.
using SysctlList = void (*)(SysctlFiles& files, void* owner);

class SysctlTree {
 public:
  SysctlTree(Arena& arena, uint32_t hz) : arena_(arena), hz_(hz) {}

  // Files of `owner`, below "<parent>/<name>/" where these are given ("net/ipv4/conf", "eth0").
  // Strings and owner must live as long as the tree.
  void AddOwner(SysctlList list, void* owner, const char* parent = nullptr,
                const char* name = nullptr);

  // The file's text with its newline. 0, or -ENOENT.
  int Read(std::string_view path, std::string* text) const;
  // 0, -ENOENT, -EACCES (read-only), -EINVAL (not a number, out of range). As in Linux, values
  // before a wrong one have been stored then, text behind the last value is ignored, a string that
  // is too long is cut, and no text changes nothing. `path` may be "net/ipv4/x",
  // "/proc/sys/net/ipv4/x" or "net.ipv4.x".
  int Write(std::string_view path, std::string_view text);

  // All files, owner by owner.
  std::vector<std::string> Paths() const;

 private:
  struct Owner {
    SysctlList list;
    void* owner;
    const char* parent;
    const char* name;
    Owner* next;
  };
  std::optional<SysctlEntry> Find(std::string_view path) const;
  static void WriteString(const SysctlEntry& entry, std::string_view text);
  void ReadNumbers(const SysctlEntry& entry, std::string* text) const;
  int WriteNumbers(const SysctlEntry& entry, std::string_view text) const;

  Arena& arena_;
  uint32_t hz_;
  Owner* first_ = nullptr;
  Owner** last_ = &first_;
};

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_KERNEL_SYSCTL_H_
