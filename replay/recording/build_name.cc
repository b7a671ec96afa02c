// BuildName: the note that the linker leaves in a program (--build-id).
#include <elf.h>
#include <link.h>

#include <cstring>
#include <span>

#include "absl/strings/escaping.h"
#include "absl/strings/string_view.h"
#include "replay/recording/recording_format.h"

namespace tapedeck {

namespace {

constexpr size_t kNoteAlign = 4;

constexpr size_t NotePadded(size_t bytes) { return (bytes + kNoteAlign - 1) & ~(kNoteAlign - 1); }

// The build id among the notes of a segment, or "".
std::string BuildIdIn(std::span<const uint8_t> notes) {
  while (notes.size() >= sizeof(ElfW(Nhdr))) {
    ElfW(Nhdr) header;
    std::memcpy(&header, notes.data(), sizeof(header));
    const size_t name_bytes = NotePadded(header.n_namesz);
    const size_t all_bytes = sizeof(header) + name_bytes + NotePadded(header.n_descsz);
    if (all_bytes > notes.size()) return "";
    const auto* const name = reinterpret_cast<const char*>(notes.data()) + sizeof(header);
    if (header.n_type == NT_GNU_BUILD_ID &&
        absl::string_view(name, header.n_namesz) == absl::string_view("GNU", sizeof("GNU"))) {
      return absl::BytesToHexString(absl::string_view(name + name_bytes, header.n_descsz));
    }
    notes = notes.subspan(all_bytes);
  }
  return "";
}

// Of the first object, which is the program itself.
int OnObject(dl_phdr_info* info, size_t, void* found) {
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const ElfW(Phdr)& segment = info->dlpi_phdr[i];
    if (segment.p_type != PT_NOTE) continue;
    const auto* const start = reinterpret_cast<const uint8_t*>(info->dlpi_addr + segment.p_vaddr);
    const std::string id = BuildIdIn({start, segment.p_memsz});
    if (!id.empty()) *static_cast<std::string*>(found) = id;
  }
  return 1;
}

}  // namespace

std::string BuildName() {
  std::string name = "unknown";
  dl_iterate_phdr(&OnObject, &name);
  return name;
}

}  // namespace tapedeck
