// Names for the places of a frame, and for frames that differ in numbers only.
#ifndef TAPEDECK_REPLAY_DIFFERENTIAL_FIELD_NAME_H_
#define TAPEDECK_REPLAY_DIFFERENTIAL_FIELD_NAME_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace tapedeck::differential {

// The field that byte `offset` of `frame` belongs to: "ip.tos", "tcp.window", "length" where the
// frame ends before it.
std::string FieldName(const std::vector<uint8_t>& frame, size_t offset);

// `text` with "#" in the place of every word that has a number in it.
std::string Shape(const std::string& text);

}  // namespace tapedeck::differential

#endif  // TAPEDECK_REPLAY_DIFFERENTIAL_FIELD_NAME_H_
