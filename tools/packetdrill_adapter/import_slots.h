// Replaces functions that the main program imports from its C library: packetdrill makes some calls
// on a stack's descriptors past its interface.
#ifndef TAPEDECK_TOOLS_PACKETDRILL_ADAPTER_IMPORT_SLOTS_H_
#define TAPEDECK_TOOLS_PACKETDRILL_ADAPTER_IMPORT_SLOTS_H_

#include <span>

namespace tapedeck::adapter {

struct Import {
  const char* name;
  void* replacement;
};

// Points the import slots of the main program (x86-64 ELF) that have these names at the
// replacements. Returns how many it found.
int ReplaceImports(std::span<const Import> imports);

}  // namespace tapedeck::adapter

#endif  // TAPEDECK_TOOLS_PACKETDRILL_ADAPTER_IMPORT_SLOTS_H_
