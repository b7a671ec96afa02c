#include "tools/packetdrill_adapter/import_slots.h"

#include <elf.h>
#include <link.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>

namespace tapedeck::adapter {
namespace {

// The parts of a program's dynamic section that lead from a name to its slot.
struct Dynamic {
  const ElfW(Sym) * symbols = nullptr;
  const char* names = nullptr;
  const ElfW(Rela) * plt = nullptr;
  size_t plt_bytes = 0;
  const ElfW(Rela) * rela = nullptr;
  size_t rela_bytes = 0;
};

Dynamic ReadDynamic(const dl_phdr_info& program) {
  Dynamic dynamic;
  for (int i = 0; i < program.dlpi_phnum; ++i) {
    if (program.dlpi_phdr[i].p_type != PT_DYNAMIC) continue;
    const auto* entry =
        reinterpret_cast<const ElfW(Dyn)*>(program.dlpi_addr + program.dlpi_phdr[i].p_vaddr);
    for (; entry->d_tag != DT_NULL; ++entry) {
      const auto* const at = reinterpret_cast<const char*>(entry->d_un.d_ptr);
      switch (entry->d_tag) {
        case DT_SYMTAB:
          dynamic.symbols = reinterpret_cast<const ElfW(Sym)*>(at);
          break;
        case DT_STRTAB:
          dynamic.names = at;
          break;
        case DT_JMPREL:
          dynamic.plt = reinterpret_cast<const ElfW(Rela)*>(at);
          break;
        case DT_PLTRELSZ:
          dynamic.plt_bytes = entry->d_un.d_val;
          break;
        case DT_RELA:
          dynamic.rela = reinterpret_cast<const ElfW(Rela)*>(at);
          break;
        case DT_RELASZ:
          dynamic.rela_bytes = entry->d_un.d_val;
          break;
        default:
          break;
      }
    }
  }
  return dynamic;
}

void Write(uintptr_t slot, void* value) {
  const auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  mprotect(reinterpret_cast<void*>(slot & ~(page - 1)), page, PROT_READ | PROT_WRITE);
  std::memcpy(reinterpret_cast<void*>(slot), &value, sizeof(value));
}

int ReplaceIn(const Dynamic& dynamic, const ElfW(Rela) * table, size_t bytes, uintptr_t base,
              std::span<const Import> imports) {
  int found = 0;
  for (size_t i = 0; i < bytes / sizeof(*table); ++i) {
    const auto type = ELF64_R_TYPE(table[i].r_info);
    if (type != R_X86_64_JUMP_SLOT && type != R_X86_64_GLOB_DAT) continue;
    const char* const name = dynamic.names + dynamic.symbols[ELF64_R_SYM(table[i].r_info)].st_name;
    for (const Import& import : imports) {
      if (std::strcmp(name, import.name) != 0) continue;
      Write(base + table[i].r_offset, import.replacement);
      ++found;
    }
  }
  return found;
}

struct Search {
  std::span<const Import> imports;
  int found = 0;
};

// The first object that is listed is the main program.
int OnObject(dl_phdr_info* program, size_t /*size*/, void* context) {
  auto* const search = static_cast<Search*>(context);
  const Dynamic dynamic = ReadDynamic(*program);
  search->found +=
      ReplaceIn(dynamic, dynamic.plt, dynamic.plt_bytes, program->dlpi_addr, search->imports);
  search->found +=
      ReplaceIn(dynamic, dynamic.rela, dynamic.rela_bytes, program->dlpi_addr, search->imports);
  return 1;
}

}  // namespace

int ReplaceImports(std::span<const Import> imports) {
  Search search{imports};
  dl_iterate_phdr(OnObject, &search);
  return search.found;
}

}  // namespace tapedeck::adapter
