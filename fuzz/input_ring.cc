#include "fuzz/input_ring.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>

namespace tapedeck::fuzz {

struct InputRing::File {
  static constexpr uint64_t kMagic = 0x32676e6952706154;  // "TapRing2"
  struct Slot {
    uint32_t bytes = 0;
    uint8_t data[kInputBytesMax] = {};
  };

  uint64_t magic = kMagic;
  uint64_t added = 0;      // ever; the newest is in slot (added - 1) modulo kInputsMax
  uint64_t cut_short = 0;  // of these runs, and of those before this file
  Slot slots[kInputsMax];
};

InputRing InputRing::FromEnvironment() {
  const char* const path = std::getenv(kInputRingVariable);
  return path != nullptr && path[0] != '\0' ? InputRing(path) : InputRing();
}

InputRing::InputRing(const char* path) {
  const std::string name = path;
  const uint64_t cut_short_before = ReadCutShort(name);
  // A finished ring goes where the oldest of those was: names after each other, the next one free.
  for (int i = kOldRings - 1; i > 0; --i) {
    std::rename((name + "." + std::to_string(i - 1)).c_str(),
                (name + "." + std::to_string(i)).c_str());
  }
  std::rename(path, (name + ".0").c_str());
  const int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (fd < 0) return;
  if (ftruncate(fd, sizeof(File)) == 0) {
    void* const memory = mmap(nullptr, sizeof(File), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (memory != MAP_FAILED) file_ = static_cast<File*>(memory);
  }
  close(fd);
  if (file_ == nullptr) return;
  file_->magic = File::kMagic;  // all else is zero in a new file
  file_->cut_short = cut_short_before;
}

void InputRing::Store(std::span<const uint8_t> input) {
  File::Slot& slot = file_->slots[file_->added % kInputsMax];
  slot.bytes = static_cast<uint32_t>(std::min<size_t>(input.size(), kInputBytesMax));
  if (slot.bytes != 0) std::memcpy(slot.data, input.data(), slot.bytes);
  ++file_->added;
}

void InputRing::CountCutShort() {
  if (file_ != nullptr) ++file_->cut_short;
}

std::unique_ptr<InputRing::File> InputRing::Load(const std::string& path) {
  auto file = std::make_unique<File>();
  std::ifstream in(path, std::ios::binary);
  in.read(reinterpret_cast<char*>(file.get()), sizeof(File));
  return in && file->magic == File::kMagic ? std::move(file) : nullptr;
}

uint64_t InputRing::ReadCutShort(const std::string& path) {
  const std::unique_ptr<File> file = Load(path);
  return file == nullptr ? 0 : file->cut_short;
}

std::vector<std::vector<uint8_t>> InputRing::Read(const std::string& path) {
  std::vector<std::vector<uint8_t>> inputs;
  const std::unique_ptr<File> file = Load(path);
  if (file == nullptr) return inputs;
  const uint64_t first = file->added > kInputsMax ? file->added - kInputsMax : 0;
  for (uint64_t i = first; i < file->added; ++i) {
    const File::Slot& slot = file->slots[i % kInputsMax];
    const uint32_t bytes = std::min(slot.bytes, kInputBytesMax);
    inputs.emplace_back(slot.data, slot.data + bytes);
  }
  return inputs;
}

}  // namespace tapedeck::fuzz
