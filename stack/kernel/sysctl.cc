#include "stack/kernel/sysctl.h"

#include <cerrno>
#include <cstring>

namespace tapedeck {

namespace {

constexpr std::string_view kProcSys = "/proc/sys/";

// isspace() in the C locale; and the shorter list of what may follow a number (proc_wspace_sep).
bool IsSpace(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }
bool EndsNumber(char c) { return c == ' ' || c == '\t' || c == '\n'; }

// sysctl(8)'s spellings: "net/ipv4/conf/eth0.5/x" as it stands; where the first separator is a dot,
// dots and slashes are exchanged, as in "net.ipv4.conf.eth0/5.x".
std::string CanonicalPath(std::string_view path) {
  if (path.starts_with(kProcSys)) path.remove_prefix(kProcSys.size());
  std::string canonical(path);
  const size_t separator = path.find_first_of("./");
  if (separator == std::string_view::npos || path[separator] == '/') return canonical;
  for (char& c : canonical) {
    if (c == '.' || c == '/') c = c == '.' ? '/' : '.';
  }
  return canonical;
}

// Takes "<directory>/" from the front of `path`. False where it begins with something else.
bool TakeDirectory(std::string_view* path, std::string_view directory) {
  if (!path->starts_with(directory)) return false;
  if (path->size() == directory.size() || (*path)[directory.size()] != '/') return false;
  path->remove_prefix(directory.size() + 1);
  return true;
}

struct Number {
  uint64_t magnitude = 0;
  bool negative = false;
};

int DigitOf(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return 99;
}

// One number as proc_get_long reads it: optional minus, decimal, 0x or 0 prefix, at most 20
// characters, then white space or the end.
bool TakeNumber(std::string_view* text, Number* number) {
  constexpr size_t kCharsMax = 21;  // TMPBUFLEN - 1: as many are refused, as more might follow
  std::string_view s = text->substr(0, kCharsMax);
  size_t i = s.size() > 1 && s[0] == '-' ? 1 : 0;
  number->negative = i != 0;
  number->magnitude = 0;
  uint64_t base = 10;
  if (i + 1 < s.size() && s[i] == '0') {
    base = 8;
    if (i + 2 < s.size() && (s[i + 1] == 'x' || s[i + 1] == 'X') && DigitOf(s[i + 2]) < 16) {
      base = 16;
      i += 2;
    }
  }
  const size_t first_digit = i;
  for (; i < s.size() && static_cast<uint64_t>(DigitOf(s[i])) < base; ++i) {
    if (__builtin_mul_overflow(number->magnitude, base, &number->magnitude) ||
        __builtin_add_overflow(number->magnitude, static_cast<uint64_t>(DigitOf(s[i])),
                               &number->magnitude)) {
      return false;
    }
  }
  if (i == first_digit || i == kCharsMax) return false;
  if (i < text->size() && !EndsNumber((*text)[i])) return false;
  text->remove_prefix(i);
  return true;
}

std::string_view FirstLine(std::string_view text) {
  return text.substr(0, text.find_first_of(std::string_view("\n\0", 2)));
}

void SkipSpace(std::string_view* text) {
  while (!text->empty() && IsSpace(text->front())) text->remove_prefix(1);
}

// What an int setting becomes (do_proc_dointvec_*_conv), before its range is checked. False where
// it does not fit.
bool ToVariable(SysctlKind kind, uint32_t hz, const Number& number, int64_t* value) {
  constexpr uint64_t kIntMax = INT32_MAX;
  uint64_t magnitude = number.magnitude;
  if (kind == SysctlKind::kUnsigned) {
    *value = static_cast<int64_t>(magnitude);
    return !number.negative && magnitude <= UINT32_MAX;
  }
  if (kind == SysctlKind::kMsJiffies) {
    // msecs_to_jiffies takes an unsigned int, and what is negative as an int is for ever, which
    // does not fit.
    const auto ms = static_cast<uint32_t>(number.negative ? 0 - magnitude : magnitude);
    *value = static_cast<int64_t>((uint64_t{ms} * hz + 999) / 1000);
    return static_cast<int32_t>(ms) >= 0 && *value <= INT32_MAX;
  }
  if (kind == SysctlKind::kJiffies) {
    if (magnitude > kIntMax / hz) return false;
    magnitude *= hz;
  }
  if (magnitude > kIntMax + (number.negative ? 1 : 0)) return false;
  *value = number.negative ? -static_cast<int64_t>(magnitude) : static_cast<int64_t>(magnitude);
  return true;
}

}  // namespace

SysctlEntry* SysctlFiles::Add(const SysctlEntry& entry) {
  if (paths_ != nullptr) paths_->emplace_back(entry.path);
  if (found_ || wanted_ != entry.path) {
    other_entry_ = entry;
    return &other_entry_;
  }
  found_ = true;
  wanted_entry_ = entry;
  return &wanted_entry_;
}

SysctlEntry* SysctlFiles::AddInt(const char* path, int32_t* value, int64_t min, int64_t max,
                                 uint32_t count) {
  return Add({path, SysctlKind::kInt, value, count, min, max});
}

SysctlEntry* SysctlFiles::AddUnsigned(const char* path, uint32_t* value, int64_t min, int64_t max) {
  return Add({path, SysctlKind::kUnsigned, value, 1, min, max});
}

SysctlEntry* SysctlFiles::AddJiffies(const char* path, int32_t* value) {
  return Add({path, SysctlKind::kJiffies, value, 1, INT32_MIN, INT32_MAX});
}

SysctlEntry* SysctlFiles::AddMsJiffies(const char* path, int32_t* value) {
  return Add({path, SysctlKind::kMsJiffies, value, 1, INT32_MIN, INT32_MAX});
}

SysctlEntry* SysctlFiles::AddString(const char* path, char* value, uint32_t bytes) {
  return Add({path, SysctlKind::kString, value, bytes});
}

SysctlEntry* SysctlFiles::AddText(const char* path, SysctlReadText read, SysctlWriteText write,
                                  void* context) {
  SysctlEntry* const entry = Add({path, SysctlKind::kText, nullptr, 0});
  entry->read_only = write == nullptr;
  entry->context = context;
  entry->read_text = read;
  entry->write_text = write;
  return entry;
}

void SysctlTree::AddOwner(SysctlList list, void* owner, const char* parent, const char* name) {
  auto* const added = arena_.New<Owner>(Owner{list, owner, parent, name, nullptr});
  *last_ = added;
  last_ = &added->next;
}

std::optional<SysctlEntry> SysctlTree::Find(std::string_view path) const {
  const std::string canonical = CanonicalPath(path);
  for (const Owner* owner = first_; owner != nullptr; owner = owner->next) {
    SysctlFiles files;
    files.wanted_ = canonical;
    if (owner->parent != nullptr && (!TakeDirectory(&files.wanted_, owner->parent) ||
                                     !TakeDirectory(&files.wanted_, owner->name))) {
      continue;
    }
    owner->list(files, owner->owner);
    if (files.found_) return files.wanted_entry_;
  }
  return std::nullopt;
}

std::vector<std::string> SysctlTree::Paths() const {
  std::vector<std::string> all;
  for (const Owner* owner = first_; owner != nullptr; owner = owner->next) {
    SysctlFiles files;
    std::vector<std::string> paths;
    files.paths_ = &paths;
    owner->list(files, owner->owner);
    for (const std::string& path : paths) {
      all.push_back(owner->parent == nullptr
                        ? path
                        : std::string(owner->parent) + "/" + owner->name + "/" + path);
    }
  }
  return all;
}

int SysctlTree::Read(std::string_view path, std::string* text) const {
  const std::optional<SysctlEntry> entry = Find(path);
  if (!entry.has_value()) return -ENOENT;
  text->clear();
  if (entry->kind == SysctlKind::kText) {
    entry->read_text(entry->context, text);
  } else if (entry->kind == SysctlKind::kString) {
    const auto* const value = static_cast<const char*>(entry->value);
    text->assign(value, strnlen(value, entry->count));
  } else {
    ReadNumbers(*entry, text);
  }
  text->push_back('\n');
  return 0;
}

void SysctlTree::ReadNumbers(const SysctlEntry& entry, std::string* text) const {
  for (uint32_t i = 0; i < entry.count; ++i) {
    if (i > 0) text->push_back('\t');
    int64_t value = entry.kind == SysctlKind::kUnsigned
                        ? int64_t{static_cast<const uint32_t*>(entry.value)[i]}
                        : int64_t{static_cast<const int32_t*>(entry.value)[i]};
    if (entry.kind == SysctlKind::kJiffies) value /= hz_;
    if (entry.kind == SysctlKind::kMsJiffies) value = value * 1000 / hz_;
    text->append(std::to_string(value));
  }
}

int SysctlTree::Write(std::string_view path, std::string_view text) {
  const std::optional<SysctlEntry> entry = Find(path);
  if (!entry.has_value()) return -ENOENT;
  if (entry->read_only) return -EACCES;
  if (text.empty()) return 0;
  if (entry->kind == SysctlKind::kText) {
    return entry->write_text(entry->context, FirstLine(text));
  }
  if (entry->kind == SysctlKind::kString) {
    WriteString(*entry, text);
  } else {
    const int error = WriteNumbers(*entry, text);
    if (error != 0) return error;
  }
  if (entry->changed != nullptr) entry->changed(entry->context);
  return 0;
}

// proc_dostring: up to the first newline or NUL, cut where the variable ends.
void SysctlTree::WriteString(const SysctlEntry& entry, std::string_view text) {
  text = FirstLine(text).substr(0, entry.count - 1);
  auto* const value = static_cast<char*>(entry.value);
  std::memcpy(value, text.data(), text.size());
  value[text.size()] = '\0';
}

// do_proc_dointvec: values are stored one by one until one is wrong; fewer than all may be given;
// what follows the last is ignored.
int SysctlTree::WriteNumbers(const SysctlEntry& entry, std::string_view text) const {
  for (uint32_t i = 0; i < entry.count; ++i) {
    SkipSpace(&text);
    if (text.empty()) return i == 0 ? -EINVAL : 0;
    Number number;
    int64_t value = 0;
    if (!TakeNumber(&text, &number)) return -EINVAL;
    if (!ToVariable(entry.kind, hz_, number, &value)) return -EINVAL;
    if (value < entry.min || value > entry.max) return -EINVAL;
    if (entry.kind == SysctlKind::kUnsigned) {
      static_cast<uint32_t*>(entry.value)[i] = static_cast<uint32_t>(value);
    } else {
      static_cast<int32_t*>(entry.value)[i] = static_cast<int32_t>(value);
    }
  }
  return 0;
}

}  // namespace tapedeck
