// Integers as they lie on the wire or in a file: fixed byte order, alignment 1, size exact. Structs
// made of them can be laid over packet bytes at any address. They convert to and from host
// integers; they do no arithmetic.
//
//   struct UdpHeader { be16 source; be16 dest; be16 len; be16 check; };
//   header.len = 8 + payload_bytes;          // stored big-endian
//   if (header.dest.host() == 53) ...        // explicit in the other direction
#ifndef TAPEDECK_STACK_BASE_BYTEORDER_H_
#define TAPEDECK_STACK_BASE_BYTEORDER_H_

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

namespace tapedeck {

static_assert(std::endian::native == std::endian::little || std::endian::native == std::endian::big,
              "mixed-endian machines are not supported");

// `value` with its bytes reversed.
constexpr uint16_t ByteSwap(uint16_t value) { return __builtin_bswap16(value); }
constexpr uint32_t ByteSwap(uint32_t value) { return __builtin_bswap32(value); }
constexpr uint64_t ByteSwap(uint64_t value) { return __builtin_bswap64(value); }

// Reads a T stored in byte order `order` at `bytes`, which needs no alignment.
// REQUIRES: sizeof(T) readable bytes.
template <typename T, std::endian order>
constexpr T LoadInteger(const uint8_t* bytes) {
  static_assert(std::is_unsigned_v<T>);
  T value{};
  if (std::is_constant_evaluated()) {
    std::array<uint8_t, sizeof(T)> copy{};
    for (size_t i = 0; i < sizeof(T); ++i) copy[i] = bytes[i];
    value = std::bit_cast<T>(copy);
  } else {
    std::memcpy(&value, bytes, sizeof(T));
  }
  return order == std::endian::native ? value : ByteSwap(value);
}

// Writes `value` at `bytes` in byte order `order`. REQUIRES: sizeof(T) writable bytes.
template <typename T, std::endian order>
constexpr void StoreInteger(uint8_t* bytes, T value) {
  static_assert(std::is_unsigned_v<T>);
  const T stored = order == std::endian::native ? value : ByteSwap(value);
  if (std::is_constant_evaluated()) {
    const auto copy = std::bit_cast<std::array<uint8_t, sizeof(T)>>(stored);
    for (size_t i = 0; i < sizeof(T); ++i) bytes[i] = copy[i];
  } else {
    std::memcpy(bytes, &stored, sizeof(T));
  }
}

constexpr uint16_t LoadBe16(const uint8_t* p) { return LoadInteger<uint16_t, std::endian::big>(p); }
constexpr uint32_t LoadBe32(const uint8_t* p) { return LoadInteger<uint32_t, std::endian::big>(p); }
constexpr uint64_t LoadBe64(const uint8_t* p) { return LoadInteger<uint64_t, std::endian::big>(p); }
constexpr uint16_t LoadLe16(const uint8_t* p) {
  return LoadInteger<uint16_t, std::endian::little>(p);
}
constexpr uint32_t LoadLe32(const uint8_t* p) {
  return LoadInteger<uint32_t, std::endian::little>(p);
}
constexpr uint64_t LoadLe64(const uint8_t* p) {
  return LoadInteger<uint64_t, std::endian::little>(p);
}

constexpr void StoreBe16(uint8_t* p, uint16_t v) { StoreInteger<uint16_t, std::endian::big>(p, v); }
constexpr void StoreBe32(uint8_t* p, uint32_t v) { StoreInteger<uint32_t, std::endian::big>(p, v); }
constexpr void StoreBe64(uint8_t* p, uint64_t v) { StoreInteger<uint64_t, std::endian::big>(p, v); }
constexpr void StoreLe16(uint8_t* p, uint16_t v) {
  StoreInteger<uint16_t, std::endian::little>(p, v);
}
constexpr void StoreLe32(uint8_t* p, uint32_t v) {
  StoreInteger<uint32_t, std::endian::little>(p, v);
}
constexpr void StoreLe64(uint8_t* p, uint64_t v) {
  StoreInteger<uint64_t, std::endian::little>(p, v);
}

// A T kept in byte order `order`. A fresh one is zero, so that no emitted header holds an
// uninitialised byte.
template <typename T, std::endian order>
class Stored {
 public:
  using Host = T;

  constexpr Stored() = default;
  // Implicit: assigning a host integer to a wire field is the normal way to fill a header.
  // NOLINTNEXTLINE(google-explicit-constructor)
  constexpr Stored(T host) { StoreInteger<T, order>(bytes_.data(), host); }

  constexpr T host() const { return LoadInteger<T, order>(bytes_.data()); }
  constexpr explicit operator T() const { return host(); }

  // The stored bytes as they are in memory. sizeof(T) of them.
  constexpr const std::array<uint8_t, sizeof(T)>& bytes() const { return bytes_; }
  static constexpr Stored FromBytes(const uint8_t* bytes) {
    return Stored(LoadInteger<T, order>(bytes));
  }

  friend constexpr bool operator==(const Stored& a, const Stored& b) {
    return a.host() == b.host();
  }

 private:
  std::array<uint8_t, sizeof(T)> bytes_{};
};

using be16 = Stored<uint16_t, std::endian::big>;
using be32 = Stored<uint32_t, std::endian::big>;
using be64 = Stored<uint64_t, std::endian::big>;
using le16 = Stored<uint16_t, std::endian::little>;
using le32 = Stored<uint32_t, std::endian::little>;
using le64 = Stored<uint64_t, std::endian::little>;

static_assert(sizeof(be16) == 2 && alignof(be16) == 1 && std::is_trivially_copyable_v<be16>);
static_assert(sizeof(be32) == 4 && alignof(be32) == 1 && std::is_trivially_copyable_v<be32>);
static_assert(sizeof(be64) == 8 && alignof(be64) == 1 && std::is_trivially_copyable_v<be64>);
static_assert(sizeof(le16) == 2 && alignof(le16) == 1 && std::is_trivially_copyable_v<le16>);
static_assert(sizeof(le32) == 4 && alignof(le32) == 1 && std::is_trivially_copyable_v<le32>);
static_assert(sizeof(le64) == 8 && alignof(le64) == 1 && std::is_trivially_copyable_v<le64>);

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_BASE_BYTEORDER_H_
