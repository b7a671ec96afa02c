// The general registers (EEPROM, semaphores, reset state) and those that have no effect in the
// model: software reads back what it wrote. Everything else belongs to the unit that acts on it.
// Source: Intel 82599 datasheet chapter 8.
#ifndef TAPEDECK_NICMODEL_REGISTER_FILE_H_
#define TAPEDECK_NICMODEL_REGISTER_FILE_H_

#include <cstdint>

#include "nicmodel/config.h"
#include "nicmodel/registers.h"
#include "stack/kernel/arena.h"

namespace tapedeck::nic {

class RegisterFile {
 public:
  RegisterFile(Arena& arena, const NicConfig& config);

  // Defaults; CTRL.RST reads as set until reset_time after `at`.
  void Reset(SimTime at);

  // False where `offset` is not one of ours. `link_up` is for STATUS.
  bool Read(SimTime at, uint32_t offset, bool link_up, uint32_t* value);
  bool Write(uint32_t offset, uint32_t value);

  // Word `index` of the EEPROM (datasheet 6): identification and MAC address; words 00..3F sum to
  // BABA.
  uint16_t EepromWord(uint32_t index) const;

 private:
  uint16_t EepromContent(uint32_t index) const;

  Arena& arena_;
  const NicConfig& config_;
  uint32_t ctrl_ = 0;
  SimTime reset_done_;
  uint32_t eec_request_ = 0;
  uint32_t eerd_ = 0;
  uint32_t swsm_ = 0;
  uint32_t sw_fw_sync_ = 0;
  uint32_t* plain_;  // one word for each register of the table in the .cc
};

}  // namespace tapedeck::nic

#endif  // TAPEDECK_NICMODEL_REGISTER_FILE_H_
