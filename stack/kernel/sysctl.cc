#include "stack/kernel/sysctl.h"

#include <cerrno>
#include <cstring>

namespace tapedeck {

namespace {

constexpr std::string_view kProcSys = "/proc/sys/";

bool IsSpace(char c) { return c == ' ' || c == '\t' || c == '\n'; }

// "net/ipv4/conf/eth0.5/x" as it stands, or "net.ipv4.ip_forward" with dots for slashes, as sysctl(8) takes both.
bool PathsEqual(std::string_view entry, std::string_view path) {
  if (path.starts_with(kProcSys)) path.remove_prefix(kProcSys.size());
  if (entry.size() != path.size()) return false;
  const bool dotted = path.find('/') == std::string_view::npos;
  for (size_t i = 0; i < entry.size(); ++i) {
    const char c = dotted && path[i] == '.' ? '/' : path[i];
    if (c != entry[i]) return false;
  }
  return true;
}

// One number as the kernel's proc_get_long reads it: optional sign, decimal, 0x or 0 prefix.
bool TakeNumber(std::string_view* text, int64_t* value) {
  size_t i = 0;
  bool negative = false;
  if (i < text->size() && (*text)[i] == '-') {
    negative = true;
    ++i;
  }
  int base = 10;
  if (i + 1 < text->size() && (*text)[i] == '0') {
    base = ((*text)[i + 1] == 'x' || (*text)[i + 1] == 'X') ? 16 : 8;
    if (base == 16) i += 2;
  }
  uint64_t magnitude = 0;
  const size_t first_digit = i;
  for (; i < text->size(); ++i) {
    const char c = (*text)[i];
    const int digit = c >= '0' && c <= '9'   ? c - '0'
                      : c >= 'a' && c <= 'f' ? c - 'a' + 10
                      : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                             : 99;
    if (digit >= base) break;
    magnitude = magnitude * static_cast<uint64_t>(base) + static_cast<uint64_t>(digit);
    if (magnitude > uint64_t{1} << 40) return false;
  }
  if (i == first_digit) return false;
  if (i < text->size() && !IsSpace((*text)[i]) && (*text)[i] != '\0') return false;
  text->remove_prefix(i);
  *value = negative ? -static_cast<int64_t>(magnitude) : static_cast<int64_t>(magnitude);
  return true;
}

void SkipSpace(std::string_view* text) {
  while (!text->empty() && (IsSpace(text->front()) || text->front() == '\0')) {
    text->remove_prefix(1);
  }
}

}  // namespace

SysctlEntry* SysctlTree::Add(const SysctlEntry& entry) {
  auto* const added = arena_.New<SysctlEntry>(entry);
  *last_ = added;
  last_ = &added->next;
  return added;
}

SysctlEntry* SysctlTree::RegisterInt(const char* path, int32_t* value, int64_t min, int64_t max,
                                     uint32_t count) {
  return Add({path, SysctlKind::kInt, value, count, min, max, false, nullptr, nullptr, nullptr});
}

SysctlEntry* SysctlTree::RegisterUnsigned(const char* path, uint32_t* value, int64_t min,
                                          int64_t max) {
  return Add({path, SysctlKind::kUnsigned, value, 1, min, max, false, nullptr, nullptr, nullptr});
}

SysctlEntry* SysctlTree::RegisterJiffies(const char* path, int32_t* value) {
  return Add({path, SysctlKind::kJiffies, value, 1, INT32_MIN, INT32_MAX, false, nullptr, nullptr,
              nullptr});
}

SysctlEntry* SysctlTree::RegisterMsJiffies(const char* path, int32_t* value) {
  return Add({path, SysctlKind::kMsJiffies, value, 1, INT32_MIN, INT32_MAX, false, nullptr,
              nullptr, nullptr});
}

SysctlEntry* SysctlTree::RegisterString(const char* path, char* value, uint32_t bytes) {
  return Add({path, SysctlKind::kString, value, bytes, 0, 0, false, nullptr, nullptr, nullptr});
}

SysctlEntry* SysctlTree::Find(std::string_view path) const {
  for (SysctlEntry* entry = first_; entry != nullptr; entry = entry->next) {
    if (PathsEqual(entry->path, path)) return entry;
  }
  return nullptr;
}

int SysctlTree::Read(std::string_view path, std::string* text) const {
  const SysctlEntry* const entry = Find(path);
  if (entry == nullptr) return -ENOENT;
  text->clear();
  if (entry->kind == SysctlKind::kString) {
    const auto* const value = static_cast<const char*>(entry->value);
    text->assign(value, strnlen(value, entry->count));
  } else {
    for (uint32_t i = 0; i < entry->count; ++i) {
      if (i > 0) text->push_back('\t');
      int64_t value = entry->kind == SysctlKind::kUnsigned
                          ? int64_t{static_cast<const uint32_t*>(entry->value)[i]}
                          : int64_t{static_cast<const int32_t*>(entry->value)[i]};
      if (entry->kind == SysctlKind::kJiffies) value /= hz_;
      if (entry->kind == SysctlKind::kMsJiffies) value = value * 1000 / hz_;
      text->append(std::to_string(value));
    }
  }
  text->push_back('\n');
  return 0;
}

int SysctlTree::Write(std::string_view path, std::string_view text) {
  SysctlEntry* const entry = Find(path);
  if (entry == nullptr) return -ENOENT;
  if (entry->read_only) return -EACCES;
  if (entry->kind == SysctlKind::kString) {
    const std::string_view line = text.substr(0, text.find('\n'));
    if (line.size() >= entry->count) return -EINVAL;
    auto* const value = static_cast<char*>(entry->value);
    std::memcpy(value, line.data(), line.size());
    value[line.size()] = '\0';
  } else {
    // As do_proc_dointvec: values are stored one by one until one is wrong; fewer than all may be given.
    SkipSpace(&text);
    if (text.empty()) return -EINVAL;
    for (uint32_t i = 0; i < entry->count && !text.empty(); ++i) {
      int64_t value = 0;
      if (!TakeNumber(&text, &value)) return -EINVAL;
      SkipSpace(&text);
      if (entry->kind == SysctlKind::kJiffies) value *= hz_;
      if (entry->kind == SysctlKind::kMsJiffies) value = (value * hz_ + 999) / 1000;
      if (value < entry->min || value > entry->max) return -EINVAL;
      if (entry->kind == SysctlKind::kUnsigned) {
        static_cast<uint32_t*>(entry->value)[i] = static_cast<uint32_t>(value);
      } else {
        static_cast<int32_t*>(entry->value)[i] = static_cast<int32_t>(value);
      }
    }
    if (!text.empty()) return -EINVAL;
  }
  if (entry->changed != nullptr) entry->changed(entry->context);
  return 0;
}

}  // namespace tapedeck
