// TCP sequence numbers: 32 bits that wrap. There is no `<`, for it would be wrong half of the time;
// there are before and after, which hold for numbers less than 2^31 apart (RFC 9293 3.4; Linux:
// before(), after(), between()).
#ifndef TAPEDECK_STACK_BASE_SEQNUM_H_
#define TAPEDECK_STACK_BASE_SEQNUM_H_

#include <cstdint>

namespace tapedeck {

class SeqNum {
 public:
  constexpr SeqNum() = default;
  constexpr explicit SeqNum(uint32_t value) : value_(value) {}

  constexpr uint32_t value() const { return value_; }

  // At a distance of exactly 2^31 each number is before the other, as with the kernel's macros.
  constexpr bool Before(SeqNum other) const { return *this - other < 0; }
  constexpr bool After(SeqNum other) const { return other.Before(*this); }
  constexpr bool AtOrBefore(SeqNum other) const { return !After(other); }
  constexpr bool AtOrAfter(SeqNum other) const { return !Before(other); }

  // Whether this lies in [first, last], walking upwards from `first`; any width up to 2^32 - 1.
  constexpr bool Between(SeqNum first, SeqNum last) const {
    return last.value_ - first.value_ >= value_ - first.value_;
  }

  constexpr SeqNum& operator+=(uint32_t bytes) {
    value_ += bytes;
    return *this;
  }
  constexpr SeqNum& operator-=(uint32_t bytes) {
    value_ -= bytes;
    return *this;
  }
  friend constexpr SeqNum operator+(SeqNum seq, uint32_t bytes) { return seq += bytes; }
  friend constexpr SeqNum operator-(SeqNum seq, uint32_t bytes) { return seq -= bytes; }

  // Signed distance from `from` to `to`, in [-2^31, 2^31).
  friend constexpr int32_t operator-(SeqNum to, SeqNum from) {
    return static_cast<int32_t>(to.value_ - from.value_);
  }
  friend constexpr bool operator==(SeqNum, SeqNum) = default;

 private:
  uint32_t value_ = 0;
};

// The later (earlier) of two; `a` when they are equal.
constexpr SeqNum SeqMax(SeqNum a, SeqNum b) { return a.Before(b) ? b : a; }
constexpr SeqNum SeqMin(SeqNum a, SeqNum b) { return a.After(b) ? b : a; }

static_assert(sizeof(SeqNum) == 4);
static_assert(SeqNum(0xffffffff).Before(SeqNum(0)) && SeqNum(0).After(SeqNum(0xffffffff)));

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_BASE_SEQNUM_H_
