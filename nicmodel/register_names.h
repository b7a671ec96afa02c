// The 82599's registers by the names that its datasheet gives them (chapter 8), for people: scripts
// and reports say RDT(0), not 0x01018.
#ifndef TAPEDECK_NICMODEL_REGISTER_NAMES_H_
#define TAPEDECK_NICMODEL_REGISTER_NAMES_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace tapedeck::nic {

// BAR0 is 128 KiB of 32-bit registers.
inline constexpr uint32_t kRegisterBytes = 0x20000;

// A name, and where the first register of it is; those of an array follow `stride` bytes apart.
struct RegisterName {
  std::string_view name;
  uint32_t offset;
  uint32_t count = 1;
  uint32_t stride = 4;
};

// Where the register `index` of the array `name` is (0 of a single register); nullopt where there
// is none.
std::optional<uint32_t> FindRegister(std::string_view name, uint32_t index);
// How many registers `name` stands for; 0 where it stands for none.
uint32_t RegisterCount(std::string_view name);
// "CTRL", "RDT(0)"; empty for an offset without a name.
std::string RegisterNameOf(uint32_t offset);

}  // namespace tapedeck::nic

#endif  // TAPEDECK_NICMODEL_REGISTER_NAMES_H_
